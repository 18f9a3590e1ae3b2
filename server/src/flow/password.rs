//! Passwords: which ones may be set, and how one that was typed is judged.

use zxcvbn::zxcvbn;

use crate::app::Ctx;
use crate::flow::Act;
use crate::flow::act::network;
use crate::model::audit::Event;
use crate::model::policy::growing_wait;
use crate::model::user::{PasswordHash, User, address_as_typed};
use crate::model::{Refusal, Result, Secret, UserId};
use crate::store::limits::{self, PasswordAttempts};
use crate::store::{Tx, users};
use crate::vault::{Vault, Verified};

/// Bytes of a new password at most (P-02).
const MAX_BYTES: usize = 1024;
/// Fewer guesses than a million, by zxcvbn's count, is a common password (N-026): its lists hold the
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

/// Judges a password that is about to be set (P-01, P-02, N-021…N-026): length and the block list,
/// and no rule of composition.
///
/// # Errors
/// Refuses with a sentence about the field `password`; busy when hashing is (P-43).
pub async fn judge_new(
    ctx: &Ctx,
    act: &Act,
    password: &Secret<String>,
    words: Vec<String>,
) -> Result<()> {
    let policy = &ctx.settings.policy;
    let text = password.expose();
    let points = text.chars().count();
    let refuse = |sentence| Err(Refusal::field("password", sentence).into());
    if points < policy.password_min as usize {
        return refuse(
            "The password is too short. Use a longer one, such as a few words in a row.",
        );
    }
    if points > policy.password_max as usize || text.len() > MAX_BYTES {
        return refuse("The password is too long.");
    }
    let common = ctx
        .hasher
        .of(act.source)
        .judge(password.clone(), move |text| is_common(text, &words))
        .await?;
    if common {
        return refuse("This password is too common. Choose another one.");
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

/// The key of an address as typed in the counters of P-17.
pub fn address_hash(vault: &Vault, typed: &str) -> Vec<u8> {
    vault
        .keyed_hash("password address", &[typed.as_bytes()])
        .to_vec()
}

/// What became of a typed password.
pub struct Checked {
    /// The user, if the address is known, the account active and the password right.
    pub user: Option<User>,
    /// Whom the audit trail keeps it under.
    pub subject: UserId,
    /// Keys of the counter of P-17.
    address_hash: Vec<u8>,
    source_hash: Vec<u8>,
    /// A hash with the current parameters, if the kept one is older (N-030).
    rehashed: Option<(PasswordHash, PasswordHash)>,
}

/// Judges a typed password: takes a try (P-17), compares outside any transaction, and leaves the
/// verdict to the caller's next write. Known and unknown addresses do the same work (N-079).
///
/// # Errors
/// Refuses past P-17 without comparing; busy when hashing is (P-43).
pub async fn check(ctx: &Ctx, act: &Act, email: &str, password: Secret<String>) -> Result<Checked> {
    let typed = address_as_typed(email);
    let address_hash = address_hash(&act.vault, &typed);
    let source_hash = act
        .vault
        .keyed_hash("password source", &[&network(act.source)])
        .to_vec();
    let known = {
        // A name of a user without a mailbox, or nobody's: looked up all the same, as an address is.
        let address = typed.clone();
        ctx.read(move |tx| users::by_address(tx, &address)).await?
    };
    let subject = known
        .as_ref()
        .map_or_else(|| act.stranger(&typed), |user| user.id);
    {
        let (act, address_hash, source_hash) =
            (act.clone(), address_hash.clone(), source_hash.clone());
        ctx.write(move |tx| reserve(tx, &act, subject, &address_hash, &source_hash))
            .await?;
    }
    let kept = known
        .as_ref()
        .map_or_else(|| ctx.hasher.decoy(), |user| user.password_hash.clone());
    let hasher = ctx.hasher.of(act.source);
    let compared = match hasher.verify(password.clone(), kept.clone()).await {
        Ok(compared) => compared,
        Err(error) => {
            // What was not compared does not count (P-17), or overload would lock owners out.
            let now = act.now;
            ctx.write(move |tx| limits::release_password(tx, &address_hash, &source_hash, now))
                .await?;
            return Err(error);
        }
    };
    let (right, outdated) = match compared {
        Verified::Wrong => (false, false),
        Verified::Right { outdated } => (known.is_some(), outdated),
    };
    let rehashed = if right && outdated {
        // Where there is no room for it now, the next sign-in makes it.
        let new = hasher.hash(password, ctx.chance.salt()).await.ok();
        new.map(|new| (kept, new))
    } else {
        None
    };
    Ok(Checked {
        user: known.filter(|user| right && user.active()),
        subject,
        address_hash,
        source_hash,
        rehashed,
    })
}

/// Takes a try of the address from this network, or refuses until the wait is over (P-17). A
/// throttled try is not compared and does not count.
fn reserve(
    tx: &mut Tx,
    act: &Act,
    subject: UserId,
    address_hash: &[u8],
    source_hash: &[u8],
) -> Result<()> {
    let policy = act.policy();
    loop {
        let seen = limits::password_attempts(tx, address_hash, source_hash)?;
        if let Some(seen) = &seen {
            let wait = seen.next_try_at.seconds_after(act.now);
            if wait > 0 {
                let retry_after = wait.min(policy.password_wait_max_seconds);
                let refusal = Refusal::TooManyPasswordAttempts { retry_after };
                return act.refuse_limited(tx, subject, refusal);
            }
        }
        let failures = seen
            .as_ref()
            .map_or(0, |seen| seen.failures)
            .saturating_add(1);
        let wait = growing_wait(
            failures.unsigned_abs(),
            policy.password_free_tries,
            1,
            policy.password_wait_max_seconds,
        );
        let after = PasswordAttempts {
            address_hash: address_hash.to_vec(),
            source_hash: source_hash.to_vec(),
            failures,
            next_try_at: act.now.plus_seconds(i64::from(wait)),
            updated_at: act.now,
        };
        if limits::reserve_password(tx, seen.map(|seen| seen.failures), &after)? {
            return Ok(());
        }
    }
}

impl Checked {
    /// Records a wrong password.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn wrong(&self, tx: &mut Tx, act: &Act) -> Result<()> {
        act.audit(tx, self.subject, Event::PasswordWrong, None)
    }

    /// Begins the counter anew, and keeps the new hash if there is one.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn right(&self, tx: &mut Tx) -> Result<()> {
        limits::reset_password(tx, &self.address_hash, &self.source_hash)?;
        if let Some((old, new)) = &self.rehashed {
            users::rehash(tx, self.subject, old, new)?;
        }
        Ok(())
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
    let checked = check(ctx, act, &user.email, password).await?;
    let act = act.clone();
    ctx.write(move |tx| {
        if checked.user.is_none() {
            checked.wrong(tx, &act)?;
            return Err(Refusal::InvalidPassword.into());
        }
        checked.right(tx)?;
        then(tx, &act)
    })
    .await
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
