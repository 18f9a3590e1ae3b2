//! Passwords: which ones may be set, and how a typed one is judged.

use std::borrow::Cow;
use std::sync::Arc;

use zxcvbn::zxcvbn;

use crate::app::Ctx;
use crate::flow::Act;
use crate::flow::act::network;
use crate::model::audit::Event;
use crate::model::notice::Message;
use crate::model::user::{PasswordHash, User, address_as_typed};
use crate::model::{Error, Refusal, Result, Secret, SessionId, UserId};
use crate::store::{
    Tx, api_keys, challenges, email_changes, limits, password_resets, sessions, users,
};
use crate::vault::{Comparison, PasswordVerdict, Vault};

/// A password with fewer guesses than a million (by zxcvbn) is common (ASVS 6.2.4). zxcvbn's lists have the
/// 30,000 most common ones, and this covers them in every spelling it knows.
const COMMON_BELOW_LOG10: f64 = 6.0;
/// The number of pieces to judge. If they are all easy to guess, the rest does not help.
const PIECES: usize = 4;
/// Characters that zxcvbn also reads as letters, such as @ for a. Digits are not among them, since their runs
/// and dates must be found.
const SUBSTITUTES: &str = "@({[<!|$+%";
/// How many different ones of these zxcvbn gets. It tries all their readings together.
const SUBSTITUTES_READ: usize = 3;
/// How many characters zxcvbn gets at once. Its work grows fast with the length.
const PIECE: usize = 20;

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

/// Checks the length and the block list (NIST SP 800-63B-4 §3.1.1.2). There is no rule about kinds of characters.
async fn judge_new(
    ctx: &Ctx,
    act: &Act,
    password: &Secret<String>,
    words: Vec<String>,
) -> Result<()> {
    judge_length(ctx, password)?;
    let common = ctx
        .hasher
        .of(act.source)
        .judge(password.clone(), move |text| is_common(text, &words))
        .await?;
    if common {
        let sentence = "This password is too common. Choose another one.";
        return Err(Refusal::field("password", sentence).into());
    }
    Ok(())
}

/// Puts what was refused of the field `password` under another name, for requests that have two.
pub fn under(field: &str, error: Error) -> Error {
    match error {
        Error::Refused(Refusal::Validation { mut errors }) => {
            for one in errors.iter_mut().filter(|one| one.field == "password") {
                field.clone_into(&mut one.field);
            }
            Refusal::Validation { errors }.into()
        }
        error => error,
    }
}

/// Checks the length of a password that is about to be set, in code points (NIST SP 800-63B-4 §3.1.1.2).
///
/// # Errors
/// Refuses with a sentence about the field `password`.
pub fn judge_length(ctx: &Ctx, password: &Secret<String>) -> Result<()> {
    let policy = &ctx.settings.policy;
    let points = password.expose().chars().count();
    let refuse = |sentence: String| Err(Refusal::field("password", Cow::Owned(sentence)).into());
    let (least, most) = (policy.password_min, policy.password_max);
    if points < least as usize {
        return refuse(format!(
            "The password is too short. Use at least {least} characters, such as a few words in a row."
        ));
    }
    if points > most as usize {
        return refuse(format!(
            "The password is too long. Use at most {most} characters."
        ));
    }
    Ok(())
}

/// Whether a password takes fewer than a million guesses. It is judged piece by piece, only as far as needed.
fn is_common(text: &str, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words
        .iter()
        .any(|word| word.to_lowercase() == text.to_lowercase())
    {
        return true;
    }
    let characters: Vec<char> = text.chars().collect();
    let mut log10 = 0.0;
    for piece in characters.chunks(PIECE).take(PIECES) {
        let piece = zeroize::Zeroizing::new(without_many_substitutes(piece));
        log10 += zxcvbn(&piece, &words).guesses_log10();
        if log10 >= COMMON_BELOW_LOG10 {
            return false;
        }
    }
    true
}

/// Returns the text for zxcvbn. If it has more different substitutes than any common password, none of them
/// is read as a letter.
fn without_many_substitutes(piece: &[char]) -> String {
    let used = SUBSTITUTES
        .chars()
        .filter(|one| piece.contains(one))
        .count();
    let plain = |one: &char| match used > SUBSTITUTES_READ && SUBSTITUTES.contains(*one) {
        true => '~',
        false => *one,
    };
    piece.iter().map(plain).collect()
}

/// Returns the words that alone must not make a password: the service's name, and the user's address and
/// names.
pub fn own_words(email: &str, names: &[&Option<String>]) -> Vec<String> {
    let mut words = vec!["countersign", email];
    words.extend(email.split(['@', '.', '+', '-', '_']));
    words.extend(names.iter().filter_map(|name| name.as_deref()));
    words.into_iter().map(str::to_owned).collect()
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

#[cfg(test)]
mod tests {
    use super::{is_common, own_words};

    #[test]
    fn what_everybody_uses_is_common_however_it_is_spelled() {
        let words = own_words("alice.archer@example.com", &[]);
        for common in [
            "passwordpassword",
            "p4ssw0rdp4ssw0rd",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "qwertyuiopasdfgh",
            "123456789012345",
            "password1234567890",
            "qwerty1234567890",
            "p@$$w0rd!p@$$w0rd!",
            "alice.archer@example.com",
        ] {
            assert!(is_common(common, &words), "{common}");
        }
        for good in [
            "correct horse battery staple",
            "xkqjvbnzwmrtplhdgfsc",
            "four wooden spoons sing",
        ] {
            assert!(!is_common(good, &words), "{good}");
        }
    }
}
