//! Hooks: what an integrator sees of each request, and may add to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use uuid::Uuid;

use crate::call::About;
use crate::client::answer::Received;
use crate::failure::request_id;

/// The header for a service's key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Headers that only the client sets.
const OWN: [HeaderName; 5] = [AUTHORIZATION, API_KEY, CONTENT_TYPE, CONTENT_LENGTH, HOST];

/// A request that is about to be sent; see [`Builder::on_request`](crate::Builder::on_request).
///
/// A call that is repeated sends several.
#[derive(Debug)]
pub struct BeforeRequest<'a> {
    about: &'static About,
    tries: u32,
    // Not shown, because its headers contain tokens. `Request` hides its body, and the client marks
    // its own headers as sensitive.
    request: &'a mut Request,
}

/// A request that was sent; see [`Builder::on_response`](crate::Builder::on_response).
#[derive(Clone, Debug)]
pub struct AfterRequest {
    about: &'static About,
    tries: u32,
    took: Duration,
    status: Option<StatusCode>,
    request_id: Option<Uuid>,
}

macro_rules! seen {
    ($hook:ty) => {
        impl $hook {
            /// Returns the operation, by its name in Rust: `verify_mfa_login`.
            #[must_use]
            pub fn operation(&self) -> &'static str {
                self.about.name
            }

            /// Returns the HTTP method.
            #[must_use]
            pub fn method(&self) -> &'static Method {
                &self.about.method
            }

            /// Returns the path as in the document, with names instead of values:
            /// `/identity/mfa/methods/{factorId}`.
            #[must_use]
            pub fn path(&self) -> &'static str {
                self.about.path
            }

            /// Returns which try of the call this is, starting at 1.
            #[must_use]
            pub fn tries(&self) -> u32 {
                self.tries
            }
        }
    };
}
seen!(BeforeRequest<'_>);
seen!(AfterRequest);

impl BeforeRequest<'_> {
    /// Adds a header, such as `traceparent`.
    ///
    /// # Errors
    ///
    /// Fails if it is not a valid header, or one that the client sets itself, such as
    /// `Authorization`.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        let (name, value) = header(name, value)?;
        self.request.headers_mut().insert(name, value);
        Ok(())
    }
}

impl AfterRequest {
    /// Returns the status; `None` if there was no answer.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns the server's id for this request.
    #[must_use]
    pub fn request_id(&self) -> Option<Uuid> {
        self.request_id
    }

    /// Returns the time until the whole answer had arrived.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.took
    }
}

/// Why a header was refused.
#[derive(Clone, Debug)]
pub struct HeaderError(String);

impl fmt::Display for HeaderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for HeaderError {}

/// Checks a header that is added to a request. Errors do not repeat the value: it may be a secret.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let wrong = |what: &str| HeaderError(format!("the header {name:?} {what}"));
    let known: HeaderName = name.parse().map_err(|_| wrong("has no header's name"))?;
    if OWN.contains(&known) {
        return Err(wrong("is set by the client itself"));
    }
    let value = value
        .parse()
        .map_err(|_| wrong("has a value that cannot stand in a header"))?;
    Ok((known, value))
}

type Before = Arc<dyn Fn(&mut BeforeRequest<'_>) + Send + Sync>;
type After = Arc<dyn Fn(&AfterRequest) + Send + Sync>;

/// The callbacks of a client, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    before: Vec<Before>,
    after: Vec<After>,
}

impl Hooks {
    pub(crate) fn add_before(
        &mut self,
        hook: impl Fn(&mut BeforeRequest<'_>) + Send + Sync + 'static,
    ) {
        self.before.push(Arc::new(hook));
    }

    pub(crate) fn add_after(&mut self, hook: impl Fn(&AfterRequest) + Send + Sync + 'static) {
        self.after.push(Arc::new(hook));
    }

    pub(crate) fn before(&self, about: &'static About, tries: u32, request: &mut Request) {
        for hook in &self.before {
            hook(&mut BeforeRequest {
                about,
                tries,
                request,
            });
        }
    }

    pub(crate) fn after(
        &self,
        about: &'static About,
        tries: u32,
        took: Duration,
        outcome: &reqwest::Result<Received>,
    ) {
        if self.after.is_empty() {
            return;
        }
        let answer = outcome.as_ref().ok();
        let seen = AfterRequest {
            about,
            tries,
            took,
            status: answer.map(|answer| answer.status),
            request_id: answer.and_then(|answer| request_id(&answer.headers)),
        };
        for hook in &self.after {
            hook(&seen);
        }
    }
}
