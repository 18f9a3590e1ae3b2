//! Errors of the Veeam API: problem details (RFC 9457), `application/problem+json`.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{self, FlawMap, Told, Wording};

/// The error type of every handler and extractor of this API.
pub type Error = problem::Error<Veeam>;

/// How this API words its errors.
pub enum Veeam {}

impl Wording for Veeam {
    const MEDIA: &'static str = "application/problem+json";

    type Common = ErrorResponse;
    type Flaws = FlawMap;

    fn common(told: &Told<'_>) -> ErrorResponse {
        ErrorResponse {
            r#type: "about:blank",
            // RFC 9457 §4.2.1: with about:blank, the phrase of the status.
            title: told.status.canonical_reason().unwrap_or("Error"),
            status: told.status.as_u16(),
            detail: told.message,
            trace_id: told.request_id,
            code: told.code,
        }
    }
}

/// What every error has; by itself, what a client reads when it meets a code newer than itself.
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

/// Declares which errors an operation can answer: a ground, and what is its own.
macro_rules! refuses {
    ($($what:tt)*) => {
        $crate::http::problem::refuses! { $crate::api::veeam::error::Veeam; $($what)* }
    };
}
pub(super) use refuses;
