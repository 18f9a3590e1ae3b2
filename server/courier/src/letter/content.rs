//! What each message puts into its letter: the template, and what fills its fields.

use crate::model::kinds::{AnswerKind, CodeSetKind, FactorKind};
use crate::model::notice::Message;

/// Returns a number of minutes in words, in whole hours if possible.
pub(super) fn lifetime(minutes: u32) -> String {
    match minutes {
        1 => "1 minute".to_owned(),
        60 => "1 hour".to_owned(),
        minutes if minutes > 60 && minutes % 60 == 0 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

/// Returns the template. Its first line is the subject.
pub(super) const fn template(message: &Message) -> &'static str {
    match message {
        Message::RegistrationCode { .. } => include_str!("../templates/registration_code.txt"),
        Message::RegistrationLink { .. } => include_str!("../templates/registration_link.txt"),
        Message::AlreadyRegistered => include_str!("../templates/already_registered.txt"),
        Message::SetupCode { .. } => include_str!("../templates/setup_code.txt"),
        Message::LoginCode { .. } => include_str!("../templates/login_code.txt"),
        Message::DisableCode { .. } => include_str!("../templates/disable_code.txt"),
        Message::FactorEnabled { .. } => include_str!("../templates/factor_enabled.txt"),
        Message::FactorDisabled { .. } => include_str!("../templates/factor_disabled.txt"),
        Message::WrongCodes { .. } => include_str!("../templates/wrong_codes.txt"),
        Message::FactorLocked { .. } => include_str!("../templates/factor_locked.txt"),
        Message::SessionEnded => include_str!("../templates/session_ended.txt"),
        Message::SessionGuessed { .. } => include_str!("../templates/session_guessed.txt"),
        Message::Unlocked => include_str!("../templates/unlocked.txt"),
        Message::MfaReset => include_str!("../templates/mfa_reset.txt"),
        Message::Promoted => include_str!("../templates/promoted.txt"),
        Message::AccountCreated => include_str!("../templates/account_created.txt"),
        Message::Digest => include_str!("../templates/digest.txt"),
        Message::StepUpCode { .. } => include_str!("../templates/step_up_code.txt"),
        Message::ActionCode { .. } => include_str!("../templates/action_code.txt"),
        Message::FactorPaused { .. } => include_str!("../templates/factor_paused.txt"),
        Message::RecoveryCodesMade => include_str!("../templates/recovery_codes_made.txt"),
        Message::RecoveryCodeUsed { .. } => include_str!("../templates/recovery_code_used.txt"),
        Message::PasswordSet { .. } => include_str!("../templates/password_set.txt"),
        Message::PasswordReset { .. } => include_str!("../templates/password_reset.txt"),
        Message::ResetCode { .. } => include_str!("../templates/reset_code.txt"),
        Message::ResetUnknown => include_str!("../templates/reset_unknown.txt"),
        Message::ResetStepCode { .. } => include_str!("../templates/reset_step_code.txt"),
        Message::ResetWrongCodes { .. } => include_str!("../templates/reset_wrong_codes.txt"),
        Message::ResetLocked => include_str!("../templates/reset_locked.txt"),
        Message::EmailChangeCode { .. } => include_str!("../templates/email_change_code.txt"),
        Message::EmailChangeTaken => include_str!("../templates/email_change_taken.txt"),
        Message::EmailChanged { .. } => include_str!("../templates/email_changed.txt"),
        Message::EmailSet => include_str!("../templates/email_set.txt"),
        Message::EmailRestored { .. } => include_str!("../templates/email_restored.txt"),
        Message::EmailRemoved => include_str!("../templates/email_removed.txt"),
        Message::PasskeyRolledBack => include_str!("../templates/passkey_rolled_back.txt"),
        Message::ApiKeyMade { .. } => include_str!("../templates/api_key_made.txt"),
        Message::ApiKeyDeleted { .. } => include_str!("../templates/api_key_deleted.txt"),
        Message::UserAdded { .. } => include_str!("../templates/user_added.txt"),
        Message::EnforcementChanged { enforced: true } => {
            include_str!("../templates/enforcement_begun.txt")
        }
        Message::EnforcementChanged { enforced: false } => {
            include_str!("../templates/enforcement_ended.txt")
        }
        Message::Joined { .. } => include_str!("../templates/joined.txt"),
    }
}

/// Returns the code of a message and its lifetime in minutes, if it has one.
pub(crate) fn code(message: &Message) -> (&str, u32) {
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
pub(super) fn link(message: &Message) -> String {
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
pub(crate) fn link_of(message: &Message) -> Option<&str> {
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
pub(super) fn action(message: &Message) -> &str {
    match message {
        Message::ActionCode { action, .. } => action,
        _without_action => "",
    }
}

/// Returns the name of what the message is about: a key, an account, a role, an address.
pub(super) fn name(message: &Message) -> &str {
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
pub(super) const fn locked(message: &Message) -> &'static str {
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
pub(super) fn late(message: &Message) -> String {
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
pub(super) fn keys(message: &Message) -> String {
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
pub(super) fn remaining(message: &Message) -> String {
    match message {
        Message::RecoveryCodeUsed { remaining } => remaining.to_string(),
        _without_number => String::new(),
    }
}

/// Returns the methods that a message is about, in words that begin a sentence. The message
/// separates them by commas.
pub(super) fn method(message: &Message) -> String {
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
