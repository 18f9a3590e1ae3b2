//! Notices: what the courier tells people, and how a notice waits in the queue.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{NoticeId, UserId};
use crate::schema;
use crate::time::Time;

/// What a letter says. It is sealed in the queue, since some of it is a code.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// The code that proves a new address.
    RegistrationCode {
        /// The code.
        code: String,
        /// Minutes until it stops working.
        minutes: u32,
    },
    /// The link that proves a new address.
    RegistrationLink {
        /// The link.
        link: String,
        /// Minutes until it stops working.
        minutes: u32,
    },
    /// Somebody tried to register an address that has an account.
    AlreadyRegistered,
    /// The code that proves the mailbox as a factor, and the link that says the same.
    SetupCode {
        /// The code.
        code: String,
        /// Minutes until it stops working.
        minutes: u32,
        /// The link; none in letters of older servers.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link stops working; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that finishes a sign-in, and the link.
    LoginCode {
        /// The code.
        code: String,
        /// Minutes until it stops working.
        minutes: u32,
        /// The link; none in letters of older servers.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link stops working; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that turns e-mail codes off, and the link.
    DisableCode {
        /// The code.
        code: String,
        /// Minutes until it stops working.
        minutes: u32,
        /// The link; none in letters of older servers.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link stops working; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that proves the person once more, and the link.
    StepUpCode {
        /// The code.
        code: String,
        /// Minutes until it stops working.
        minutes: u32,
        /// The link.
        #[serde(default)]
        link: Option<String>,
        /// Minutes until the link stops working; 0 in letters of older servers.
        #[serde(default)]
        link_minutes: u32,
    },
    /// The code that confirms a named act.
    ActionCode {
        /// The code.
        code: String,
        /// Minutes until it stops working.
        minutes: u32,
        /// The act, as the client named it.
        action: String,
    },
    /// A factor was turned on.
    FactorEnabled {
        /// Its method, as the user knows it.
        method: String,
    },
    /// A factor was turned off.
    FactorDisabled {
        /// Its method, as the user knows it.
        method: String,
    },
    /// A right password was followed by wrong codes until the challenge was dead (ASVS 6.3.5).
    WrongCodes {
        /// The method.
        method: String,
    },
    /// Too many wrong codes stopped a method.
    FactorLocked {
        /// The method.
        method: String,
    },
    /// A used refresh token came again, and its session was ended.
    SessionEnded,
    /// A session gave too many wrong answers in a row, and was ended.
    SessionGuessed {
        /// The method of the last one.
        method: String,
    },
    /// An administrator lifted limits and stops.
    Unlocked,
    /// An administrator removed all factors.
    MfaReset,
    /// An administrator made the user an administrator.
    Promoted,
    /// The operator made the account.
    AccountCreated,
    /// A proved factor is not asked for any more, and kept.
    FactorPaused {
        /// Its method, as the user knows it.
        method: String,
    },
    /// A new set of recovery codes was made; the old one is void.
    RecoveryCodesMade,
    /// A recovery code was spent.
    RecoveryCodeUsed {
        /// How many are left.
        remaining: u32,
    },
    /// The counter of a passkey went back (WebAuthn §6.1.1).
    PasskeyRolledBack,
    /// The password was set anew.
    PasswordSet,
    /// An API key was made in the user's name.
    ApiKeyMade {
        /// What its maker calls it.
        name: String,
    },
    /// An API key of the user's was deleted.
    ApiKeyDeleted {
        /// What its maker calls it.
        name: String,
    },
    /// The user, an administrator, added an account.
    UserAdded {
        /// What the new user signs in by.
        name: String,
    },
    /// The user's organisation demands a second factor from now on, or no longer.
    EnforcementChanged {
        /// Whether it does.
        enforced: bool,
    },
    /// The operator made the user a member of an organisation.
    Joined {
        /// The role in it.
        role: String,
    },
    /// More notices happened than are sent one by one.
    Digest,
}

impl Message {
    /// The word the queue and the log keep; nothing of the content.
    pub const fn word(&self) -> &'static str {
        self.row().1
    }

    /// A number of its own for each kind, so that two letters of one call have different ids.
    pub const fn ordinal(&self) -> u8 {
        self.row().0
    }

    /// Whether somebody sits before a screen and waits for it. What stands for a registration's code where
    /// the address has an account leaves with those codes, or its delay would tell.
    pub const fn is_waited_for(&self) -> bool {
        match self {
            Self::RegistrationCode { .. }
            | Self::RegistrationLink { .. }
            | Self::AlreadyRegistered
            | Self::SetupCode { .. }
            | Self::LoginCode { .. }
            | Self::DisableCode { .. }
            | Self::StepUpCode { .. }
            | Self::ActionCode { .. } => true,
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
            | Self::PasswordSet
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
            Self::PasswordSet => (21, "password_set"),
            Self::PasskeyRolledBack => (22, "passkey_rolled_back"),
            Self::ApiKeyMade { .. } => (23, "api_key_made"),
            Self::ApiKeyDeleted { .. } => (24, "api_key_deleted"),
            Self::UserAdded { .. } => (25, "user_added"),
            Self::EnforcementChanged { .. } => (26, "enforcement_changed"),
            Self::Joined { .. } => (27, "joined"),
            Self::SessionGuessed { .. } => (28, "session_guessed"),
        }
    }
}

/// How a message reaches people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Mail.
    Mail,
    /// Text messages.
    Text,
}

