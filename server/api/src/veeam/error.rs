//! Errors of the Veeam API: problem details (RFC 9457), `application/problem+json`.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, ErrorParts, FlawMap, Wording};

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Veeam>;

/// How this API words its errors.
pub enum Veeam {}

impl Wording for Veeam {
    const MEDIA: &'static str = "application/problem+json";

    type Common = ErrorResponse;
    type Flaws = FlawMap;

    fn common(parts: &ErrorParts<'_>) -> ErrorResponse {
        ErrorResponse {
            r#type: "about:blank",
            // RFC 9457 §4.2.1: with about:blank, the title is the status phrase.
            title: parts.status.canonical_reason().unwrap_or("Error"),
            status: parts.status.as_u16(),
            detail: fitting(parts),
            trace_id: parts.request_id,
            code: parts.code,
        }
    }
}

/// Returns the sentence, in this API's words where its clients know a thing by another name or have
/// another way out.
fn fitting(parts: &ErrorParts<'_>) -> &'static str {
    match parts.code {
        "INSUFFICIENT_USER_AUTHENTICATION" => {
            "This needs fresh proof of who you are. Sign in again, and repeat the request."
        }
        "INTERNAL" => {
            "Something went wrong on our side. Try again, and report the traceId if it happens again."
        }
        "INVALID_CREDENTIALS" => {
            "The user name or the password is not correct. Please check both and try again."
        }
        "MFA_ALREADY_ENABLED" => {
            "An authenticator is already enabled. Send `recreate: true` to replace it, or disable it first."
        }
        "MFA_TOKEN_EXPIRED" => "This token has expired. Please start again.",
        "MFA_TOKEN_INVALID" => "This token is not valid or was already used. Please start again.",
        "MFA_WRONG_PURPOSE" => {
            "This token was issued for another step. Send it to the operation it was issued for."
        }
        _same_as_elsewhere => parts.message,
    }
}

/// The fields of every error. On its own, it is what a client reads if it does not know a newer
/// code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    r#type: &'static str,
    title: &'static str,
    #[schema(value_type = i32)]
    status: u16,
    detail: &'static str,
    #[schema(value_type = String, format = "uuid")]
    trace_id: Uuid,
    code: &'static str,
}

/// Declares which errors an operation can answer: a ground, and the operation's own errors.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::veeam::error::Veeam; $($what)* }
    };
}
pub(super) use refuses;
