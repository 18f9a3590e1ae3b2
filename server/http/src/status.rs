//! Refusals and faults on the wire: class to status, once, and the headers that go with them.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::model::refusal::Class;
use crate::model::{Error, Fault, Refusal};

/// Seconds after which to try again when something we depend on failed: about as long as a database
/// needs to come back after a restart.
const DEPENDENCY_RETRY_SECONDS: u32 = 2;

/// Seconds after which to ask again for readiness.
const READINESS_RETRY_SECONDS: u32 = 5;

/// Why a request gets no good answer. Each API turns it into an error type of its own.
#[derive(Debug)]
pub enum Rejected {
    /// The caller may not, or must do otherwise.
    Refused(Refusal),
    /// Ours to mend, or a dependency's.
    Fault(Fault),
    /// The body is larger than the setting allows.
    TooLarge,
    /// The body did not come, or too slowly.
    TooSlow,
    /// The body is not said to be what it must be.
    MediaType(Media),
    /// The body is packed, or in a charset that is not UTF-8.
    Encoded,
    /// The path exists, but not with this method.
    Method {
        /// The methods it takes, separated by commas.
        allow: String,
    },
    /// A part that the server needs is not well.
    NotReady {
        /// Which.
        checks: Checks,
    },
}

/// What a body can be.
#[derive(Clone, Copy, Debug)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Media {
    /// As a header says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// How the parts are that the server needs: `ok`, or one word for what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// `ok`, `unreachable` or `unwritable`.
    pub database: &'static str,
    /// `ok`, `behind` or `ahead`.
    pub migrations: &'static str,
    /// `ok` or `degraded`.
    pub courier: &'static str,
    /// The first thing that is not well, in a sentence; none when all is.
    pub reason: Option<&'static str>,
}

/// Marks an answer that an API's error type made, by the code it carries, so that the outer
/// middleware can tell it from an empty one of the framework and hold it against the contract.
#[derive(Clone, Copy, Debug)]
pub struct Told(pub &'static str);

/// The status of a class of refusals; an API's `error.rs` may differ where its document does.
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
    /// The status.
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

    /// The stable machine code of the native API.
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

    /// One sentence that tells the caller what to do.
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

    /// Seconds to wait, for the header Retry-After and bodies that repeat it; on 429 and 503 only.
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

    /// Begins the answer: status, the headers that belong to it, and the mark [`Told`].
    ///
    /// Logs a fault, so it is called once for each answer.
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
                // RFC 9110 §12.5.3: which codings a body may have.
                answer.insert_header((ACCEPT_ENCODING, "identity"));
            }
            Self::TooLarge | Self::TooSlow | Self::MediaType(_) | Self::NotReady { .. } => {}
        }
        answer
    }
}

/// A dependency's fault says the same as a full queue.
const BUSY: Refusal = Refusal::Busy { retry_after: 0 };

/// The header that a refusal needs.
enum Header {
    /// Retry-After, in seconds (RFC 9110 §10.2.3).
    RetryAfter(u32),
    /// WWW-Authenticate.
    Bearer(Challenge),
    /// None.
    Nothing,
}

/// What a WWW-Authenticate header says (RFC 6750 §3, RFC 9470 §3).
enum Challenge {
    /// Nothing was sent, or nothing that a bearer is: the scheme alone.
    Plain,
    /// The token is no good.
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
        // RFC 6585 §4: a 429 may say when to come back; a new challenge is let in at once.
        Refusal::MfaChallengeUsedUp => Header::RetryAfter(1),
        Refusal::TooManyMfaAttempts { retry_after }
        | Refusal::TooManyMfaEmails { retry_after }
        | Refusal::TooManyMfaSms { retry_after }
        | Refusal::MaxResendLimit { retry_after }
        | Refusal::ResendCooldown { retry_after }
        | Refusal::TooManyPasswordAttempts { retry_after }
        | Refusal::TooManyRegistrationAttempts { retry_after }
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
        | Refusal::Forbidden
        | Refusal::BeyondServerAdministrator
        | Refusal::BeyondOwner
        | Refusal::MfaMethodLocked
        | Refusal::MfaMethodTooNew
        | Refusal::UserNotFound
        | Refusal::UnknownUser
        | Refusal::ApiKeyNotFound
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
