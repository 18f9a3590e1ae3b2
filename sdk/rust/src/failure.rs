//! The common part of all errors, for code that does not match on typed ones.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::client::answer::Received;
use crate::client::retry_after;

/// The header with the id of a request, on both sides.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Questions to any operation's error, without matching on it.
///
/// ```no_run
/// use countersign_sdk::{Client, Problem};
///
/// # async fn show(client: Client) {
/// if let Err(error) = client.get_current_user().await {
///     if let Some(wait) = error.retry_after() {
///         println!("try again in {} s", wait.as_secs());
///     }
///     eprintln!("{error}");
/// }
/// # }
/// ```
pub trait Problem: Error {
    /// Returns the error as a value of the common type.
    fn failure(&self) -> &Failure;

    /// See [`Failure::status`].
    fn status(&self) -> Option<StatusCode> {
        self.failure().status()
    }

    /// See [`Failure::code`].
    fn code(&self) -> Option<&str> {
        self.failure().code()
    }

    /// See [`Failure::message`].
    fn message(&self) -> Option<&str> {
        self.failure().message()
    }

    /// See [`Failure::request_id`].
    fn request_id(&self) -> Option<Uuid> {
        self.failure().request_id()
    }

    /// See [`Failure::retry_after`].
    fn retry_after(&self) -> Option<Duration> {
        self.failure().retry_after()
    }

    /// See [`Failure::is_retryable`].
    fn is_retryable(&self) -> bool {
        self.failure().is_retryable()
    }
}

/// An error of any operation, for code that does not care which one.
///
/// `?` converts every operation's error into it. `Display` is one line, such as
/// `429 TOO_MANY_MFA_ATTEMPTS: Too many wrong codes. (request 01a2…)`.
///
/// ```no_run
/// use countersign_sdk::{Client, Failure};
///
/// async fn who_am_i(client: &Client) -> Result<String, Failure> {
///     Ok(client.get_current_user().await?.email)
/// }
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Details>);

#[derive(Default)]
struct Details {
    status: Option<StatusCode>,
    headers: HeaderMap,
    body: Option<String>,
    /// The body, if it is a JSON object.
    fields: Map<String, Value>,
    request_id: Option<Uuid>,
    retry_after: Option<Duration>,
    retryable: bool,
    /// What went wrong, if it was not an answer of the server.
    detail: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Returns the HTTP status; `None` if there was no answer.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Returns the server's `code`, such as `INVALID_MFA_CODE`, even if this SDK does not know it.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.text("code")
    }

    /// Returns the server's sentence, which can be shown to the user.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        // RFC 9457 calls it `detail`.
        self.text("message").or_else(|| self.text("detail"))
    }

    /// Returns the request's id. Quote it when you ask the operator for help.
    #[must_use]
    pub fn request_id(&self) -> Option<Uuid> {
        self.0.request_id
    }

    /// Returns how long to wait before trying again, if the server says so: from the header
    /// Retry-After, or `retryAfter` in the body.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Tells whether the same call may work later: 408, 429, 502, 503, 504, or no answer. It does
    /// not consider whether the call contained a code; only the user should repeat such a call.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns the body as it came.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// Returns the headers of the answer; empty if there was none.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Makes the failure for an error answer of the server.
    pub(crate) fn answered(received: &Received) -> Self {
        let fields = match serde_json::from_slice(&received.body) {
            Ok(Value::Object(fields)) => fields,
            _other => Map::new(),
        };
        let mut details = Details {
            retry_after: retry_after(&received.headers).or_else(|| {
                let seconds = fields.get("retryAfter")?.as_u64()?;
                Some(Duration::from_secs(seconds))
            }),
            fields,
            retryable: matches!(received.status.as_u16(), 408 | 429 | 502 | 503 | 504),
            ..Details::of(received)
        };
        details.request_id = details.request_id.or_else(|| {
            let named = details.fields.get("requestId");
            let named = named.or_else(|| details.fields.get("traceId"))?;
            named.as_str()?.parse().ok()
        });
        if !details.fields.get("code").is_some_and(Value::is_string) {
            details.detail = Some("not an answer of this operation".to_owned());
        }
        Self(Arc::new(details))
    }

    /// Makes the failure for an answer that does not match the document. The parser's error is
    /// dropped: it may quote a token.
    pub(crate) fn unreadable(received: &Received, error: &serde_json::Error) -> Self {
        let source = Unreadable {
            category: error.classify(),
            line: error.line(),
            column: error.column(),
        };
        Self(Arc::new(Details {
            detail: Some(format!("the answer cannot be read ({source})")),
            source: Some(Box::new(source)),
            ..Details::of(received)
        }))
    }

    /// Makes the failure for a request without an answer.
    pub(crate) fn unanswered(error: reqwest::Error) -> Self {
        Self(Arc::new(Details {
            retryable: !error.is_builder(),
            detail: Some(format!("no answer from the server: {}", causes(&error))),
            source: Some(Box::new(error)),
            ..Details::default()
        }))
    }

    /// Makes the failure for a request that was not sent.
    pub(crate) fn unsent(reason: impl fmt::Display) -> Self {
        Self(Arc::new(Details {
            detail: Some(format!("the request was not sent: {reason}")),
            ..Details::default()
        }))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.fields.get(name)?.as_str()
    }

    /// Returns a field of the error, for its typed variant.
    pub(crate) fn field<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.0.fields.get(name)?).ok()
    }
}

