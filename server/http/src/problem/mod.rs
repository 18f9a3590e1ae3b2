//! Errors on the wire, for every API: one table of problems, and what each API says differently.
//!
//! What went wrong is told once, in [`table`]: for each code the name of its schema and its typed
//! extras (`attemptsRemaining`, `retryAfter`, …). An API declares how it prints the fields that all its errors
//! have ([`Wording`]), and each operation which problems it can answer (`refuses!`); status, headers, body
//! and document follow from that. The document gets a schema for each problem that an operation names.
//!
//! # The `error.rs` of a new API
//!
//! ```text
//! use serde::Serialize;
//! use utoipa::ToSchema;
//! use uuid::Uuid;
//!
//! use crate::problem::{self, FlawList, Told, Wording};
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
//!     fn common(told: &Told) -> ErrorResponse {
//!         ErrorResponse { success: false, code: told.code, error: told.message, request_id: told.request_id }
//!     }
//! }
//!
//! /// What every error has; the document replaces `code` by the one value of each schema.
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
//! Its `mod.rs` has `envelope: problem::envelope::<Acme>` in its `DOCUMENT` and calls
//! `problem::describe::<Acme>(&mut document)` in `code()`; a handler's file says
//! `refuses!(GetThing: WITH_BODY, Validation, TokenInvalid, TokenExpired);` and names `GetThing` among its `responses(…)`.
//! Where a page documents another status or media type, `Wording` has `status` and `MEDIA`; where it documents a further
//! field for one code, `Common` has it as an `Option` that is skipped when absent and `#[schema(ignore)]`d, and
//! `Wording::amend` adds it to that code's schema. A new code is a row in `model/refusal.rs`, in `table.rs` and `extras.rs` here,
//! and a schema in each document that can say it.

use std::fmt;
use std::marker::PhantomData;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::schema::Object;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::model::refusal::FieldError;
use crate::model::{self, Refusal};
use crate::status::Rejected;
use crate::trace::request_id;

mod describe;
mod extras;
mod flaws;
mod table;

pub use crate::refuses;
pub use describe::{answers, describe, grounds};
pub use flaws::{FlawList, FlawMap};
pub use table::{Problem, ReadinessChecks};

/// How an API words its errors.
pub trait Wording: 'static {
    /// The media type of an error.
    const MEDIA: &'static str = "application/json";

    /// The fields that every error has, a `code` among them.
    type Common: Serialize + ToSchema;

    /// How the refused fields of a request are listed, under `errors`.
    type Flaws: Serialize + PartialSchema + From<Vec<FieldError>>;

    /// Fills the fields that every error has.
    fn common(told: &Told<'_>) -> Self::Common;

    /// The status of an error.
    fn status(rejected: &Rejected) -> StatusCode {
        rejected.status()
    }

    /// Changes the schema of one error, where it has more than its extras.
    fn amend(_problem: Problem, _schema: &mut Object) {}
}

/// What an error says, for [`Wording::common`] to lay out.
pub struct Told<'a> {
    /// The machine code.
    pub code: &'static str,
    /// One sentence that tells the caller what to do.
    pub message: &'static str,
    /// The status.
    pub status: StatusCode,
    /// The name of the request.
    pub request_id: Uuid,
    /// All of it.
    pub rejected: &'a Rejected,
}

/// The error type of the handlers and extractors of the API that words errors as `W`.
pub struct Error<W>(Rejected, PhantomData<fn() -> W>);

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

impl<W> From<Rejected> for Error<W> {
    fn from(rejected: Rejected) -> Self {
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
        W::status(&self.0)
    }

    fn error_response(&self) -> HttpResponse {
        let Self(rejected, _) = self;
        let status = W::status(rejected);
        let common = W::common(&Told {
            code: rejected.code(),
            message: rejected.sentence(),
            status,
            request_id: request_id(),
            rejected,
        });
        let errors = match rejected {
            Rejected::Refused(Refusal::Validation { errors }) => {
                Some(W::Flaws::from(errors.clone()))
            }
            _other => None,
        };
        let mut answer = rejected.answer();
        answer.status(status).content_type(W::MEDIA).json(Body {
            common,
            extras: extras::of(rejected),
            errors,
        })
    }
}

/// How an API words what none of its handlers sees.
pub fn envelope<W: Wording>(rejected: Rejected) -> HttpResponse {
    Error::<W>::from(rejected).error_response()
}

#[derive(Serialize)]
struct Body<C, F> {
    #[serde(flatten)]
    common: C,
    #[serde(flatten)]
    extras: table::Extras,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<F>,
}
