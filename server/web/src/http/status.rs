//! Maps refusals and faults to HTTP: the status of each class, once, and the headers that go with
//! it.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::model::refusal::Class;
use crate::model::{Error, Fault, Refusal};

/// Retry-After in seconds when a dependency has failed: about as long as a database takes to
/// restart.
const DEPENDENCY_RETRY_SECONDS: u32 = 2;

/// Retry-After in seconds when the server is not ready.
const READINESS_RETRY_SECONDS: u32 = 5;

/// Why a request is not answered with success. Each API turns it into its own error type.
#[derive(Debug)]
pub enum Rejected {
    /// The caller is not allowed to do this, or has to do something else first.
    Refused(Refusal),
    /// Something is broken here, or in a dependency.
    Fault(Fault),
    /// The body is larger than the setting allows.
    TooLarge,
    /// The body did not arrive, or arrived too slowly.
    TooSlow,
    /// The body does not have the required media type.
    MediaType(Media),
    /// The body is encoded, or in a charset other than UTF-8.
    Encoded,
    /// The path exists, but does not take this method.
    Method {
        /// The methods that it takes, separated by commas.
        allow: String,
    },
    /// A part that the server depends on does not work.
    NotReady {
        /// The state of each part.
        checks: Checks,
    },
}

/// The media types that a body can have.
#[derive(Clone, Copy, Debug)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Media {
    /// Returns the media type as in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// The state of the parts that the server depends on: `ok`, or one word for what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// `ok`, `unreachable` or `unwritable`.
    pub database: &'static str,
    /// `ok`, `behind` or `ahead`.
    pub migrations: &'static str,
    /// `ok` or `degraded`.
    pub courier: &'static str,
    /// The first problem, in a sentence; `None` if there is none.
    pub reason: Option<&'static str>,
}

/// Marks an answer as made by an API's error type, with the code it carries. The outer middleware
/// can thus tell it from an empty error of the framework, and check it against the contract.
#[derive(Clone, Copy, Debug)]
pub struct Told(pub &'static str);

/// Returns the status of a class of refusals. An API's `error.rs` may differ if its document does.
pub const fn of(class: Class) -> StatusCode {
    match class {
        Class::Invalid => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::Missing => StatusCode::NOT_FOUND,
        Class::Conflict => StatusCode::CONFLICT,
        Class::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl Rejected {
    /// Returns the HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => of(refusal.class()),
            Self::Fault(Fault {
                dependency: true, ..
            })
            | Self::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault(Fault {
                dependency: false, ..
            }) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType(_) | Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Returns the stable machine-readable code of the native API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Fault(Fault {
                dependency: true, ..
            }) => BUSY.code(),
            Self::Fault(Fault {
                dependency: false, ..
            }) => "INTERNAL",
            Self::TooLarge => "PAYLOAD_TOO_LARGE",
            Self::TooSlow => "REQUEST_TIMEOUT",
            Self::MediaType(_) | Self::Encoded => "UNSUPPORTED_MEDIA_TYPE",
            Self::Method { .. } => "METHOD_NOT_ALLOWED",
            Self::NotReady { .. } => "NOT_READY",
        }
    }

    /// Returns one sentence that tells the caller what to do.
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.sentence(),
            Self::Fault(Fault {
                dependency: true, ..
            }) => BUSY.sentence(),
            Self::Fault(Fault {
                dependency: false, ..
            }) => {
                "Something went wrong on our side. Try again, and report the requestId if it happens again."
            }
            Self::TooLarge => "The request body is too large. Send a smaller one.",
            Self::TooSlow => {
                "The request body did not come in time. Send the request again, with its whole body."
            }
            Self::MediaType(Media::Json) => {
                "The request body must be JSON. Send it with Content-Type: application/json."
            }
            Self::MediaType(Media::Form) => {
                "The request body must be a form. Send it with Content-Type: application/x-www-form-urlencoded."
            }
            Self::Encoded => {
                "The request body must be plain UTF-8. Send it without Content-Encoding and without another charset."
            }
            Self::Method { .. } => {
                "This address does not take this method. Use one of those named in the Allow header."
            }
            Self::NotReady { .. } => {
                "The service is not ready. See checks for the part that is not, and ask again after retryAfter."
            }
        }
    }

    /// Returns the seconds to wait, for the header Retry-After and for bodies that repeat it. Only
    /// statuses 429 and 503 have it.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Refused(refusal) => match header(refusal) {
                Header::RetryAfter(seconds) => Some(seconds),
                Header::Bearer(_) | Header::Nothing => None,
            },
            Self::Fault(Fault {
                dependency: true, ..
            }) => Some(DEPENDENCY_RETRY_SECONDS),
            Self::NotReady { .. } => Some(READINESS_RETRY_SECONDS),
            Self::Fault(Fault {
                dependency: false, ..
            })
            | Self::TooLarge
            | Self::TooSlow
            | Self::MediaType(_)
            | Self::Encoded
            | Self::Method { .. } => None,
        }
    }

    /// Starts the answer: status, headers and the mark [`Told`].
    ///
    /// Logs a fault, so call it once for each answer.
    pub fn answer(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.status());
        answer.extensions_mut().insert(Told(self.code()));
        if let Some(seconds) = self.retry_after() {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        match self {
            Self::Refused(refusal) => {
                if let Header::Bearer(challenge) = header(refusal) {
                    answer.insert_header((WWW_AUTHENTICATE, challenge.print()));
                }
            }
            Self::Fault(Fault { dependency, cause }) => {
                tracing::error!(dependency, cause = format!("{cause:#}"), "fault");
            }
            Self::Method { allow } => {
                answer.insert_header((ALLOW, allow.as_str()));
            }
            Self::Encoded => {
                // RFC 9110 §12.5.3: the encodings that a body may have.
                answer.insert_header((ACCEPT_ENCODING, "identity"));
            }
            Self::TooLarge | Self::TooSlow | Self::MediaType(_) | Self::NotReady { .. } => {}
        }
        answer
    }
}

