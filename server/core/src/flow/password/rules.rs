//! Which passwords may be set.

use std::borrow::Cow;

use zxcvbn::zxcvbn;

use crate::app::Ctx;
use crate::flow::Act;
use crate::model::{Error, Refusal, Result, Secret};

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

/// Checks the length and the block list (NIST SP 800-63B-4 §3.1.1.2). There is no rule about kinds of characters.
/// `words` must not make a password alone.
///
/// # Errors
/// Refuses with a sentence about the field `password`, and as busy if the hashing queue is full.
pub async fn judge_new(
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
