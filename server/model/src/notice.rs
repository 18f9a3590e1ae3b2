//! Notices: what mails and text messages say, and how they wait in the queue.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{NoticeId, UserId};
use crate::schema;
use crate::time::Time;

/// What a letter says. It is sealed in the queue, since it may contain a code.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// The code that proves a new address.
    RegistrationCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
    },
    /// The link that proves a new address.
    RegistrationLink {
        /// The link.
        link: String,
        /// Minutes until the link expires.
        minutes: u32,
    },
    /// Somebody tried to register an address that already has an account.
    AlreadyRegistered,
    /// The code and the link that prove the mailbox as a factor; by SMS, the code that proves the phone.
    SetupCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
        /// The link, if one goes with the code. Letters of older servers have none.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link expires; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that finishes a sign-in, and the link.
    LoginCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
        /// The link, if one goes with the code. Letters of older servers have none.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link expires; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that turns a method off, and the link.
    DisableCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
        /// The link, if one goes with the code. Letters of older servers have none.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link expires; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code for a step-up, and the link.
    StepUpCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
        /// The link, if one goes with the code.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link expires; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that confirms a named act.
    ActionCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
        /// The act, as the client named it.
        action: String,
    },
    /// A factor was turned on.
    FactorEnabled {
        /// The method's word, such as `authenticator`.
        method: String,
    },
    /// A factor was turned off.
    FactorDisabled {
        /// The method's word, or several with commas.
        method: String,
    },
    /// A sign-in had a right password, then wrong codes until its challenge was used up (ASVS 6.3.5).
    WrongCodes {
        /// The method that the wrong codes were for.
        method: String,
    },
    /// Too many wrong codes locked a method.
    FactorLocked {
        /// The locked method.
        method: String,
    },
    /// A used refresh token was sent again, so its session was ended.
    SessionEnded,
    /// A session gave too many wrong answers in a row, and was ended.
    SessionGuessed {
        /// The method of the last wrong answer.
        method: String,
    },
    /// The operator lifted the user's limits and locks.
    Unlocked,
    /// All methods of the user were removed.
    MfaReset,
    /// The operator made the user an administrator.
    Promoted,
    /// The operator made the account.
    AccountCreated,
    /// A method stays proved, but sign-in no longer asks for it.
    FactorPaused {
        /// The method's word, or several with commas.
        method: String,
    },
    /// New recovery codes were made, and the old ones are void.
    RecoveryCodesMade,
    /// A recovery or scratch code was used.
    RecoveryCodeUsed {
        /// How many are left.
        remaining: u32,
    },
    /// A passkey's signature counter went back (WebAuthn §6.1.1).
    PasskeyRolledBack,
    /// The password was changed.
    PasswordSet {
        /// API keys of the user that still work; 0 in letters of older servers.
        #[serde(default)]
        keys: u32,
    },
    /// The code and the link for a new password.
    ResetCode {
        /// The code.
        code: String,
        /// Minutes until the code and the link expire.
        minutes: u32,
        /// The link.
        link: String,
    },
    /// Somebody asked for a new password of an address that has no account.
    ResetUnknown,
    /// The code that is the second step before a new password, and the link.
    ResetStepCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
        /// The link, if one goes with the code.
        link: Option<String>,
        /// Minutes until the link expires.
        link_minutes: u32,
    },
    /// The second step before a new password had only wrong answers, until its tries were used up.
    ResetWrongCodes {
        /// The method that the last wrong answer was for.
        method: String,
    },
    /// Too many wrong answers to the second step before a new password stopped it.
    ResetLocked,
    /// A forgotten password was replaced.
    PasswordReset {
        /// API keys of the user that still work; 0 in letters of older servers.
        #[serde(default)]
        keys: u32,
    },
    /// The code that proves a new address for an account, to that address.
    EmailChangeCode {
        /// The code.
        code: String,
        /// Minutes until the code expires.
        minutes: u32,
    },
    /// Somebody asked for an address that already has an account, to that address. It has the same word in the queue as
    /// [`Message::EmailChangeCode`], since the user who asked can read the words of their letters.
    EmailChangeTaken,
    /// The account has a new address, to the old one.
    EmailChanged {
        /// The new address, masked.
        to: String,
        /// The link that restores the old one.
        link: String,
        /// Minutes until the link expires.
        minutes: u32,
    },
    /// The account has a new address, to the new one.
    EmailSet,
    /// An address was restored, to that address.
    EmailRestored {
        /// Whether codes by mail are locked, since another mailbox proved them.
        locked: bool,
        /// Whether codes by mail are off, for the same reason: another method is on.
        #[serde(default)]
        paused: bool,
        /// What was turned on or made while the other address counted and still works: words of methods and code
        /// sets, with commas between them.
        #[serde(default)]
        methods: String,
        /// API keys of the user that still work.
        keys: u32,
    },
    /// The account no longer has this address, since the one before was restored.
    EmailRemoved,
    /// An API key was made in the user's name.
    ApiKeyMade {
        /// The name its maker gave it.
        name: String,
    },
    /// An API key of the user was deleted.
    ApiKeyDeleted {
        /// The name its maker gave it.
        name: String,
    },
    /// The user, an administrator, added an account.
    UserAdded {
        /// The name or address that the new user signs in with.
        name: String,
    },
    /// The user's organisation now demands a second factor, or no longer does.
    EnforcementChanged {
        /// Whether it demands one.
        enforced: bool,
    },
    /// The operator made the user a member of an organisation.
    Joined {
        /// The user's role in the organisation.
        role: String,
    },
    /// Stands for further notices after the limit of notices was reached.
    Digest,
}

