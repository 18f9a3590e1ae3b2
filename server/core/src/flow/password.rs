//! Passwords: which ones may be set, and how one that was typed is judged.

use std::borrow::Cow;
use std::sync::Arc;

use zxcvbn::zxcvbn;

use crate::app::Ctx;
use crate::flow::Act;
use crate::flow::act::network;
use crate::model::audit::Event;
use crate::model::user::{PasswordHash, User, address_as_typed};
use crate::model::{Refusal, Result, Secret, UserId};
use crate::store::{Tx, limits, users};
use crate::vault::{Comparison, Vault, Verified};

/// Fewer guesses than a million, by zxcvbn's count, is a common password (ASVS 6.2.4): its lists hold the
/// 30,000 most common ones, and this covers them in every spelling it knows.
const COMMON_BELOW_LOG10: f64 = 6.0;
/// Pieces that are looked at: who begins with so much that is easy to guess meant no more by the rest.
const PIECES: usize = 4;
/// Signs that zxcvbn reads as letters as well, such as @ for a. Not digits: their runs and dates are what
/// is looked for.
const SUBSTITUTES: &str = "@({[<!|$+%";
/// How many different ones of them it is given: it tries all their readings together.
const SUBSTITUTES_READ: usize = 3;
/// Characters that zxcvbn looks at in one go: its work grows fast with the length.
const PIECE: usize = 20;

/// Judges a password that is about to be set (NIST SP 800-63B-4 §3.1.1.2): length and the block list,
/// and no rule of composition.
///
/// # Errors
/// Refuses with a sentence about the field `password`; busy when hashing is.
pub async fn judge_new(
    ctx: &Ctx,
    act: &Act,
    password: &Secret<String>,
    words: Vec<String>,
) -> Result<()> {
    let policy = &ctx.settings.policy;
    let text = password.expose();
    let points = text.chars().count();
    let refuse = |sentence: Cow<'static, str>| Err(Refusal::field("password", sentence).into());
    let (least, most) = (policy.password_min, policy.password_max);
    if points < least as usize {
        return refuse(Cow::Owned(format!(
            "The password is too short. Use at least {least} characters, such as a few words in a row."
        )));
    }
    if points > most as usize {
        return refuse(Cow::Owned(format!(
            "The password is too long. Use at most {most} characters."
        )));
    }
    let common = ctx
        .hasher
        .of(act.source)
        .judge(password.clone(), move |text| is_common(text, &words))
        .await?;
    if common {
        return refuse(Cow::Borrowed(
            "This password is too common. Choose another one.",
        ));
    }
    Ok(())
}

/// Whether a password falls to fewer than a million guesses: judged piece by piece, no further than it
/// takes, and by its beginning alone.
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

/// The text, with substitutes for letters taken for what they are where there are more different ones
/// than any common password has.
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

/// The words that a password must not be made of alone: the service's and the user's names.
pub fn own_words(email: &str, names: &[&Option<String>]) -> Vec<String> {
    let mut words = vec!["countersign", email];
    words.extend(email.split(['@', '.', '+', '-', '_']));
    words.extend(names.iter().filter_map(|name| name.as_deref()));
    words.into_iter().map(str::to_owned).collect()
}

/// The key of an address as typed, in the counters of wrong passwords.
pub fn address_hash(vault: &Vault, typed: &str) -> Vec<u8> {
    vault
        .keyed_hash("password address", &[typed.as_bytes()])
        .to_vec()
}

/// A typed password, hashed as the kept one was, and not looked at yet.
pub struct Checked {
    known: Option<User>,
    subject: UserId,
    address_hash: Vec<u8>,
    source_hash: Vec<u8>,
    password: Secret<String>,
    kept: PasswordHash,
    compared: Comparison,
}

/// Does the slow part of judging a typed password, outside any transaction; [`Checked::judge`] does the
/// rest, in the write that follows. Known and unknown addresses do the same work (ASVS 6.3.8).
///
/// Nothing is written and no try is taken here: what is not judged (an overload, a client that hangs up,
/// a restart) was no wrong password.
///
/// # Errors
/// Refuses while a wait after wrong passwords lasts, without hashing; busy when hashing is.
pub async fn check(ctx: &Ctx, act: &Act, email: &str, password: Secret<String>) -> Result<Checked> {
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
            // A name of a user without a mailbox, or nobody's: looked up all the same, as an address is.
            let known = users::by_address(tx, &typed)?;
            let subject = known.as_ref().map_or(stranger, |user| user.id);
            let seen = limits::password_attempts(tx, &address_hash, &source_hash)?;
            Ok(match seen.judge(act.policy(), act.now) {
                Ok(()) => Looked::Open(known, subject),
                Err(refusal) if act.was_told(tx, subject, &refusal)? => Looked::Told(refusal),
                Err(refusal) => Looked::Limited(refusal, subject),
            })
        })
        .await?
    };
    let (known, subject) = match looked {
        Looked::Open(known, subject) => (known, subject),
        Looked::Told(refusal) => return Err(refusal.into()),
        Looked::Limited(refusal, subject) => {
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
    Ok(Checked {
        known,
        subject,
        address_hash,
        source_hash,
        password,
        kept,
        compared,
    })
}

/// What stands before a password that is typed.
enum Looked {
    /// Nothing.
    Open(Option<User>, UserId),
    /// A wait that was recorded this hour.
    Told(Refusal),
    /// A wait that is to be recorded.
    Limited(Refusal, UserId),
}

impl Checked {
    /// Takes a try, and only then looks whether the password was right: the user, held until the
    /// write ends, if the address is known, the account active and the password the one that stands now.
    ///
    /// A right one begins the counter anew. Of several at once each is judged when its turn comes, so
    /// that no right one is refused because of another; and what finds a wait is thrown away unseen, so
    /// that guesses at once get no more tries than guesses one after the other.
    ///
    /// # Errors
    /// Refuses while a wait lasts, right and wrong alike; a fault when the database does not answer.
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

    /// The user as they are now, if the password is theirs. A new hash of the same password is no
    /// change of it.
    fn standing(&self, tx: &mut Tx) -> Result<Option<User>> {
        let known = match (self.compared.verdict(), &self.known) {
            (Verified::Right { .. }, Some(known)) => known,
            (Verified::Right { .. } | Verified::Wrong, _) => return Ok(None),
        };
        users::lock(tx, known.id)?;
        let stands = |now: &User| now.active() && now.password_changes == known.password_changes;
        Ok(users::find(tx, known.id)?.filter(stands))
    }

    /// Makes the hash of a right password anew where it is outdated: once it was judged, and the
    /// answer does not depend on it.
    pub async fn renew(&self, ctx: &Ctx, act: &Act) {
        let (Verified::Right { outdated: true }, Some(user)) =
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
            tracing::warn!(?error, "a password's new hash was not kept");
        }
    }
}

/// Judges the password that a signed-in user typed again, and runs `then` in the write that follows.
///
/// # Errors
/// Refuses a wrong one, and whatever `then` refuses.
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
    let checked = Arc::new(check(ctx, act, &user.email, password).await?);
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
