//! Errors of the Netevia API: `{status: "error", code, message, requestId}` and the extras of each code.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, FlawList, Told, Wording};
use crate::http::status::Rejected;
use crate::model::Refusal;

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Netevia>;

/// How this API words its errors.
pub enum Netevia {}

impl Wording for Netevia {
    type Common = ErrorResponse;
    type Flaws = FlawList;

    fn common(told: &Told<'_>) -> ErrorResponse {
        ErrorResponse {
            status: "error",
            code: told.code,
            message: sentence(told.rejected).unwrap_or(told.message),
            request_id: told.request_id,
        }
    }
}

/// Our sentences where the others would speak of what its clients do not see.
const fn sentence(rejected: &Rejected) -> Option<&'static str> {
    match rejected {
        Rejected::Refused(Refusal::InvalidMfaMethod) => {
            Some("This MFA method does not exist. Use sms, email or authenticator.")
        }
        Rejected::Refused(Refusal::MfaTokenInvalid) => Some(
            "This code or mfaToken is not valid or was already used. Please ask for a new one.",
        ),
        Rejected::Refused(Refusal::MfaTokenExpired) => {
            Some("This code or mfaToken has expired. Please ask for a new one.")
        }
        _as_everywhere => None,
    }
}

/// What every error has; by itself, what a client reads when it meets a code newer than itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    status: &'static str,
    code: &'static str,
    message: &'static str,
    #[schema(value_type = String, format = "uuid")]
    request_id: Uuid,
}

/// Declares which errors an operation can answer: a ground, and what is its own.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::netevia::error::Netevia; $($what)* }
    };
}
pub(super) use refuses;
