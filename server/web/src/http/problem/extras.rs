//! Maps a rejection to the typed extra fields of its body.

use super::table::{Extras, ReadinessChecks, Reason, extra};
use crate::http::status::Rejected;
use crate::model::{Fault, Refusal};

/// Returns the typed extras of a rejection.
pub(super) fn of(rejected: &Rejected) -> Extras {
    let retry_after = rejected.retry_after().unwrap_or(0);
    match rejected {
        Rejected::Refused(refusal) => of_refusal(refusal),
        Rejected::Fault(Fault {
            dependency: true, ..
        }) => Extras::ServiceUnavailable(extra::ServiceUnavailable { retry_after }),
        Rejected::Fault(Fault {
            dependency: false, ..
        }) => Extras::Internal(extra::Internal {}),
        Rejected::TooLarge => Extras::PayloadTooLarge(extra::PayloadTooLarge {}),
        Rejected::TooSlow => Extras::RequestTimeout(extra::RequestTimeout {}),
        Rejected::MediaType(_) | Rejected::Encoded => {
            Extras::UnsupportedMediaType(extra::UnsupportedMediaType {})
        }
        Rejected::Method { .. } => Extras::MethodNotAllowed(extra::MethodNotAllowed {}),
        Rejected::NotReady { checks } => Extras::NotReady(extra::NotReady {
            checks: ReadinessChecks::from(*checks),
            reason: checks.reason.unwrap_or_default(),
            retry_after,
        }),
    }
}

/// Matches a refusal. `Key` has no extras; `Key { field }` passes its fields on under the same
/// names.
macro_rules! same_names {
    ($refusal:expr; $($key:ident $({ $($field:ident),+ })?),+; $($pattern:pat => $extras:expr,)+) => {
        match $refusal {
            $(Refusal::$key $({ $($field),+ })? => {
                Extras::$key(extra::$key { $($($field: *$field),+)? })
            })+
            $($pattern => $extras,)+
        }
    };
}

fn of_refusal(refusal: &Refusal) -> Extras {
    same_names! { refusal;
        InvalidPassword,
        MfaAlreadyEnabled,
        MfaNotEnabled,
        MfaMethodNotEnabled,
        MfaTokenInvalid,
        MfaTokenExpired,
        MfaWrongPurpose,
        AuthenticatorNotConfigured,
        InvalidMfaMethod,
        ResendOnlyForEmail,
        RegistrationTokenInvalid,
        RegistrationTokenExpired,
        InvalidRegistrationCode { attempts_remaining },
        ResetTokenInvalid,
        ResetTokenExpired,
        InvalidResetCode { attempts_remaining },
        InvalidCredentials,
        TokenExpired,
        InsufficientUserAuthentication { max_age },
        ApiKeyInvalid,
        Forbidden,
        MfaMethodLocked,
        MfaMethodTooNew,
        UserNotFound,
        ApiKeyNotFound,
        SessionNotFound,
        NotFound,
        ApiKeyLimit,
        TooManyMfaAttempts { retry_after },
        TooManyMfaEmails { retry_after },
        MaxResendLimit { retry_after },
        ResendCooldown { retry_after },
        TooManyPasswordAttempts { retry_after },
        TooManyRegistrationAttempts { retry_after },
        TooManyResetAttempts { retry_after },
        TooManyRequests { retry_after },
        MfaMethodNotConfigured,
        MfaMethodUnavailable,
        PasskeyRefused { attempts_remaining },
        AuthenticatorClockOff { attempts_remaining, offset_seconds },
        NoOrganisation,
        NameTaken,
        MfaEnforced,
        FactorNotFound,
        TooManyMfaSms { retry_after },
        LastAdministrator;
        Refusal::Busy { retry_after } => {
            Extras::ServiceUnavailable(extra::ServiceUnavailable { retry_after: *retry_after })
        },
        Refusal::MfaChallengeUsedUp => {
            Extras::TooManyMfaAttempts(extra::TooManyMfaAttempts { retry_after: 1 })
        },
        Refusal::BeyondServerAdministrator | Refusal::BeyondOwner => {
            Extras::Forbidden(extra::Forbidden {})
        },
        Refusal::UnknownUser => Extras::UserNotFound(extra::UserNotFound {}),
        Refusal::TokenInvalid { sent: _ } => Extras::TokenInvalid(extra::TokenInvalid {}),
        Refusal::InsufficientScope { scope } => {
            Extras::InsufficientScope(extra::InsufficientScope { scope: scope.as_str() })
        },
        Refusal::InvalidMfaCode { attempts_remaining } => Extras::InvalidMfaCode(extra::InvalidMfaCode {
            attempts_remaining: *attempts_remaining,
            reason: None,
            retry_after: None,
        }),
        Refusal::UsedMfaCode { attempts_remaining, retry_after } => {
            Extras::InvalidMfaCode(extra::InvalidMfaCode {
                attempts_remaining: *attempts_remaining,
                reason: Some(Reason::AlreadyUsed),
                retry_after: Some(*retry_after),
            })
        },
        Refusal::Validation { errors: _ } => Extras::Validation(extra::Validation {}),
    }
}
