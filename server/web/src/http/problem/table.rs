//! The table of problems. Each row has a key, the schema's name, the typed extras and a sample
//! rejection.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::status::{Checks, Media, Rejected};
use crate::model::kinds::Scope;
use crate::model::{Fault, Refusal};

/// Declares the problems. Each has a key, the schema's name, the typed extras and a sample
/// rejection. The document takes code and status from the sample, so neither is written twice.
macro_rules! problems {
    ($($key:ident $schema:literal $({ $($(#[$meta:meta])* $field:ident: $type:ty),+ $(,)? })? = $sample:expr;)+) => {
        /// A problem. `refuses!` lists those that an operation can answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Problem { $(#[doc = concat!("`", $schema, "`.")] $key,)+ }

        impl Problem {
            /// All problems.
            pub const ALL: &'static [Self] = &[$(Self::$key,)+];

            /// Returns the name of its schema.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$key => $schema,)+ }
            }

            /// Returns a rejection with this problem.
            pub fn sample(self) -> Rejected {
                match self { $(Self::$key => Rejected::from($sample),)+ }
            }

            /// Returns the schema of its extras.
            pub(super) fn extras(self) -> RefOr<Schema> {
                match self { $(Self::$key => <extra::$key as PartialSchema>::schema(),)+ }
            }
        }

        /// The extra fields of each error, besides the common ones.
        pub(super) mod extra {
            use super::*;
            $(
                #[derive(Serialize, ToSchema)]
                #[serde(rename_all = "camelCase")]
                pub struct $key { $($($(#[$meta])* pub $field: $type,)+)? }
            )+
        }

        #[derive(Serialize)]
        #[serde(untagged)]
        pub(super) enum Extras { $($key(extra::$key),)+ }
    };
}

problems! {
    // Each API arranges its `errors`: see `Wording::Flaws`.
    Validation "ValidationErrorResponse" = Refusal::Validation { errors: Vec::new() };
    InvalidPassword "InvalidPasswordErrorResponse" = Refusal::InvalidPassword;
    MfaAlreadyEnabled "MfaAlreadyEnabledErrorResponse" = Refusal::MfaAlreadyEnabled;
    MfaNotEnabled "MfaNotEnabledErrorResponse" = Refusal::MfaNotEnabled;
    MfaMethodNotEnabled "MfaMethodNotEnabledErrorResponse" = Refusal::MfaMethodNotEnabled;
    MfaTokenInvalid "MfaTokenInvalidErrorResponse" = Refusal::MfaTokenInvalid;
    MfaTokenExpired "MfaTokenExpiredErrorResponse" = Refusal::MfaTokenExpired;
    MfaWrongPurpose "MfaWrongPurposeErrorResponse" = Refusal::MfaWrongPurpose;
    InvalidMfaCode "InvalidMfaCodeErrorResponse" {
        attempts_remaining: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(inline, nullable = false)]
        reason: Option<Reason>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        retry_after: Option<u32>,
    } = Refusal::InvalidMfaCode { attempts_remaining: 0 };
    AuthenticatorNotConfigured "AuthenticatorNotConfiguredErrorResponse" = Refusal::AuthenticatorNotConfigured;
    InvalidMfaMethod "InvalidMfaMethodErrorResponse" = Refusal::InvalidMfaMethod;
    ResendOnlyForEmail "ResendOnlyForEmailErrorResponse" = Refusal::ResendOnlyForEmail;
    MfaMethodNotConfigured "MfaMethodNotConfiguredErrorResponse" = Refusal::MfaMethodNotConfigured;
    MfaMethodUnavailable "MfaMethodUnavailableErrorResponse" = Refusal::MfaMethodUnavailable;
    PasskeyRefused "PasskeyRefusedErrorResponse" {
        attempts_remaining: u32,
    } = Refusal::PasskeyRefused { attempts_remaining: 0 };
    AuthenticatorClockOff "AuthenticatorClockOffErrorResponse" {
        attempts_remaining: u32,
        offset_seconds: i32,
    } = Refusal::AuthenticatorClockOff { attempts_remaining: 0, offset_seconds: 0 };
    NoOrganisation "NoOrganisationErrorResponse" = Refusal::NoOrganisation;
    NameTaken "NameTakenErrorResponse" = Refusal::NameTaken;
    MfaEnforced "MfaEnforcedErrorResponse" = Refusal::MfaEnforced;
    FactorNotFound "FactorNotFoundErrorResponse" = Refusal::FactorNotFound;
    LastAdministrator "LastAdministratorErrorResponse" = Refusal::LastAdministrator;
    TooManyMfaSms "TooManyMfaSmsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyMfaSms { retry_after: 0 };
    RegistrationTokenInvalid "RegistrationTokenInvalidErrorResponse" = Refusal::RegistrationTokenInvalid;
    RegistrationTokenExpired "RegistrationTokenExpiredErrorResponse" = Refusal::RegistrationTokenExpired;
    InvalidRegistrationCode "InvalidRegistrationCodeErrorResponse" {
        attempts_remaining: u32,
    } = Refusal::InvalidRegistrationCode { attempts_remaining: 0 };
    ResetTokenInvalid "ResetTokenInvalidErrorResponse" = Refusal::ResetTokenInvalid;
    ResetTokenExpired "ResetTokenExpiredErrorResponse" = Refusal::ResetTokenExpired;
    InvalidResetCode "InvalidResetCodeErrorResponse" {
        attempts_remaining: u32,
    } = Refusal::InvalidResetCode { attempts_remaining: 0 };
    InvalidCredentials "InvalidCredentialsErrorResponse" = Refusal::InvalidCredentials;
    TokenInvalid "TokenInvalidErrorResponse" = Refusal::TokenInvalid { sent: true };
    TokenExpired "TokenExpiredErrorResponse" = Refusal::TokenExpired;
    InsufficientUserAuthentication "InsufficientUserAuthenticationErrorResponse" {
        max_age: u32,
    } = Refusal::InsufficientUserAuthentication { max_age: 0 };
    ApiKeyInvalid "ApiKeyInvalidErrorResponse" = Refusal::ApiKeyInvalid;
    Forbidden "ForbiddenErrorResponse" = Refusal::Forbidden;
    InsufficientScope "InsufficientScopeErrorResponse" {
        scope: &'static str,
    } = Refusal::InsufficientScope { scope: Scope::UsersRead };
    MfaMethodLocked "MfaMethodLockedErrorResponse" = Refusal::MfaMethodLocked;
    MfaMethodTooNew "MfaMethodTooNewErrorResponse" = Refusal::MfaMethodTooNew;
    UserNotFound "UserNotFoundErrorResponse" = Refusal::UserNotFound;
    SessionNotFound "SessionNotFoundErrorResponse" = Refusal::SessionNotFound;
    ApiKeyNotFound "ApiKeyNotFoundErrorResponse" = Refusal::ApiKeyNotFound;
    NotFound "NotFoundErrorResponse" = Refusal::NotFound;
    MethodNotAllowed "MethodNotAllowedErrorResponse" = Rejected::Method { allow: String::new() };
    ApiKeyLimit "ApiKeyLimitErrorResponse" = Refusal::ApiKeyLimit;
    PayloadTooLarge "PayloadTooLargeErrorResponse" = Rejected::TooLarge;
    RequestTimeout "RequestTimeoutErrorResponse" = Rejected::TooSlow;
    UnsupportedMediaType "UnsupportedMediaTypeErrorResponse" = Rejected::MediaType(Media::Json);
    TooManyMfaAttempts "TooManyMfaAttemptsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyMfaAttempts { retry_after: 0 };
    TooManyMfaEmails "TooManyMfaEmailsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyMfaEmails { retry_after: 0 };
    MaxResendLimit "MaxResendLimitErrorResponse" {
        retry_after: u32,
    } = Refusal::MaxResendLimit { retry_after: 0 };
    ResendCooldown "ResendCooldownErrorResponse" {
        retry_after: u32,
    } = Refusal::ResendCooldown { retry_after: 0 };
    TooManyPasswordAttempts "TooManyPasswordAttemptsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyPasswordAttempts { retry_after: 0 };
    TooManyRegistrationAttempts "TooManyRegistrationAttemptsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyRegistrationAttempts { retry_after: 0 };
    TooManyResetAttempts "TooManyResetAttemptsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyResetAttempts { retry_after: 0 };
    TooManyRequests "TooManyRequestsErrorResponse" {
        retry_after: u32,
    } = Refusal::TooManyRequests { retry_after: 0 };
    Internal "InternalErrorResponse" = Rejected::Fault(Fault::bug(anyhow::anyhow!("a sample")));
    ServiceUnavailable "ServiceUnavailableErrorResponse" {
        retry_after: u32,
    } = Refusal::Busy { retry_after: 0 };
    NotReady "NotReadyErrorResponse" {
        #[schema(inline)]
        checks: ReadinessChecks,
        reason: &'static str,
        retry_after: u32,
    } = Rejected::NotReady { checks: Checks { database: "", migrations: "", courier: "", reason: None } };
}

/// Why a right code is refused nevertheless.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    AlreadyUsed,
}

/// The state of each part that the server depends on.
#[derive(Serialize, ToSchema)]
pub struct ReadinessChecks {
    database: &'static str,
    migrations: &'static str,
    courier: &'static str,
}

impl From<Checks> for ReadinessChecks {
    fn from(checks: Checks) -> Self {
        Self {
            database: checks.database,
            migrations: checks.migrations,
            courier: checks.courier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::extras;

    #[test]
    fn a_body_says_what_its_schema_says() {
        for problem in Problem::ALL {
            let rejected = problem.sample();
            let body = serde_json::to_value(extras::of(&rejected)).expect("JSON");
            let RefOr::T(Schema::Object(schema)) = problem.extras() else {
                panic!("{problem:?} has no object");
            };
            let fields: Vec<&String> = body
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .collect();
            for required in &schema.required {
                assert!(fields.contains(&required), "{problem:?} lacks {required}");
            }
            for field in fields {
                assert!(
                    schema.properties.contains_key(field),
                    "{problem:?} says {field}"
                );
            }
        }
    }

    #[test]
    fn schemas_are_named_after_their_codes() {
        for problem in Problem::ALL {
            let words = problem
                .sample()
                .code()
                .split('_')
                .map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
            let name = words.collect::<String>() + "ErrorResponse";
            assert_eq!(problem.name(), name);
        }
    }
}
