//! Writes the text of a letter by filling in the template of its message.

use crate::model::Time;
use crate::model::kinds::{AnswerKind, CodeSetKind, FactorKind};
use crate::model::notice::{Letter, Message};

/// The longest line, in characters.
const LINE: usize = 72;

/// A letter's subject and text. Lines end with `\n`.
pub(super) struct LetterText {
    pub(super) subject: String,
    pub(super) text: String,
}

/// Writes a letter in the name of `service`. The subject contains the time to the minute, because
/// mail programs hide a newer mail below an older one with the same subject, and with it a newer
/// code.
pub(super) fn write(letter: &Letter, service: &str) -> LetterText {
    let (code, minutes) = code(&letter.message);
    let lifetime = lifetime(minutes);
    let when = when(Time::from_micros(letter.at));
    let source = source(&letter.source);
    let fields = [
        ("service", service),
        ("code", code),
        ("lifetime", &lifetime),
        ("method", &method(&letter.message)),
        ("link", &link(&letter.message)),
        ("action", action(&letter.message)),
        ("remaining", &remaining(&letter.message)),
        ("name", name(&letter.message)),
        ("keys", &keys(&letter.message)),
        ("locked", locked(&letter.message)),
        ("late", &late(&letter.message)),
        ("source", &source),
        ("when", &when),
    ];
    let filled = fill(template(&letter.message), &fields);
    let (head, text) = filled.split_once("\n\n").unwrap_or(("", &filled));
    LetterText {
        subject: head.trim_start_matches("Subject: ").to_owned(),
        text: text.lines().map(wrapped).collect(),
    }
}

