//! What a person answered with. Its form is read once, here.

use serde_json::Value;

use crate::factor::{Code, recovery};
use crate::model::Secret;
use crate::model::kinds::CodeSetKind;
use crate::model::reference::{Reference, ReferenceKind};

/// The answer to a challenge, by its form. Whether a form is accepted depends on the challenge.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The token of a mailed link.
    Link(Reference),
    /// A code with the sixteen symbols of a recovery code. No other code is as long.
    RecoveryCode(Code),
    /// A code with the eight digits of a scratch code. A code that was sent may have as many.
    ScratchCode(Code),
    /// Any other code.
    Code(Code),
    /// A passkey's answer to the options of a WebAuthn ceremony.
    Passkey(Value),
}

impl Answer {
    /// Reads what was typed or pasted into a field for codes.
    pub fn typed(text: &Secret<String>) -> Self {
        if let Some(link) = Reference::parse_pasted(ReferenceKind::MagicLink, text.expose()) {
            return Self::Link(link);
        }
        let code = Code::typed(text);
        match recovery::form(&code) {
            Some(CodeSetKind::Recovery) => Self::RecoveryCode(code),
            Some(CodeSetKind::Scratch) => Self::ScratchCode(code),
            None => Self::Code(code),
        }
    }

    /// Returns the code; `None` for a link and for a passkey.
    pub const fn code(&self) -> Option<&Code> {
        match self {
            Self::RecoveryCode(code) | Self::ScratchCode(code) | Self::Code(code) => Some(code),
            Self::Link(_) | Self::Passkey(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;
    use crate::model::reference::{Reference, ReferenceKind};
    use crate::model::{ChallengeId, Secret, UserId};
    use uuid::Uuid;

    fn form(text: &str) -> &'static str {
        match Answer::typed(&Secret::new(text.to_owned())) {
            Answer::Link(_) => "link",
            Answer::RecoveryCode(_) => "recovery code",
            Answer::ScratchCode(_) => "scratch code",
            Answer::Code(_) => "code",
            Answer::Passkey(_) => "passkey",
        }
    }

    #[test]
    fn the_form_of_an_answer_is_read() {
        let (user, row) = (UserId::new(Uuid::nil()), ChallengeId::new(Uuid::nil()));
        let link = Reference::new(user, row, Secret::new([255; 32]));
        let link = link.print(ReferenceKind::MagicLink).expose().clone();
        let pasted = format!(" {}\u{200b}{}\r\n", &link[..9], &link[9..]);
        for (text, read) in [
            (link.as_str(), "link"),
            (&pasted, "link"),
            (&link[..link.len() - 1], "code"),
            (&link.to_uppercase(), "code"),
            ("7f3k-9qwm-0123-1abc", "recovery code"),
            ("1234567890123456", "recovery code"),
            ("1234 5678", "scratch code"),
            ("I2E45678", "code"),
            ("I2345678", "scratch code"),
            ("123 456", "code"),
            ("1234567890", "code"),
            ("", "code"),
        ] {
            assert_eq!(form(text), read, "{text}");
        }
    }
}
