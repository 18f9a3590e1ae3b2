//! Passwords: how a typed one is judged, and how a new one is set.

use std::sync::Arc;

use crate::app::Ctx;
use crate::flow::Act;
use crate::flow::act::network;
use crate::model::audit::Event;
use crate::model::notice::Message;
use crate::model::user::{PasswordHash, User, address_as_typed};
use crate::model::{Refusal, Result, Secret, SessionId, UserId};
use crate::store::{
    Tx, api_keys, challenges, email_changes, limits, password_resets, sessions, users,
};
use crate::vault::{Comparison, PasswordVerdict, Vault};

mod rules;

use rules::judge_new;
pub use rules::{judge_length, own_words, under};

/// Checks a password that is about to be set, and hashes it. `words` must not make a password alone.
///
/// # Errors
/// Refuses with a sentence about the field `password`, and as busy if the hashing queue is full.
pub async fn hash_new(
    ctx: &Ctx,
    act: &Act,
    password: Secret<String>,
    words: Vec<String>,
) -> Result<PasswordHash> {
    judge_new(ctx, act, &password, words).await?;
    let hasher = ctx.hasher.of(act.source);
    hasher.hash(password, ctx.chance.salt()).await
}

/// Returns the key of an address, as typed, in the counters of wrong passwords.
pub fn address_hash(vault: &Vault, typed: &str) -> Vec<u8> {
    vault
        .keyed_hash("password address", &[typed.as_bytes()])
        .to_vec()
}

/// A typed password and its comparison with the stored hash. The result is not read yet.
pub struct PasswordCheck {
    known: Option<User>,
    subject: UserId,
    address_hash: Vec<u8>,
    source_hash: Vec<u8>,
    password: Secret<String>,
    kept: PasswordHash,
    compared: Comparison,
}

/// Does the slow part of judging a typed password, outside any transaction. [`PasswordCheck::judge`] does the rest,
/// in the write that follows. Known and unknown addresses cause the same work (ASVS 6.3.8).
///
/// This writes nothing and takes no try. A password that is never judged (because of an overload, a client
/// that hangs up, or a restart) is not a wrong password.
///
/// # Errors
/// Refuses without hashing while a wait after wrong passwords lasts, and as busy if the hashing queue is
/// full.
pub async fn check(
    ctx: &Ctx,
    act: &Act,
    email: &str,
    password: Secret<String>,
) -> Result<PasswordCheck> {
    ctx.learn_costs().await;
    let typed = address_as_typed(email);
    let address_hash = address_hash(&act.vault, &typed);
    let source_hash = act
        .vault
        .keyed_hash("password source", &[&network(act.source)])
        .to_vec();
    let stranger = act.stranger(&typed);
    let looked = {
        let (act, address_hash, source_hash) =
            (act.clone(), address_hash.clone(), source_hash.clone());
        ctx.read(move |tx| {
            // It may be a name of a user without a mailbox, or unknown. All are looked up in the same way.
            let known = users::by_address(tx, &typed)?;
            let subject = known.as_ref().map_or(stranger, |user| user.id);
            let seen = limits::password_attempts(tx, &address_hash, &source_hash)?;
            Ok(match seen.judge(act.policy(), act.now) {
                Ok(()) => Standing::Open(known, subject),
                Err(refusal) if act.was_recorded(tx, subject, &refusal)? => {
                    Standing::Recorded(refusal)
                }
                Err(refusal) => Standing::Limited(refusal, subject),
            })
        })
        .await?
    };
    let (known, subject) = match looked {
        Standing::Open(known, subject) => (known, subject),
        Standing::Recorded(refusal) => return Err(refusal.into()),
        Standing::Limited(refusal, subject) => {
            let act = act.clone();
            return ctx
                .write(move |tx| act.refuse_limited(tx, subject, refusal.clone()))
                .await;
        }
    };
    let kept = known
        .as_ref()
        .map_or_else(|| ctx.hasher.decoy(), |user| user.password_hash.clone());
    let hasher = ctx.hasher.of(act.source);
    let compared = hasher.compare(password.clone(), kept.clone()).await?;
    Ok(PasswordCheck {
        known,
        subject,
        address_hash,
        source_hash,
        password,
        kept,
        compared,
    })
}

/// Whether a wait stands against a typed password.
enum Standing {
    /// There is no wait.
    Open(Option<User>, UserId),
    /// There is a wait, which was recorded this hour.
    Recorded(Refusal),
    /// There is a wait, which must be recorded.
    Limited(Refusal, UserId),
}

impl PasswordCheck {
    /// Takes a try, and only then reads whether the password was right. Returns the user, locked until the
    /// write ends, if the address is known, the account active, and the password still the present one.
    ///
    /// A right password resets the counter. Several passwords at once are judged one after another, so a
    /// right one is not refused because of others. If there is a wait, the result is discarded unread, so
    /// parallel guesses get no more tries than guesses in sequence.
    ///
    /// # Errors
    /// Refuses right and wrong passwords alike while a wait lasts. Returns a fault if the database does not
    /// answer.
    pub fn judge(&self, tx: &mut Tx, act: &Act) -> Result<Option<User>> {
        self.take_try(tx, act)?;
        if let Some(user) = self.standing(tx)? {
            limits::reset_password(tx, &self.address_hash, &self.source_hash)?;
            return Ok(Some(user));
        }
        act.audit(tx, self.subject, Event::PasswordWrong, None)?;
        Ok(None)
    }