/// A dependency's fault is answered like a full queue.
const BUSY: Refusal = Refusal::Busy { retry_after: 0 };

/// The header that a refusal needs.
enum Header {
    /// Retry-After, in seconds (RFC 9110 §10.2.3).
    RetryAfter(u32),
    /// WWW-Authenticate.
    Bearer(Challenge),
    /// No header.
    Nothing,
}

/// The content of a WWW-Authenticate header (RFC 6750 §3, RFC 9470 §3).
enum Challenge {
    /// No bearer was sent, or something that is not one: only the scheme.
    Plain,
    /// The token is not valid.
    InvalidToken,
    /// The sign-in is older than this many seconds, or too weak.
    TooOld(u32),
    /// This scope is missing.
    Scope(&'static str),
}

impl Challenge {
    fn print(&self) -> String {
        match self {
            Self::Plain => "Bearer".to_owned(),
            Self::InvalidToken => "Bearer error=\"invalid_token\"".to_owned(),
            Self::TooOld(seconds) => {
                format!("Bearer error=\"insufficient_user_authentication\", max_age=\"{seconds}\"")
            }
            Self::Scope(scope) => {
                format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"")
            }
        }
    }
}

const fn header(refusal: &Refusal) -> Header {
    match refusal {
        Refusal::InvalidCredentials
        | Refusal::ApiKeyInvalid
        | Refusal::TokenInvalid { sent: false } => Header::Bearer(Challenge::Plain),
        Refusal::TokenInvalid { sent: true } | Refusal::TokenExpired => {
            Header::Bearer(Challenge::InvalidToken)
        }
        Refusal::InsufficientUserAuthentication { max_age } => {
            Header::Bearer(Challenge::TooOld(*max_age))
        }
        Refusal::InsufficientScope { scope } => Header::Bearer(Challenge::Scope(scope.as_str())),
        // RFC 6585 §4: a 429 may say when to retry. A new challenge is accepted at once.
        Refusal::MfaChallengeUsedUp => Header::RetryAfter(1),
        Refusal::TooManyMfaAttempts { retry_after }
        | Refusal::TooManyMfaEmails { retry_after }
        | Refusal::TooManyMfaSms { retry_after }
        | Refusal::MaxResendLimit { retry_after }
        | Refusal::ResendCooldown { retry_after }
        | Refusal::TooManyPasswordAttempts { retry_after }
        | Refusal::TooManyRegistrationAttempts { retry_after }
        | Refusal::TooManyResetAttempts { retry_after }
        | Refusal::TooManyRequests { retry_after }
        | Refusal::Busy { retry_after } => Header::RetryAfter(*retry_after),
        Refusal::Validation { .. }
        | Refusal::InvalidPassword
        | Refusal::MfaAlreadyEnabled
        | Refusal::MfaNotEnabled
        | Refusal::MfaMethodNotEnabled
        | Refusal::MfaTokenInvalid
        | Refusal::MfaTokenExpired
        | Refusal::MfaWrongPurpose
        | Refusal::InvalidMfaCode { .. }
        | Refusal::UsedMfaCode { .. }
        | Refusal::AuthenticatorNotConfigured
        | Refusal::InvalidMfaMethod
        | Refusal::ResendOnlyForEmail
        | Refusal::RegistrationTokenInvalid
        | Refusal::RegistrationTokenExpired
        | Refusal::InvalidRegistrationCode { .. }
        | Refusal::ResetTokenInvalid
        | Refusal::ResetTokenExpired
        | Refusal::InvalidResetCode { .. }
        | Refusal::Forbidden
        | Refusal::BeyondServerAdministrator
        | Refusal::BeyondOwner
        | Refusal::MfaMethodLocked
        | Refusal::MfaMethodTooNew
        | Refusal::UserNotFound
        | Refusal::UnknownUser
        | Refusal::ApiKeyNotFound
        | Refusal::SessionNotFound
        | Refusal::NotFound
        | Refusal::MfaMethodNotConfigured
        | Refusal::MfaMethodUnavailable
        | Refusal::PasskeyRefused { .. }
        | Refusal::AuthenticatorClockOff { .. }
        | Refusal::NoOrganisation
        | Refusal::NameTaken
        | Refusal::MfaEnforced
        | Refusal::FactorNotFound
        | Refusal::LastAdministrator
        | Refusal::ApiKeyLimit => Header::Nothing,
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Rejected {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::Refused(refusal),
            Error::Fault(fault) => Self::Fault(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kinds::Scope;

    fn header_of(refusal: Refusal, name: &str) -> Option<String> {
        let answer = Rejected::from(refusal).answer().finish();
        let value = answer.headers().get(name)?;
        Some(value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn a_bearer_is_asked_for_as_rfc_6750_and_9470_say() {
        let asked = |refusal| header_of(refusal, "WWW-Authenticate");
        assert_eq!(
            asked(Refusal::TokenInvalid { sent: false }).as_deref(),
            Some("Bearer")
        );
        assert_eq!(
            asked(Refusal::TokenExpired).as_deref(),
            Some("Bearer error=\"invalid_token\"")
        );
        assert_eq!(
            asked(Refusal::InsufficientUserAuthentication { max_age: 300 }).as_deref(),
            Some("Bearer error=\"insufficient_user_authentication\", max_age=\"300\"")
        );
        assert_eq!(
            asked(Refusal::InsufficientScope {
                scope: Scope::UsersRead
            })
            .as_deref(),
            Some("Bearer error=\"insufficient_scope\", scope=\"users:read\"")
        );
        assert_eq!(asked(Refusal::Forbidden), None);
    }

    #[test]
    fn waits_are_told() {
        let refusal = Refusal::ResendCooldown { retry_after: 42 };
        assert_eq!(header_of(refusal, "Retry-After").as_deref(), Some("42"));
        let used = Refusal::UsedMfaCode {
            attempts_remaining: 4,
            retry_after: 17,
        };
        assert_eq!(header_of(used, "Retry-After"), None);
        let fault = Fault::dependency(anyhow::anyhow!("gone"));
        assert_eq!(
            Rejected::Fault(fault).retry_after(),
            Some(DEPENDENCY_RETRY_SECONDS)
        );
    }
}
