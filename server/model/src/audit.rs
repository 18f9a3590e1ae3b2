//! Audit events: what happened, to whom, by whom, from where (ASVS 16.2 and 16.3). Never a secret.

use diesel::prelude::*;

use crate::ids::{AuditId, UserId};
use crate::schema;
use crate::time::Time;

/// Declares the events with the word the database keeps.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $word:literal;)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name,)+ }

        impl Event {
            /// The word the database and the log keep.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

events! {
    /// Someone began a registration.
    RegistrationBegun "registration_begun";
    /// A registration's code was wrong.
    RegistrationCodeWrong "registration_code_wrong";
    /// An address was proved and an account made.
    Registered "registered";
    /// A password was wrong, or the address unknown.
    PasswordWrong "password_wrong";
    /// A right password led to a challenge.
    ChallengeBegun "challenge_begun";
    /// A code was wrong.
    CodeWrong "code_wrong";
    /// A right code was sent a second time.
    CodeReused "code_reused";
    /// A limit was hit.
    Limited "limited";
    /// A session began.
    SignedIn "signed_in";
    /// A session was ended by its user.
    SignedOut "signed_out";
    /// A used refresh token came again, and its session was ended.
    RefreshReused "refresh_reused";
    /// A challenge's method was switched.
    MethodSwitched "method_switched";
    /// A code was sent again.
    CodeResent "code_resent";
    /// Setting up a factor began.
    SetupBegun "setup_begun";
    /// A factor was proved and turned on.
    FactorEnabled "factor_enabled";
    /// Turning a factor off began.
    DisableBegun "disable_begun";
    /// The counter of a passkey went back: it may have been copied.
    PasskeyRolledBack "passkey_rolled_back";
    /// A factor was turned off and removed.
    FactorDisabled "factor_disabled";
    /// A factor that was proved is not asked for any more, and kept.
    FactorPaused "factor_paused";
    /// A factor was given a name.
    FactorRenamed "factor_renamed";
    /// The factor that sign-in starts with was chosen.
    PrimaryChosen "primary_chosen";
    /// A set of recovery or scratch codes was made.
    RecoveryCodesMade "recovery_codes_made";
    /// A recovery or scratch code was spent.
    RecoveryCodeUsed "recovery_code_used";
    /// A mailed link was opened and used up.
    LinkOpened "link_opened";
    /// Proving the person once more began.
    StepUpBegun "step_up_begun";
    /// The person was proved once more in their session.
    SteppedUp "stepped_up";
    /// A code for a named act was sent.
    ActionBegun "action_begun";
    /// A named act was confirmed by a code.
    ActionConfirmed "action_confirmed";
    /// An organisation was founded.
    OrganisationFounded "organisation_founded";
    /// An organisation demands a second factor from now on, or no longer.
    EnforcementChanged "enforcement_changed";
    /// An administrator changed a user.
    UserUpdated "user_updated";
    /// A password was set by an administrator or its owner.
    PasswordSet "password_set";
    /// A user was deleted.
    UserDeleted "user_deleted";
    /// Too many wrong codes stopped a kind of factor.
    FactorLocked "factor_locked";
    /// An administrator made an API key.
    ApiKeyMade "api_key_made";
    /// An administrator deleted an API key.
    ApiKeyDeleted "api_key_deleted";
    /// The operator made an account.
    UserCreated "user_created";
    /// The operator made a user an administrator.
    UserPromoted "user_promoted";
    /// The operator lifted a user's limits and stops.
    UserUnlocked "user_unlocked";
    /// The operator removed all factors of a user.
    MfaReset "mfa_reset";
    /// A refresh token that was exchanged a moment ago came again, and got the same successor.
    RefreshRepeated "refresh_repeated";
    /// A new epoch ended the user's sessions, or their recovery and scratch codes.
    EpochBegun "epoch_begun";
    /// A session gave too many wrong answers in a row, and was ended.
    SessionGuessed "session_guessed";
}

/// One row of the audit trail.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::audit_events, treat_none_as_default_value = false)]
pub struct AuditEvent {
    /// Whom it happened to; for an unknown address an id made of its keyed hash.
    pub user_id: UserId,
    /// Its id.
    pub id: AuditId,
    /// What happened.
    pub event: String,
    /// Who did it, if not the user.
    pub actor_id: Option<UserId>,
    /// Where it came from.
    pub source: Option<String>,
    /// The method or the key it was about.
    pub detail: Option<String>,
    /// When.
    pub at: Time,
}
