//! Errors of the Netevia API: `{status: "error", code, message, requestId}` and the extras of each code.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, ErrorParts, FlawList, Wording};
use crate::model::Refusal;

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Netevia>;

/// How this API words its errors.
pub enum Netevia {}

impl Wording for Netevia {
    type Common = ErrorResponse;
    type Flaws = FlawList;

    fn common(parts: &ErrorParts<'_>) -> ErrorResponse {
        ErrorResponse {
            status: "error",
            code: parts.code,
            message: sentence(parts.refusal).unwrap_or(parts.message),
            request_id: parts.request_id,
        }
    }
}

/// Our own sentences, where the default would mention what clients of this API do not see.
const fn sentence(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::InvalidMfaMethod => {
            Some("This MFA method does not exist. Use sms, email or authenticator.")
        }
        Refusal::MfaTokenInvalid => Some(
            "This code or mfaToken is not valid or was already used. Please ask for a new one.",
        ),
        Refusal::MfaTokenExpired => {
            Some("This code or mfaToken has expired. Please ask for a new one.")
        }
        _as_everywhere => None,
    }
}

/// The fields of every error. On its own, it is what a client reads if it does not know a newer
/// code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    status: &'static str,
    code: &'static str,
    message: &'static str,
    #[schema(value_type = String, format = "uuid")]
    request_id: Uuid,
}

/// Declares which errors an operation can answer: a ground, and the operation's own errors.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::netevia::error::Netevia; $($what)* }
    };
}
pub(super) use refuses;