impl Message {
    /// Returns the word for this kind of message in the queue and the log. It has none of the content.
    pub const fn word(&self) -> &'static str {
        self.row().1
    }

    /// Returns a number that is different for each kind, so that two letters of one call have different ids.
    pub const fn ordinal(&self) -> u8 {
        self.row().0
    }

    /// Whether a person is waiting for it in front of a screen. [`Message::AlreadyRegistered`],
    /// [`Message::ResetUnknown`] and [`Message::EmailChangeTaken`] count too: each takes the place of a code, and a
    /// later delivery would show whether the address has an account.
    pub const fn is_waited_for(&self) -> bool {
        match self {
            Self::RegistrationCode { .. }
            | Self::RegistrationLink { .. }
            | Self::AlreadyRegistered
            | Self::SetupCode { .. }
            | Self::LoginCode { .. }
            | Self::DisableCode { .. }
            | Self::StepUpCode { .. }
            | Self::ActionCode { .. }
            | Self::ResetCode { .. }
            | Self::ResetUnknown
            | Self::ResetStepCode { .. }
            | Self::EmailChangeCode { .. }
            | Self::EmailChangeTaken => true,
            Self::FactorEnabled { .. }
            | Self::FactorDisabled { .. }
            | Self::FactorPaused { .. }
            | Self::WrongCodes { .. }
            | Self::FactorLocked { .. }
            | Self::SessionEnded
            | Self::SessionGuessed { .. }
            | Self::Unlocked
            | Self::MfaReset
            | Self::Promoted
            | Self::AccountCreated
            | Self::RecoveryCodesMade
            | Self::RecoveryCodeUsed { .. }
            | Self::PasskeyRolledBack
            | Self::PasswordSet { .. }
            | Self::PasswordReset { .. }
            | Self::ResetWrongCodes { .. }
            | Self::ResetLocked
            | Self::EmailChanged { .. }
            | Self::EmailSet
            | Self::EmailRestored { .. }
            | Self::EmailRemoved
            | Self::ApiKeyMade { .. }
            | Self::ApiKeyDeleted { .. }
            | Self::UserAdded { .. }
            | Self::EnforcementChanged { .. }
            | Self::Joined { .. }
            | Self::Digest => false,
        }
    }

    const fn row(&self) -> (u8, &'static str) {
        match self {
            Self::RegistrationCode { .. } => (1, "registration_code"),
            Self::AlreadyRegistered => (2, "already_registered"),
            Self::SetupCode { .. } => (3, "setup_code"),
            Self::LoginCode { .. } => (4, "login_code"),
            Self::DisableCode { .. } => (5, "disable_code"),
            Self::FactorEnabled { .. } => (6, "factor_enabled"),
            Self::FactorDisabled { .. } => (7, "factor_disabled"),
            Self::WrongCodes { .. } => (8, "wrong_codes"),
            Self::FactorLocked { .. } => (9, "factor_locked"),
            Self::SessionEnded => (10, "session_ended"),
            Self::Unlocked => (11, "unlocked"),
            Self::MfaReset => (12, "mfa_reset"),
            Self::Promoted => (13, "promoted"),
            Self::AccountCreated => (14, "account_created"),
            Self::Digest => (15, "digest"),
            Self::StepUpCode { .. } => (16, "step_up_code"),
            Self::ActionCode { .. } => (17, "action_code"),
            Self::FactorPaused { .. } => (18, "factor_paused"),
            Self::RecoveryCodesMade => (19, "recovery_codes_made"),
            Self::RecoveryCodeUsed { .. } => (20, "recovery_code_used"),
            Self::RegistrationLink { .. } => (40, "registration_link"),
            Self::PasswordSet { .. } => (21, "password_set"),
            Self::PasskeyRolledBack => (22, "passkey_rolled_back"),
            Self::ApiKeyMade { .. } => (23, "api_key_made"),
            Self::ApiKeyDeleted { .. } => (24, "api_key_deleted"),
            Self::UserAdded { .. } => (25, "user_added"),
            Self::EnforcementChanged { .. } => (26, "enforcement_changed"),
            Self::Joined { .. } => (27, "joined"),
            Self::SessionGuessed { .. } => (28, "session_guessed"),
            Self::ResetCode { .. } => (29, "reset_code"),
            Self::ResetUnknown => (30, "reset_unknown"),
            Self::ResetStepCode { .. } => (31, "reset_step_code"),
            Self::PasswordReset { .. } => (32, "password_reset"),
            Self::ResetWrongCodes { .. } => (33, "reset_wrong_codes"),
            Self::ResetLocked => (34, "reset_locked"),
            Self::EmailChangeCode { .. } => (35, "email_change_code"),
            Self::EmailChangeTaken => (36, "email_change_code"),
            Self::EmailChanged { .. } => (37, "email_changed"),
            Self::EmailSet => (38, "email_set"),
            Self::EmailRestored { .. } => (39, "email_restored"),
            Self::EmailRemoved => (41, "email_removed"),
        }
    }
}

