//! Errors of the Flashback API: `{success: false, error, message, code, requestId}` and the extras of each code.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, ErrorParts, FlawList, Wording};
use crate::model::Refusal;

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Flashback>;

/// How this API words its errors.
pub enum Flashback {}

/// This API's code for a failed sign-in: one word for all reasons (ASVS 6.3.8).
pub(super) const INVALID_PASSWORD: &str = "INVALID_PASSWORD";

impl Wording for Flashback {
    type Common = ErrorResponse;
    type Flaws = FlawList;

    fn common(parts: &ErrorParts<'_>) -> ErrorResponse {
        let sentence = sentence(parts.refusal).unwrap_or(parts.message);
        ErrorResponse {
            success: false,
            error: sentence,
            message: sentence,
            code: parts.code,
            request_id: parts.request_id,
            error_code: match parts.refusal {
                Refusal::InvalidCredentials => Some(INVALID_PASSWORD),
                _without => None,
            },
        }
    }
}

/// The sentences of the vendor's pages, and our own where the default would mention what clients of
/// this API do not see.
const fn sentence(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::InvalidMfaMethod => "Invalid MFA type specified.",
        Refusal::MfaTokenInvalid => {
            "This set-up or link is not valid or was already used. Please start again."
        }
        Refusal::MfaTokenExpired => "This set-up or link has expired. Please start again.",
        Refusal::MfaWrongPurpose => {
            "This link was issued for another step. Open it where you requested it."
        }
        Refusal::RegistrationTokenInvalid => {
            "This link is not valid or was already used. Please register again."
        }
        Refusal::NameTaken => "This address has an account already. Please sign in.",
        Refusal::NoOrganisation => "User not associated with an organization.",
        Refusal::Forbidden => "Insufficient permissions. OWNER or ADMINISTRATOR role required.",
        Refusal::MfaEnforced => "Cannot disable MFA when enforced by organization.",
        Refusal::UserNotFound | Refusal::UnknownUser => "User not found.",
        _as_everywhere => return None,
    })
}

/// The fields of every error. On its own, it is what a client reads if it does not know a newer
/// code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    success: bool,
    error: &'static str,
    message: &'static str,
    code: &'static str,
    #[schema(value_type = String, format = "uuid")]
    request_id: Uuid,
    #[serde(rename = "error_code", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    error_code: Option<&'static str>,
}

/// Declares which errors an operation can answer: a ground, and the operation's own errors.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::flashback::error::Flashback; $($what)* }
    };
}
pub(super) use refuses;
