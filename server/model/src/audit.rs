//! Audit events: what happened to whom, by whom and from where (ASVS 16.2 and 16.3). They never contain a
//! secret.

use diesel::prelude::*;

use crate::ids::{AuditId, UserId};
use crate::schema;
use crate::time::Time;

/// Declares the events, each with its word in the database.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $word:literal;)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name,)+ }

        impl Event {
            /// Returns the word for the database and the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

events! {
    /// Somebody began a registration.
    RegistrationBegun "registration_begun";
    /// A registration's code was wrong.
    RegistrationCodeWrong "registration_code_wrong";
    /// An address was proved and an account created.
    Registered "registered";
    /// A password was wrong, or the address unknown.
    PasswordWrong "password_wrong";
    /// A right password led to a challenge.
    ChallengeBegun "challenge_begun";
    /// A code was wrong.
    CodeWrong "code_wrong";
    /// A right code was used again.
    CodeReused "code_reused";
    /// A limit was reached.
    Limited "limited";
    /// A session began.
    SignedIn "signed_in";
    /// A user ended their session, or gave up an unfinished sign-in.
    SignedOut "signed_out";
    /// A used refresh token was sent again, so its session was ended.
    RefreshReused "refresh_reused";
    /// A challenge was switched to another method.
    MethodSwitched "method_switched";
    /// A code was sent again.
    CodeResent "code_resent";
    /// The set-up of a factor began.
    SetupBegun "setup_begun";
    /// A factor was turned on.
    FactorEnabled "factor_enabled";
    /// Turning a factor off began.
    DisableBegun "disable_begun";
    /// A passkey's signature counter went back: the passkey may have been copied.
    PasskeyRolledBack "passkey_rolled_back";
    /// A factor was turned off and removed.
    FactorDisabled "factor_disabled";
    /// A factor stays proved, but sign-in no longer asks for it.
    FactorPaused "factor_paused";
    /// A factor was given a name.
    FactorRenamed "factor_renamed";
    /// The user chose the factor that sign-in starts with.
    PrimaryChosen "primary_chosen";
    /// A set of recovery or scratch codes was made.
    RecoveryCodesMade "recovery_codes_made";
    /// A recovery or scratch code was used.
    RecoveryCodeUsed "recovery_code_used";
    /// A mailed link was opened.
    LinkOpened "link_opened";
    /// A step-up began.
    StepUpBegun "step_up_begun";
    /// A session gave fresh proof.
    SteppedUp "stepped_up";
    /// A code for a named act was sent.
    ActionBegun "action_begun";
    /// A code confirmed a named act.
    ActionConfirmed "action_confirmed";
    /// An organisation was founded.
    OrganisationFounded "organisation_founded";
    /// An organisation now demands a second factor, or no longer does.
    EnforcementChanged "enforcement_changed";
    /// An administrator changed a user.
    UserUpdated "user_updated";
    /// An administrator or the owner set a new password.
    PasswordSet "password_set";
    /// A user was deleted.
    UserDeleted "user_deleted";
    /// Too many wrong codes locked a method.
    FactorLocked "factor_locked";
    /// An administrator made an API key.
    ApiKeyMade "api_key_made";
    /// An administrator deleted an API key.
    ApiKeyDeleted "api_key_deleted";
    /// The operator or an administrator created an account.
    UserCreated "user_created";
    /// The operator made a user an administrator.
    UserPromoted "user_promoted";
    /// The operator lifted a user's limits and locks.
    UserUnlocked "user_unlocked";
    /// All factors of a user were removed.
    MfaReset "mfa_reset";
    /// A refresh token was sent again in time, and got the same successor.
    RefreshRepeated "refresh_repeated";
    /// After the database went back to an older state, the user's sessions, or their recovery and scratch
    /// codes, were ended.
    EpochBegun "epoch_begun";
    /// A session gave too many wrong answers in a row, and was ended.
    SessionGuessed "session_guessed";
    /// The operator disabled an account.
    UserDisabled "user_disabled";
    /// The operator enabled an account again.
    UserEnabled "user_enabled";
    /// Somebody asked for a new password.
    PasswordResetBegun "password_reset_begun";
    /// The code for a new password was wrong.
    PasswordResetCodeWrong "password_reset_code_wrong";
    /// A user ended all their other sessions.
    SessionsEnded "sessions_ended";
    /// A forgotten password was replaced.
    PasswordReset "password_reset";
    /// A user asked for a new address.
    EmailChangeBegun "email_change_begun";
    /// The code for a new address was wrong.
    EmailChangeCodeWrong "email_change_code_wrong";
    /// A new address was proved and took the place of the old one.
    EmailChanged "email_changed";
    /// The link in a mail to the old address restored it.
    EmailRestored "email_restored";
}

/// A row of the audit trail.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::audit_events, treat_none_as_default_value = false)]
pub struct AuditEvent {
    /// The user it happened to. For an unknown address, an id made from its keyed hash.
    pub user_id: UserId,
    /// The event's id.
    pub id: AuditId,
    /// [`Event::as_str`] of what happened.
    pub event: String,
    /// Who did it, if not the user.
    pub actor_id: Option<UserId>,
    /// The network address that the call came from.
    pub source: Option<String>,
    /// What it was about, such as a method, a limit's code or a key's id.
    pub detail: Option<String>,
    /// When it happened.
    pub at: Time,
}