/// Returns a number of minutes in words, in whole hours if possible.
fn lifetime(minutes: u32) -> String {
    match minutes {
        1 => "1 minute".to_owned(),
        60 => "1 hour".to_owned(),
        minutes if minutes > 60 && minutes % 60 == 0 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

/// Breaks a line between words so that it can be read without scrolling (RFC 5322 §2.1.1: at most
/// 78 characters).
fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > LINE {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
    text
}

/// Returns the template. Its first line is the subject.
const fn template(message: &Message) -> &'static str {
    match message {
        Message::RegistrationCode { .. } => include_str!("templates/registration_code.txt"),
        Message::RegistrationLink { .. } => include_str!("templates/registration_link.txt"),
        Message::AlreadyRegistered => include_str!("templates/already_registered.txt"),
        Message::SetupCode { .. } => include_str!("templates/setup_code.txt"),
        Message::LoginCode { .. } => include_str!("templates/login_code.txt"),
        Message::DisableCode { .. } => include_str!("templates/disable_code.txt"),
        Message::FactorEnabled { .. } => include_str!("templates/factor_enabled.txt"),
        Message::FactorDisabled { .. } => include_str!("templates/factor_disabled.txt"),
        Message::WrongCodes { .. } => include_str!("templates/wrong_codes.txt"),
        Message::FactorLocked { .. } => include_str!("templates/factor_locked.txt"),
        Message::SessionEnded => include_str!("templates/session_ended.txt"),
        Message::SessionGuessed { .. } => include_str!("templates/session_guessed.txt"),
        Message::Unlocked => include_str!("templates/unlocked.txt"),
        Message::MfaReset => include_str!("templates/mfa_reset.txt"),
        Message::Promoted => include_str!("templates/promoted.txt"),
        Message::AccountCreated => include_str!("templates/account_created.txt"),
        Message::Digest => include_str!("templates/digest.txt"),
        Message::StepUpCode { .. } => include_str!("templates/step_up_code.txt"),
        Message::ActionCode { .. } => include_str!("templates/action_code.txt"),
        Message::FactorPaused { .. } => include_str!("templates/factor_paused.txt"),
        Message::RecoveryCodesMade => include_str!("templates/recovery_codes_made.txt"),
        Message::RecoveryCodeUsed { .. } => include_str!("templates/recovery_code_used.txt"),
        Message::PasswordSet { .. } => include_str!("templates/password_set.txt"),
        Message::PasswordReset { .. } => include_str!("templates/password_reset.txt"),
        Message::ResetCode { .. } => include_str!("templates/reset_code.txt"),
        Message::ResetUnknown => include_str!("templates/reset_unknown.txt"),
        Message::ResetStepCode { .. } => include_str!("templates/reset_step_code.txt"),
        Message::ResetWrongCodes { .. } => include_str!("templates/reset_wrong_codes.txt"),
        Message::ResetLocked => include_str!("templates/reset_locked.txt"),
        Message::EmailChangeCode { .. } => include_str!("templates/email_change_code.txt"),
        Message::EmailChangeTaken => include_str!("templates/email_change_taken.txt"),
        Message::EmailChanged { .. } => include_str!("templates/email_changed.txt"),
        Message::EmailSet => include_str!("templates/email_set.txt"),
        Message::EmailRestored { .. } => include_str!("templates/email_restored.txt"),
        Message::EmailRemoved => include_str!("templates/email_removed.txt"),
        Message::PasskeyRolledBack => include_str!("templates/passkey_rolled_back.txt"),
        Message::ApiKeyMade { .. } => include_str!("templates/api_key_made.txt"),
        Message::ApiKeyDeleted { .. } => include_str!("templates/api_key_deleted.txt"),
        Message::UserAdded { .. } => include_str!("templates/user_added.txt"),
        Message::EnforcementChanged { enforced: true } => {
            include_str!("templates/enforcement_begun.txt")
        }
        Message::EnforcementChanged { enforced: false } => {
            include_str!("templates/enforcement_ended.txt")
        }
        Message::Joined { .. } => include_str!("templates/joined.txt"),
    }
}

/// Returns the code of a message and its lifetime in minutes, if it has one.
pub(super) fn code(message: &Message) -> (&str, u32) {
    match message {
        Message::RegistrationCode { code, minutes }
        | Message::SetupCode { code, minutes, .. }
        | Message::LoginCode { code, minutes, .. }
        | Message::DisableCode { code, minutes, .. }
        | Message::StepUpCode { code, minutes, .. }
        | Message::ResetCode { code, minutes, .. }
        | Message::ResetStepCode { code, minutes, .. }
        | Message::EmailChangeCode { code, minutes }
        | Message::ActionCode { code, minutes, .. } => (code, *minutes),
        Message::RegistrationLink { minutes, .. } | Message::EmailChanged { minutes, .. } => {
            ("", *minutes)
        }
        Message::AlreadyRegistered
        | Message::FactorEnabled { .. }
        | Message::FactorDisabled { .. }
        | Message::FactorPaused { .. }
        | Message::WrongCodes { .. }
        | Message::FactorLocked { .. }
        | Message::SessionEnded
        | Message::SessionGuessed { .. }
        | Message::Unlocked
        | Message::MfaReset
        | Message::Promoted
        | Message::AccountCreated
        | Message::RecoveryCodesMade
        | Message::RecoveryCodeUsed { .. }
        | Message::PasskeyRolledBack
        | Message::PasswordSet { .. }
        | Message::PasswordReset { .. }
        | Message::ResetUnknown
        | Message::ResetWrongCodes { .. }
        | Message::ResetLocked
        | Message::EmailChangeTaken
        | Message::EmailSet
        | Message::EmailRestored { .. }
        | Message::EmailRemoved
        | Message::ApiKeyMade { .. }
        | Message::ApiKeyDeleted { .. }
        | Message::UserAdded { .. }
        | Message::EnforcementChanged { .. }
        | Message::Joined { .. }
        | Message::Digest => ("", 0),
    }
}

/// Returns the lines that offer the message's link, if it has one.
fn link(message: &Message) -> String {
    match message {
        Message::SetupCode {
            link: Some(link),
            link_minutes,
            ..
        }
        | Message::LoginCode {
            link: Some(link),
            link_minutes,
            ..
        }
        | Message::DisableCode {
            link: Some(link),
            link_minutes,
            ..
        }
        | Message::StepUpCode {
            link: Some(link),
            link_minutes,
            ..
        }
        | Message::ResetStepCode {
            link: Some(link),
            link_minutes,
            ..
        } => {
            let works = match link_minutes {
                // A letter written by an older server does not say how long.
                0 => String::new(),
                minutes => format!(" The link works for {}.", lifetime(*minutes)),
            };
            format!("Or open this link on the device that asks for the code.{works}\n\n{link}\n\n")
        }
        Message::RegistrationLink { link, .. }
        | Message::ResetCode { link, .. }
        | Message::EmailChanged { link, .. } => link.clone(),
        _without_link => String::new(),
    }
}

/// Returns the link of a message that has one.
pub(super) fn link_of(message: &Message) -> Option<&str> {
    match message {
        Message::SetupCode { link, .. }
        | Message::LoginCode { link, .. }
        | Message::DisableCode { link, .. }
        | Message::StepUpCode { link, .. }
        | Message::ResetStepCode { link, .. } => link.as_deref(),
        Message::RegistrationLink { link, .. }
        | Message::ResetCode { link, .. }
        | Message::EmailChanged { link, .. } => Some(link),
        _without_link => None,
    }
}

/// Returns the action that a code confirms, as the client named it.
fn action(message: &Message) -> &str {
    match message {
        Message::ActionCode { action, .. } => action,
        _without_action => "",
    }
}

/// Returns the name of what the message is about: a key, an account, a role, an address.
fn name(message: &Message) -> &str {
    match message {
        Message::ApiKeyMade { name }
        | Message::ApiKeyDeleted { name }
        | Message::UserAdded { name }
        | Message::EmailChanged { to: name, .. }
        | Message::Joined { role: name } => name,
        _without_name => "",
    }
}

/// Returns the lines that say that codes by mail are locked, if they are.
const fn locked(message: &Message) -> &'static str {
    match message {
        Message::EmailRestored { locked: true, .. } => {
            "Codes by e-mail were turned on after the address had been changed, so they are locked. To sign in, use \
             another second step or a recovery code, or ask your administrator to unlock your account.\n\n"
        }
        Message::EmailRestored { paused: true, .. } => {
            "Codes by e-mail were turned on after the address had been changed, so they are off. You can turn them on \
             again when you have signed in.\n\n"
        }
        _not_locked => "",
    }
}

