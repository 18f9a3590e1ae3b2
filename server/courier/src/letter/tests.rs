//! Tests of all letters.

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