    fn take_try(&self, tx: &mut Tx, act: &Act) -> Result<()> {
        loop {
            let seen = limits::password_attempts(tx, &self.address_hash, &self.source_hash)?;
            if let Err(refusal) = seen.judge(act.policy(), act.now) {
                return act.refuse_limited(tx, self.subject, refusal);
            }
            let after = seen.after_try(act.policy(), act.now);
            if limits::reserve_password(tx, &seen, &after)? {
                return Ok(());
            }
        }
    }

    /// Returns the user as they are now, if the password is theirs. A new hash of the same password does not
    /// count as a change.
    fn standing(&self, tx: &mut Tx) -> Result<Option<User>> {
        let known = match (self.compared.verdict(), &self.known) {
            (PasswordVerdict::Right { .. }, Some(known)) => known,
            (PasswordVerdict::Right { .. } | PasswordVerdict::Wrong, _) => return Ok(None),
        };
        users::lock(tx, known.id)?;
        let stands = |now: &User| now.active() && now.password_changes == known.password_changes;
        Ok(users::find(tx, known.id)?.filter(stands))
    }

    /// Replaces an outdated hash of a right password. This runs after the judgement, and the answer does not
    /// depend on it.
    pub async fn renew(&self, ctx: &Ctx, act: &Act) {
        let (PasswordVerdict::Right { outdated: true }, Some(user)) =
            (self.compared.verdict(), &self.known)
        else {
            return;
        };
        let hasher = ctx.hasher.of(act.source);
        let (id, old) = (user.id, self.kept.clone());
        let renewed = hasher.renew(self.password.clone(), &old, ctx.chance.salt());
        let Some(new) = renewed.await else { return };
        let kept = ctx.write(move |tx| users::rehash(tx, id, &old, &new)).await;
        if let Err(error) = kept {
            tracing::warn!(?error, "the new hash of a password could not be stored");
        }
    }
}

/// Replaces the password of a user whose row is locked. Whoever knew the old one is signed out, except from
/// the session `kept`, and what they began with it ends.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn replace(
    tx: &mut Tx,
    act: &Act,
    user: UserId,
    hash: &PasswordHash,
    kept: Option<SessionId>,
) -> Result<()> {
    users::set_password(tx, user, hash)?;
    end_what_waits(tx, act, user, kept)
}

/// Ends what somebody who signed in or read a mail before may still finish: challenges, mails for a new password or
/// address, and the sessions except `kept`. The user's row is locked.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn end_what_waits(tx: &mut Tx, act: &Act, user: UserId, kept: Option<SessionId>) -> Result<()> {
    // Challenges come first. This waits for a sign-in that is just using one up, so that its session is found
    // below.
    challenges::end_all(tx, user, act.now)?;
    password_resets::end(tx, user, act.now)?;
    email_changes::end(tx, user, act.now)?;
    sessions::end_others(tx, user, kept, act.now)
}

/// Gives a user, whose row is locked, a new password, as [`replace`] does, and tells them. `actor` is who did it, if
/// not the user.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn set(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    hash: &PasswordHash,
    kept: Option<SessionId>,
    actor: Option<UserId>,
) -> Result<()> {
    replace(tx, act, user.id, hash, kept)?;
    act.audit_by(tx, user.id, actor, Event::PasswordSet, None)?;
    let keys = keys_left(tx, act, user.id)?;
    act.notify(tx, user, Message::PasswordSet { keys })
}

/// Returns how many API keys of a user still work. A new password ends none of them, since services use them, so
/// its owner is told.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn keys_left(tx: &mut Tx, act: &Act, user: UserId) -> Result<u32> {
    let live = api_keys::count_live(tx, user, act.now)?;
    Ok(u32::try_from(live).unwrap_or(u32::MAX))
}

/// Judges the password that a signed-in user typed again, and runs `then` in the write that follows.
///
/// # Errors
/// Refuses a wrong password, and whatever `then` refuses.
pub async fn confirmed<T, F>(
    ctx: &Ctx,
    act: &Act,
    user: &User,
    password: Secret<String>,
    then: F,
) -> Result<T>
where
    T: Send + 'static,
    F: Fn(&mut Tx, &Act) -> Result<T> + Send + 'static,
{
    let checked = check(ctx, act, &user.email, password).await?;
    confirm(ctx, act, checked, then).await
}

/// Judges a password that was compared already, and runs `then` in the write that follows.
///
/// # Errors
/// As [`confirmed`].
pub async fn confirm<T, F>(ctx: &Ctx, act: &Act, checked: PasswordCheck, then: F) -> Result<T>
where
    T: Send + 'static,
    F: Fn(&mut Tx, &Act) -> Result<T> + Send + 'static,
{
    let checked = Arc::new(checked);
    let done = {
        let (act, checked) = (act.clone(), Arc::clone(&checked));
        ctx.write(move |tx| match checked.judge(tx, &act)? {
            Some(_) => then(tx, &act),
            None => Err(Refusal::InvalidPassword.into()),
        })
        .await?
    };
    checked.renew(ctx, act).await;
    Ok(done)
}