/// Returns the lines that name what was added while another address counted, if anything was.
fn late(message: &Message) -> String {
    match message {
        Message::EmailRestored { methods, .. } if !methods.is_empty() => format!(
            "These were added while the other address counted, and they still work: {}. Remove what is not yours, on \
             the page of your account.\n\n",
            listed(methods)
        ),
        _without_methods => String::new(),
    }
}

/// Returns the lines that say which API keys still work, if there are any.
fn keys(message: &Message) -> String {
    let (Message::PasswordSet { keys }
    | Message::PasswordReset { keys }
    | Message::EmailRestored { keys, .. }) = message
    else {
        return String::new();
    };
    let work = match keys {
        0 => return String::new(),
        1 => "works",
        _several => "work",
    };
    format!(
        "{keys} of its API keys still {work}, since services use them. If one may have been stolen, delete it: \
         GET /identity/api-keys lists them, and DELETE /identity/api-keys/ with the id deletes one.\n\n"
    )
}

/// Returns how many recovery codes are left, if the message says so.
fn remaining(message: &Message) -> String {
    match message {
        Message::RecoveryCodeUsed { remaining } => remaining.to_string(),
        _without_number => String::new(),
    }
}

/// Returns the methods that a message is about, in words that begin a sentence. The message
/// separates them by commas.
fn method(message: &Message) -> String {
    match message {
        Message::FactorEnabled { method }
        | Message::FactorDisabled { method }
        | Message::FactorPaused { method }
        | Message::WrongCodes { method }
        | Message::FactorLocked { method }
        | Message::ResetWrongCodes { method }
        | Message::SessionGuessed { method } => listed(method),
        _without_method => String::new(),
    }
}

