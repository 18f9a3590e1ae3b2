//! What every error of every operation has in common, for code that does not match on the typed ones.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use progenitor_client::Error;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::front::answer::{ErrorBody, Unreadable};
use crate::front::retry_after;

/// The header that names a request on both sides.
const REQUEST_ID: &str = "x-request-id";

/// What can be asked of any operation's error without matching on its type.
///
/// ```no_run
/// use countersign_sdk::Problem;
/// use countersign_sdk::identity::Client;
///
/// # async fn show(client: Client) {
/// if let Err(error) = client.get_current_user().send().await {
///     if let Some(wait) = error.retry_after() {
///         println!("try again in {} s", wait.as_secs());
///     }
///     eprintln!("{}", error.failure());
/// }
/// # }
/// ```
///
/// `Error::is_retryable()` (of the error itself) says whether the same call may work later. It does not know whether the
/// call carried a code: such a one is for the user to repeat.
pub trait Problem {
    /// The server's `code`, such as `INVALID_MFA_CODE`; also one that this SDK does not know.
    fn code(&self) -> Option<String> {
        self.failure().code
    }

    /// The server's sentence, fit to be shown to the user.
    fn message(&self) -> Option<String> {
        self.failure().message
    }

    /// What to quote when asking the operator for help.
    fn request_id(&self) -> Option<Uuid> {
        self.failure().request_id
    }

    /// How long to wait before it makes sense to try again, if the server has said so: the header Retry-After, or
    /// `retryAfter` in the body.
    fn retry_after(&self) -> Option<Duration> {
        self.failure().retry_after
    }

    /// All of it as one value of one type.
    fn failure(&self) -> Failure;
}

impl<E: Serialize> Problem for Error<E> {
    fn failure(&self) -> Failure {
        match self {
            Error::ErrorResponse(answer) => {
                let body = serde_json::to_string(answer.as_ref()).ok();
                Failure::answered(answer.status(), answer.headers(), body, None)
            }
            Error::UnexpectedResponse(answer) => unexpected(answer),
            Error::CommunicationError(source)
            | Error::ResponseBodyError(source)
            | Error::InvalidUpgrade(source) => {
                Failure::unanswered(format!("no answer from the server: {}", causes(source)))
            }
            Error::InvalidRequest(reason) => {
                Failure::unanswered(format!("the request was not sent: {reason}"))
            }
            Error::Custom(reason) => Failure::unanswered(reason.clone()),
            Error::InvalidResponsePayload(_, _) => {
                Failure::unanswered("the answer cannot be read".to_owned())
            }
        }
        .retryable(self.is_retryable())
    }
}

/// An error of any operation: what is left when it does not matter which.
///
/// `?` turns every operation's error into it.
///
/// ```no_run
/// use countersign_sdk::Failure;
/// use countersign_sdk::identity::Client;
///
/// async fn who_am_i(client: &Client) -> Result<String, Failure> {
///     Ok(client.get_current_user().send().await?.email.clone())
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Failure {
    /// The HTTP status; `None` when there was no answer.
    pub status: Option<StatusCode>,
    /// The server's `code`, such as `INVALID_MFA_CODE`.
    pub code: Option<String>,
    /// The server's sentence, fit to be shown to the user.
    pub message: Option<String>,
    /// What to quote when asking the operator for help.
    pub request_id: Option<Uuid>,
    /// How long to wait before it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// Whether the same call may work later; see [`Problem`].
    pub retryable: bool,
    /// The body of the error answer: of one that this SDK could read, as it read it; else as it came.
    pub body: Option<String>,
    /// What went wrong when it was not the server's answer.
    detail: Option<String>,
}

impl Failure {
    fn answered(
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<String>,
        detail: Option<String>,
    ) -> Self {
        let read: Value = body
            .as_deref()
            .and_then(|body| serde_json::from_str(body).ok())
            .unwrap_or_default();
        let text = |name: &str| read[name].as_str().map(str::to_owned);
        let header_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Self {
            status: Some(status),
            code: text("code"),
            // `detail` is what RFC 9457 calls it.
            message: text("message").or_else(|| text("detail")),
            request_id: header_id
                .or(read["requestId"].as_str())
                .and_then(|id| id.parse().ok()),
            retry_after: retry_after(headers)
                .or_else(|| read["retryAfter"].as_u64().map(Duration::from_secs)),
            retryable: false,
            body,
            detail,
        }
    }

    fn unanswered(detail: String) -> Self {
        Self {
            detail: Some(detail),
            ..Self::default()
        }
    }

    fn retryable(self, retryable: bool) -> Self {
        Self { retryable, ..self }
    }
}

/// An answer with a status that the operation does not have, or with a body that is not what the document says.
fn unexpected(answer: &Response) -> Failure {
    let body = answer
        .extensions()
        .get()
        .map(|ErrorBody(body)| String::from_utf8_lossy(body).into_owned());
    let detail = match answer.extensions().get() {
        Some(Unreadable(reason)) => format!("the answer cannot be read ({reason})"),
        None => "not an answer of this operation".to_owned(),
    };
    Failure::answered(answer.status(), answer.headers(), body, Some(detail))
}

/// An error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl<E: Serialize> From<Error<E>> for Failure {
    fn from(error: Error<E>) -> Self {
        error.failure()
    }
}

/// One line: `429 TOO_MANY_MFA_ATTEMPTS: Too many wrong codes. (request 01a2…)`.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [self.message.as_deref(), self.detail.as_deref()];
        let mut words: Vec<Cow<'_, str>> = Vec::new();
        if let Some(status) = self.status {
            words.push(status.as_str().to_owned().into());
        }
        if let Some(code) = &self.code {
            words.push(code.into());
        }
        if !words.is_empty() {
            write!(formatter, "{}: ", words.join(" "))?;
        }
        let told = told
            .into_iter()
            .flatten()
            .next()
            .unwrap_or("no reason given");
        formatter.write_str(told)?;
        match self.request_id {
            Some(id) => write!(formatter, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