impl Details {
    fn of(received: &Received) -> Self {
        Self {
            status: Some(received.status),
            headers: received.headers.clone(),
            body: Some(String::from_utf8_lossy(&received.body).into_owned()),
            request_id: request_id(&received.headers),
            ..Self::default()
        }
    }
}

/// Returns the id of a request from the header of its answer.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(REQUEST_ID)?.to_str().ok()?.parse().ok()
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status().map(|status| status.as_u16().to_string());
        let words: Vec<&str> = [status.as_deref(), self.code()]
            .into_iter()
            .flatten()
            .collect();
        if !words.is_empty() {
            write!(formatter, "{}: ", words.join(" "))?;
        }
        let told = self.message().or(self.0.detail.as_deref());
        let told = told.unwrap_or("no reason given");
        // Always one line, whatever the server says.
        for (index, line) in told.lines().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(line)?;
        }
        match self.request_id() {
            Some(id) => write!(formatter, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// Hides the body of an answer that is not an error: it may contain a token.
impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_error = |status: StatusCode| status.is_client_error() || status.is_server_error();
        let body = match self.status() {
            Some(status) if is_error(status) => self.body(),
            _other => self.body().map(|_| "[hidden]"),
        };
        formatter
            .debug_struct("Failure")
            .field("said", &self.to_string())
            .field("retry_after", &self.retry_after())
            .field("retryable", &self.is_retryable())
            .field("body", &body)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

impl Problem for Failure {
    fn failure(&self) -> &Failure {
        self
    }
}

/// Why an answer could not be parsed. It quotes no value.
#[derive(Debug)]
struct Unreadable {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            category,
            line,
            column,
        } = self;
        write!(
            formatter,
            "{category:?} error at line {line}, column {column}"
        )
    }
}

impl Error for Unreadable {}

/// Returns an error and its causes in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An operation's error: made from a failure, and typed if its code is known.
pub trait Refusal: Problem + Into<Failure> + Send + Sync + Sized + 'static {
    /// Returns the variant for the failure's code, if there is one and its fields are present.
    #[doc(hidden)]
    fn typed(failure: &Failure) -> Option<Self>;

    /// Returns the last variant.
    #[doc(hidden)]
    fn other(failure: Failure) -> Self;

    /// Converts a failure to the error.
    #[doc(hidden)]
    fn of(failure: Failure) -> Self {
        Self::typed(&failure).unwrap_or_else(|| Self::other(failure))
    }
}

/// Implements what all errors of operations share. The enum's variants have a field `failure`, and
/// the last one is `Other`.
macro_rules! problem {
    ($error:ident: $($variant:ident)*) => {
        impl crate::Problem for $error {
            #[inline]
            fn failure(&self) -> &crate::Failure {
                match self {
                    $(Self::$variant { failure, .. } |)* Self::Other(failure) => failure,
                }
            }
        }

        impl From<$error> for crate::Failure {
            #[inline]
            fn from(error: $error) -> Self {
                match error {
                    $($error::$variant { failure, .. } |)* $error::Other(failure) => failure,
                }
            }
        }

        /// Prints one line: status, code, the server's sentence, the request's id.
        impl std::fmt::Display for $error {
            #[inline]
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(crate::Problem::failure(self), formatter)
            }
        }

        impl std::error::Error for $error {
            #[inline]
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                std::error::Error::source(crate::Problem::failure(self))
            }
        }
    };
}
pub(crate) use problem;