/// How a message reaches a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Mail.
    Mail,
    /// Text messages.
    Text,
}

impl Channel {
    /// Returns what one message of this channel is called in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Text => "text message",
        }
    }
}

/// The queue that a message waits in. No lane waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Mails that somebody is waiting for.
    MailCodes,
    /// Mails that say what happened.
    MailNotices,
    /// Text messages. All of them are codes.
    Texts,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 3] = [Self::MailCodes, Self::MailNotices, Self::Texts];

    /// Returns the word that the database has for this lane.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailCodes => "mail_codes",
            Self::MailNotices => "mail_notices",
            Self::Texts => "texts",
        }
    }

    /// Reads the word from the database; `None` for a lane of a newer server.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }

    /// Returns the channel that this lane's messages use.
    pub const fn channel(self) -> Channel {
        match self {
            Self::MailCodes | Self::MailNotices => Channel::Mail,
            Self::Texts => Channel::Text,
        }
    }
}

/// A letter. It has no `Debug`, since it may contain a code.
#[derive(Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The receiver: a canonical address, or a number in E.164.
    pub to: String,
    /// When it was caused, in UTC microseconds.
    pub at: i64,
    /// The network address that caused it, as text.
    pub source: String,
    /// What it says.
    pub message: Message,
}

impl Letter {
    /// Whether it goes to a phone number. No mail address has this form.
    pub fn is_text_message(&self) -> bool {
        self.to.starts_with('+') && !self.to.contains('@')
    }

    /// Returns the lane that it waits in.
    pub fn lane(&self) -> Lane {
        if self.is_text_message() {
            Lane::Texts
        } else if self.message.is_waited_for() {
            Lane::MailCodes
        } else {
            Lane::MailNotices
        }
    }
}

/// Masks an address or a number (`a***@example.com`, `+1***23`), so that its owner can recognise it in logs
/// and answers.
pub fn masked(to: &str) -> String {
    match to.split_once('@') {
        Some((local, domain)) => {
            let first: String = local.chars().take(1).collect();
            format!("{first}***@{domain}")
        }
        None => {
            let end = to.len().saturating_sub(2);
            let (start, end) = (to.get(..2), to.get(end..));
            format!("{}***{}", start.unwrap_or(""), end.unwrap_or(""))
        }
    }
}

/// The states of a notice.
pub mod state {
    /// It waits for the courier, or for its next try.
    pub const QUEUED: &str = "queued";
    /// It was handed over, and the letter is erased.
    pub const SENT: &str = "sent";
    /// It was given up: refused by the receiver, or too old. The letter is erased.
    pub const ABANDONED: &str = "abandoned";
}

/// A notice in the queue.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::notices, treat_none_as_default_value = false)]
pub struct Notice {
    /// The notice's id. It is also the local part of the mail's Message-ID, so that a second delivery shows
    /// as the same mail.
    pub id: NoticeId,
    /// The user it is about.
    pub user_id: UserId,
    /// [`Message::word`] of the letter.
    pub kind: String,
    /// One of the values in [`state`].
    pub state: String,
    /// The sealed [`Letter`]; `None` once it was sent or given up.
    pub sealed_letter: Option<Vec<u8>>,
    /// Tries so far.
    pub tries: i32,
    /// When the courier tries next.
    pub next_try_at: Time,
    /// Until when one courier has it leased. After that, any courier may take it.
    pub leased_until: Time,
    /// When it was queued.
    pub created_at: Time,
    /// When it is too old to be sent.
    pub expires_at: Time,
    /// When it was sent or given up.
    pub ended_at: Option<Time>,
    /// [`Lane::as_str`] of the letter's lane.
    pub lane: String,
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn addresses_and_numbers_are_masked() {
        assert_eq!(masked("alice@example.com"), "a***@example.com");
        assert_eq!(masked("+12025550123"), "+1***23");
        assert_eq!(
            (masked("@"), masked("")),
            ("***@".to_owned(), "***".to_owned())
        );
    }
}
