//! Errors of the native API: `{code, message, statusCode, requestId}` and the extras of each code.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, ErrorParts, FlawList, Wording};

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Identity>;

/// How this API words its errors.
pub enum Identity {}

impl Wording for Identity {
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

/// The fields of every error. On its own, it is what a client reads if it does not know a newer
/// code.
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

/// Declares which errors an operation can answer: a ground, and the operation's own errors.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::identity::error::Identity; $($what)* }
    };
}
pub(super) use refuses;