fn listed(words: &str) -> String {
    let words: Vec<&str> = words.split(',').map(one_method).collect();
    words.join(", ")
}

fn one_method(word: &str) -> &str {
    match AnswerKind::parse(word) {
        Some(AnswerKind::Method(FactorKind::Email)) => "Codes by e-mail",
        Some(AnswerKind::Method(FactorKind::Authenticator)) => "Codes from an authenticator app",
        Some(AnswerKind::Method(FactorKind::Sms)) => "Codes by SMS",
        Some(AnswerKind::Method(FactorKind::Passkey)) => "Passkeys",
        Some(AnswerKind::CodeSet(CodeSetKind::Recovery)) => "Recovery codes",
        Some(AnswerKind::CodeSet(CodeSetKind::Scratch)) => "Scratch codes",
        // A method that only a newer server knows is shown as it is.
        None => word,
    }
}

/// Formats a time as `2026-11-22 14:15 UTC`.
fn when(time: Time) -> String {
    let text = time.to_string();
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", rest.get(..5).unwrap_or(rest))
}

/// Returns in words where the call came from.
fn source(source: &str) -> String {
    match source {
        "console" => "the server's command line".to_owned(),
        address => format!("the network address {address}"),
    }
}

/// Fills the fields into a template in one pass: the content of a field is never filled again.
fn fill(template: &str, fields: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let field = after.split_once('}').and_then(|(name, after)| {
            let field = fields.iter().find(|(field, _)| *field == name);
            field.map(|(_, value)| (*value, after))
        });
        match field {
            Some((value, after)) => {
                filled.push_str(value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::{fill, write};
    use crate::model::notice::{Letter, Message};

    const LINK: fn() -> Option<String> =
        || Some("https://mfa.example.com/magic-link#ml_AAAA".to_owned());

    fn messages() -> Vec<Message> {
        let code = || ("012345".to_owned(), 10);
        let method = || "authenticator".to_owned();
        let name = || "shop".to_owned();
        let with_code: [fn(String, u32) -> Message; 6] = [
            |code, minutes| Message::RegistrationCode { code, minutes },
            |code, minutes| Message::SetupCode {
                code,
                minutes,
                link: LINK(),
                link_minutes: 15,
            },
            |code, minutes| Message::LoginCode {
                code,
                minutes,
                link: LINK(),
                link_minutes: 15,
            },
            |code, minutes| Message::DisableCode {
                code,
                minutes,
                link: None,
                link_minutes: 15,
            },
            |code, minutes| Message::StepUpCode {
                code,
                minutes,
                link: LINK(),
                link_minutes: 15,
            },
            |code, minutes| Message::ActionCode {
                code,
                minutes,
                action: "APPROVE_PAYEE".to_owned(),
            },
        ];
        let mut messages: Vec<Message> = with_code.map(|make| make(code().0, code().1)).into();
        messages.extend([
            Message::AlreadyRegistered,
            Message::FactorEnabled { method: method() },
            Message::FactorDisabled { method: method() },
            Message::WrongCodes { method: method() },
            Message::FactorLocked { method: method() },
            Message::SessionEnded,
            Message::SessionGuessed { method: method() },
            Message::Unlocked,
            Message::MfaReset,
            Message::Promoted,
            Message::AccountCreated,
            Message::FactorPaused {
                method: "email,sms".to_owned(),
            },
            Message::RecoveryCodesMade,
            Message::RecoveryCodeUsed { remaining: 3 },
            Message::PasswordSet { keys: 0 },
            Message::PasswordSet { keys: 20 },
            Message::PasskeyRolledBack,
            Message::ApiKeyMade { name: name() },
            Message::ApiKeyDeleted { name: name() },
            Message::UserAdded { name: name() },
            Message::EnforcementChanged { enforced: true },
            Message::EnforcementChanged { enforced: false },
            Message::Joined { role: name() },
            Message::RegistrationLink {
                link: LINK().unwrap_or_default(),
                minutes: 1440,
            },
            Message::ResetCode {
                code: code().0,
                minutes: 10,
                link: LINK().unwrap_or_default(),
            },
            Message::ResetStepCode {
                code: code().0,
                minutes: 10,
                link: LINK(),
                link_minutes: 15,
            },
            Message::ResetUnknown,
            Message::ResetWrongCodes { method: method() },
            Message::ResetLocked,
            Message::PasswordReset { keys: 0 },
            Message::PasswordReset { keys: 1 },
            Message::EmailChangeCode {
                code: code().0,
                minutes: 15,
            },
            Message::EmailChangeTaken,
            Message::EmailChanged {
                to: "a***@example.com".to_owned(),
                link: LINK().unwrap_or_default(),
                minutes: 4320,
            },
            Message::EmailSet,
            Message::EmailRestored {
                locked: false,
                paused: false,
                methods: String::new(),
                keys: 0,
            },
            Message::EmailRestored {
                locked: true,
                paused: false,
                methods: "passkey,recovery_code".to_owned(),
                keys: 2,
            },
            Message::EmailRestored {
                locked: false,
                paused: true,
                methods: "passkey".to_owned(),
                keys: 1,
            },
            Message::EmailRemoved,
            Message::Digest,
        ]);
        messages
    }

    #[test]
    fn every_letter_is_filled_in_and_has_its_code_on_a_line_of_its_own() {
        for message in messages() {
            let word = message.word();
            let has_code = !super::code(&message).0.is_empty();
            assert_eq!(
                has_code,
                word.ends_with("_code") && !matches!(message, Message::EmailChangeTaken),
                "{word}"
            );
            let letter = Letter {
                to: "alice@example.com".to_owned(),
                at: 1_800_000_000_000_000,
                source: "203.0.113.7".to_owned(),
                message,
            };
            let written = write(&letter, "Example");
            let subject = &written.subject;
            assert!(
                subject.contains("Example") && subject.ends_with(" (2027-01-15 08:00 UTC)"),
                "no mail program takes two of them for one: {subject}"
            );
            assert!(!subject.contains("012345"), "{word}");
            assert!(
                !written.text.contains(['{', '}', '\r']) && !written.subject.contains('{'),
                "{word}"
            );
            assert_eq!(
                written
                    .text
                    .lines()
                    .filter(|&line| line == "012345")
                    .count(),
                usize::from(has_code),
                "{word}"
            );
            let told = "the network address 203.0.113.7 at 2027-01-15 08:00 UTC";
            let unbroken = written.text.replace('\n', " ");
            assert!(unbroken.contains(told), "{word}: {}", written.text);
            if written.text.contains("Or open this link") {
                for told in [
                    "The link works for 15 minutes.",
                    "The code works for 10 minutes.",
                ] {
                    assert!(unbroken.contains(told), "{word}: {}", written.text);
                }
            }
            assert!(written.text.lines().all(|line| line.len() <= 72), "{word}");
            assert!(
                unbroken.contains("If ") || word == "factor_locked",
                "{word} says what to do"
            );
            assert!(
                written.text.is_ascii() && written.text.ends_with("Example\n"),
                "{word}"
            );
        }
    }

    #[test]
    fn what_a_field_brings_is_not_filled_again() {
        let fields = [("a", "{b}"), ("b", "x")];
        assert_eq!(fill("{a} {b} {c} {", &fields), "{b} x {c} {");
    }
}