impl Channel {
    /// What one message of it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Text => "text message",
        }
    }
}

/// Where a message waits in the queue: no lane waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Mails that somebody waits for.
    MailCodes,
    /// Mails that tell what happened.
    MailNotices,
    /// Text messages: codes, all of them.
    Texts,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MailCodes, Self::MailNotices, Self::Texts];

    /// As the queue keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailCodes => "mail_codes",
            Self::MailNotices => "mail_notices",
            Self::Texts => "texts",
        }
    }

    /// Reads what the queue keeps; `None` for a lane of a newer server.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }

    /// By which channel its messages go.
    pub const fn channel(self) -> Channel {
        match self {
            Self::MailCodes | Self::MailNotices => Channel::Mail,
            Self::Texts => Channel::Text,
        }
    }
}

/// A letter: to whom, when and from where it was caused, and what it says. Has no `Debug`: it may hold a code.
#[derive(Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The canonical address, or a number in E.164.
    pub to: String,
    /// When it was caused, in microseconds UTC.
    pub at: i64,
    /// The network address that caused it, as text.
    pub source: String,
    /// What it says.
    pub message: Message,
}

impl Letter {
    /// Whether it goes to a phone number, which no mail address can be.
    pub fn is_text_message(&self) -> bool {
        self.to.starts_with('+') && !self.to.contains('@')
    }

    /// Where it waits.
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

/// `a***@example.com`, `+1***23`: enough to recognise, for the log and for answers.
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

/// Where a notice stands.
pub mod state {
    /// Waiting for the courier, or for its next try.
    pub const QUEUED: &str = "queued";
    /// Handed over; the letter is wiped.
    pub const SENT: &str = "sent";
    /// Given up: refused by the receiver or out of time; the letter is wiped.
    pub const ABANDONED: &str = "abandoned";
}

/// A notice in the queue.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::notices, treat_none_as_default_value = false)]
pub struct Notice {
    /// Its id, also the local part of the mail's Message-ID, so that a second delivery is seen as one.
    pub id: NoticeId,
    /// Whom it is about.
    pub user_id: UserId,
    /// [`Message::word`].
    pub kind: String,
    /// One of [`state`].
    pub state: String,
    /// The sealed [`Letter`]; none once it was sent or given up.
    pub sealed_letter: Option<Vec<u8>>,
    /// Tries so far.
    pub tries: i32,
    /// When to try next.
    pub next_try_at: Time,
    /// Until when one courier holds it; a lease that ran out is anybody's.
    pub leased_until: Time,
    /// When it was queued.
    pub created_at: Time,
    /// When there is no sense in sending it any more.
    pub expires_at: Time,
    /// When it was sent or given up.
    pub ended_at: Option<Time>,
    /// [`Lane::as_str`].
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
