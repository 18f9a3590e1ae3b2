//! Errors on the wire, for every API: from the table of refusals, and the wording of each API.
//!
//! What went wrong is described once, in [`crate::model::refusal`]: code, class, sentence, and typed extras
//! (`attemptsRemaining`, `retryAfter`, …). An API declares how it prints the fields
//! that all its errors have ([`Wording`]), and each operation declares which problems it can answer
//! (`refuses!`). Status, headers, body and document follow from that. The document gets a schema
//! for each problem that an operation names.
//!
//! # The `error.rs` of a new API
//!
//! ```text
//! use serde::Serialize;
//! use utoipa::ToSchema;
//! use uuid::Uuid;
//!
//! use crate::problem::{self, FlawList, ErrorParts, Wording};
//!
//! /// The error type of every handler and extractor: `Body<T, Error>`, `Caller<Error>`, `Result<Answer, Error>`.
//! pub type Error = problem::Error<Acme>;
//!
//! /// How this API words its errors.
//! pub enum Acme {}
//!
//! impl Wording for Acme {
//!     type Common = ErrorResponse;
//!     type Flaws = FlawList; // `errors: [{field, message}]`; FlawMap is `errors: {field: [message]}`
//!
//!     fn common(parts: &ErrorParts) -> ErrorResponse {
//!         ErrorResponse { success: false, code: parts.code, error: parts.message, request_id: parts.request_id }
//!     }
//! }
//!
//! /// The fields of every error; the document replaces `code` by the one value of each schema.
//! #[derive(Serialize, ToSchema)]
//! #[serde(rename_all = "camelCase")]
//! pub struct ErrorResponse {
//!     success: bool,
//!     code: &'static str,
//!     error: &'static str,
//!     #[schema(value_type = String, format = "uuid")]
//!     request_id: Uuid,
//! }
//!
//! /// Declares which errors an operation can answer.
//! macro_rules! refuses {
//!     ($($what:tt)*) => { $crate::http::problem::refuses! { $crate::acme::error::Acme; $($what)* } };
//! }
//! pub(super) use refuses;
//! ```
//!
//! In its `mod.rs`, `DOCUMENT` has `envelope: problem::envelope::<Acme>`, and `code: document::document` under
//! `#[cfg(feature = "documents")]`. Its `document.rs` implements `DescribesErrors` for `Acme` and calls
//! `describe::<Acme>(&mut document)`; `netevia/document.rs` is a short example. A handler's file says
//! `refuses!(GetThing: WITH_BODY, Validation, TokenInvalid, TokenExpired);` and names `GetThing`
//! among its `responses(…)`.
//!
//! If the vendor's page documents another status or media type, set `status` or `MEDIA` in
//! `Wording`. If it documents a further field for one code, give `Common` that field as an `Option`
//! that is skipped when absent and `#[schema(ignore)]`d, and let `DescribesErrors::amend` add it to that
//! code's schema.
//!
//! For a new code, follow "A refusal" in `server/README.md`. A `Problem` here is a row of the table in
//! `server/model/src/refusal.rs`, without the values of its fields.

use std::fmt;
use std::marker::PhantomData;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::refusal::FieldError;
use crate::model::{self, Refusal};
use crate::status::{self, Rejection};
use crate::trace::request_id;

#[cfg(feature = "documents")]
mod describe;
mod flaws;

pub use crate::model::refusal::Kind as Problem;
pub use crate::refuses;
#[cfg(feature = "documents")]
pub use describe::{DescribesErrors, answers, describe, grounds};
pub use flaws::{FlawList, FlawMap};

/// Declares which errors an operation can answer, in the wording of its API: a ground, and the
/// operation's own errors.
///
/// The type is listed in the `responses(…)` of the operation's `#[utoipa::path]`.
#[macro_export]
macro_rules! refuses {
    ($wording:ty; $name:ident: $ground:ident, $($problem:ident),* $(,)?) => {
        #[doc = concat!("The errors of ", stringify!($name), ".")]
        pub enum $name {}

        #[cfg(feature = "documents")]
        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                use $crate::problem::{self, grounds};
                problem::answers::<$wording>(&[grounds::$ground, &[$(problem::Problem::$problem),*]])
            }
        }
    };
}

/// How an API words its errors.
pub trait Wording: 'static {
    /// The media type of an error.
    const MEDIA: &'static str = "application/json";

    /// The fields that every error has, including `code`.
    type Common: Serialize;

    /// How the refused fields of a request are listed under `errors`.
    type Flaws: Serialize + From<Vec<FieldError>>;

    /// Fills the fields that every error has.
    fn common(parts: &ErrorParts<'_>) -> Self::Common;

    /// Returns the status of an error.
    fn status(problem: Problem) -> StatusCode {
        status::of(problem.class())
    }
}

/// The parts of an error, for [`Wording::common`] to arrange.
pub struct ErrorParts<'a> {
    /// The machine-readable code.
    pub code: &'static str,
    /// One sentence that tells the caller what to do.
    pub message: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// The id of the request.
    pub request_id: Uuid,
    /// The rejection itself.
    pub refusal: &'a Refusal,
}

/// The error type of the handlers and extractors of the API that words errors as `W`.
pub struct Error<W>(Rejection, PhantomData<fn() -> W>);

impl<W> fmt::Debug for Error<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<W> fmt::Display for Error<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<W> From<Rejection> for Error<W> {
    fn from(rejected: Rejection) -> Self {
        Self(rejected, PhantomData)
    }
}

impl<W> From<Refusal> for Error<W> {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into(), PhantomData)
    }
}

impl<W> From<model::Error> for Error<W> {
    fn from(error: model::Error) -> Self {
        Self(error.into(), PhantomData)
    }
}

impl<W: Wording> ResponseError for Error<W> {
    fn status_code(&self) -> StatusCode {
        W::status(self.0.said().kind())
    }

    fn error_response(&self) -> HttpResponse {
        let refusal = self.0.said();
        let status = self.status_code();
        let common = W::common(&ErrorParts {
            code: refusal.code(),
            message: refusal.sentence(),
            status,
            request_id: request_id(),
            refusal,
        });
        let errors = match refusal {
            Refusal::Validation { errors } => Some(W::Flaws::from(errors.clone())),
            _other => None,
        };
        let mut answer = self.0.answer();
        answer.status(status).content_type(W::MEDIA).json(Body {
            common,
            extras: refusal.extras(),
            errors,
        })
    }
}

/// Words an error that no handler produced, as the API does it.
pub fn envelope<W: Wording>(rejected: Rejection) -> HttpResponse {
    Error::<W>::from(rejected).error_response()
}

#[derive(Serialize)]
struct Body<C, F> {
    #[serde(flatten)]
    common: C,
    #[serde(flatten)]
    extras: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<F>,
}
