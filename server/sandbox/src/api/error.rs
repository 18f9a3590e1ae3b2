//! Errors of the sandbox, worded like those of the native API: `{code, message, statusCode, requestId}` and the extras of each code.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, ErrorParts, FlawList, Wording};

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Sandboxed>;

/// How this API words its errors.
pub enum Sandboxed {}

impl Wording for Sandboxed {
    type Common = ErrorResponse;
    type Flaws = FlawList;

    fn common(parts: &ErrorParts<'_>) -> ErrorResponse {
        ErrorResponse {
            code: parts.code,
            message: parts.message,
            status_code: parts.status.as_u16(),
            request_id: parts.request_id,
        }
    }
}

/// What every error has; by itself, what a client reads when it meets a code newer than itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    code: &'static str,
    message: &'static str,
    #[schema(value_type = i32)]
    status_code: u16,
    #[schema(value_type = String, format = "uuid")]
    request_id: Uuid,
}

/// Declares which errors an operation can answer: a ground, and what is its own.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::api::error::Sandboxed; $($what)* }
    };
}
pub(super) use refuses;
