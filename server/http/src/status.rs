//! Refusals and faults on the wire: maps each class to a status, and adds the headers that go with it.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::model::refusal::Class;
use crate::model::{Error, Fault, Refusal};

/// Seconds after which to try again when a dependency has failed: about as long as a database takes to restart.
const DEPENDENCY_RETRY_SECONDS: u32 = 2;

/// What a dependency's fault says: the same as a full queue.
static BUSY: Refusal = Refusal::Busy {
    retry_after: DEPENDENCY_RETRY_SECONDS,
};

/// What a fault of this server says.
static INTERNAL: Refusal = Refusal::Internal;

/// Why a request is not answered with success. Each API turns it into its own error type.
#[derive(Debug)]
pub enum Rejection {
    /// The caller is not allowed to do this, or has to do something else first.
    Refused(Refusal),
    /// Something is broken here, or in a dependency.
    Fault(Fault),
}

/// Marks an answer as made by an API's error type, with the code it carries. The outer middleware
/// can thus tell it from an empty error of the framework, and check it against the contract.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode(pub &'static str);

/// Returns the status of a class of refusals. An API's `error.rs` may differ if its document does.
pub const fn of(class: Class) -> StatusCode {
    match class {
        Class::Invalid => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::Missing => StatusCode::NOT_FOUND,
        Class::Method => StatusCode::METHOD_NOT_ALLOWED,
        Class::Late => StatusCode::REQUEST_TIMEOUT,
        Class::Conflict => StatusCode::CONFLICT,
        Class::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Class::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl Rejection {
    /// Returns what it says to the caller.
    pub fn said(&self) -> &Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Fault(fault) if fault.dependency => &BUSY,
            Self::Fault(_) => &INTERNAL,
        }
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        of(self.said().class())
    }

    /// Starts the answer: the status, its headers, and the mark [`ErrorCode`].
    ///
    /// Call it once per answer, since it logs a fault.
    pub fn answer(&self) -> HttpResponseBuilder {
        let said = self.said();
        let mut answer = HttpResponse::build(self.status());
        answer.extensions_mut().insert(ErrorCode(said.code()));
        if let Some(seconds) = retry_after(said) {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if let Some(challenge) = challenge(said) {
            answer.insert_header((WWW_AUTHENTICATE, challenge));
        }
        match self {
            Self::Fault(Fault { dependency, cause }) => {
                tracing::error!(dependency, cause = format!("{cause:#}"), "fault");
            }
            Self::Refused(Refusal::MethodNotAllowed { allow }) => {
                answer.insert_header((ALLOW, allow.as_str()));
            }
            Self::Refused(Refusal::Encoded) => {
                // RFC 9110 §12.5.3: which codings a body may have.
                answer.insert_header((ACCEPT_ENCODING, "identity"));
            }
            Self::Refused(_) => {}
        }
        answer
    }
}

/// Returns the seconds to wait, for the header Retry-After (RFC 9110 §10.2.3). Only 429 and 503 have it.
fn retry_after(refusal: &Refusal) -> Option<u64> {
    match refusal.class() {
        Class::TooMany | Class::Unavailable => refusal.extras().get("retryAfter")?.as_u64(),
        _without => None,
    }
}

/// Returns the header WWW-Authenticate (RFC 6750 §3, RFC 9470 §3). Every 401 has it.
fn challenge(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::TokenInvalid { sent: true } | Refusal::TokenExpired => {
            "Bearer error=\"invalid_token\"".to_owned()
        }
        Refusal::InsufficientUserAuthentication { max_age } => {
            format!("Bearer error=\"insufficient_user_authentication\", max_age=\"{max_age}\"")
        }
        Refusal::InsufficientScope { scope } => {
            format!(
                "Bearer error=\"insufficient_scope\", scope=\"{}\"",
                scope.as_str()
            )
        }
        // No token was sent, or nothing of the kind: the scheme alone.
        other if other.class() == Class::Unauthenticated => "Bearer".to_owned(),
        _without => return None,
    })
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.said().code())
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Rejection {
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
    use crate::model::refusal::extra::Reason;

    fn header_of(refusal: Refusal, name: &str) -> Option<String> {
        let answer = Rejection::from(refusal).answer().finish();
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
            reason: Reason::AlreadyUsed,
            attempts_remaining: 4,
            retry_after: 17,
        };
        assert_eq!(header_of(used, "Retry-After"), None);
        let fault = Fault::dependency(anyhow::anyhow!("gone"));
        assert_eq!(
            retry_after(Rejection::Fault(fault).said()),
            Some(u64::from(DEPENDENCY_RETRY_SECONDS))
        );
    }
}
