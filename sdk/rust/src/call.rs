//! A call: a value that is awaited, with settings that can be changed before.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Failure;
use crate::client::Core;
use crate::client::answer::Received;
use crate::client::platform::Boxed;
use crate::client::request::{Body, Parts};
use crate::failure::{REQUEST_ID, Refusal, request_id};

/// A credential that an operation accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Credential {
    /// No credential is needed.
    Nothing,
    /// `Authorization: Bearer` with the session's access token.
    Bearer,
    /// `X-API-Key` with a service's key.
    ApiKey,
}

/// What the client needs to know about an operation. Each operation has a constant of this type.
#[derive(Debug)]
pub struct About {
    /// The operation's name in Rust.
    pub name: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path, with names in braces for the values of a call.
    pub path: &'static str,
    /// The credentials that it accepts. Any one is enough.
    pub opened_by: &'static [Credential],
    /// Whether its request contains something that works once, so that it must not be repeated.
    pub one_time: bool,
    /// Whether it ends the caller's session.
    pub ends_session: bool,
}

/// An operation of a document, as a type: `identity::calls::Login`. Only this crate defines
/// operations.
pub trait Operation: 'static {
    /// The request body; `()` if there is none.
    type Body;
    /// The answer.
    type Answer: DeserializeOwned + Send;
    /// The error.
    type Error: Refusal;
    #[doc(hidden)]
    const ABOUT: &'static About;
    /// Whether the answer has no body.
    #[doc(hidden)]
    const EMPTY: bool = false;
}

/// A call. It is made when it is awaited.
///
/// ```no_run
/// use std::time::Duration;
/// use countersign_sdk::{Client, Failure};
///
/// # async fn calls(client: Client) -> Result<(), Failure> {
/// let me = client.get_current_user().await?;
/// let users = client.list_users().limit(50).timeout(Duration::from_secs(3)).await?;
/// let answer = client.get_json_web_key_set().with_response().await?;
/// println!("{} {:?}: {} keys", answer.status(), answer.request_id(), answer.keys.len());
/// # let _ = (me, users);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call is made when it is awaited"]
pub struct Call<O> {
    core: Core,
    parts: Parts,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation> Call<O> {
    pub(crate) fn new(core: &Core) -> Self {
        Self {
            core: core.clone(),
            parts: Parts::new(O::ABOUT),
            operation: PhantomData,
        }
    }

    /// Fills in the next name of the path.
    pub(crate) fn path(mut self, value: &dyn fmt::Display) -> Self {
        self.parts.fill_in(&value.to_string());
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.parts.body = Body::json(body);
        self
    }

    pub(crate) fn form(mut self, body: &impl Serialize) -> Self {
        self.parts.body = Body::form(body);
        self
    }

    pub(crate) fn query(mut self, name: &'static str, value: &dyn fmt::Display) -> Self {
        self.parts.set_query(name, value.to_string());
        self
    }

    /// Limits the time of one try of this call, instead of the client's
    /// [`timeout`](crate::Builder::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.parts.timeout = Some(timeout);
        self
    }

    /// Adds a header. An invalid name or value, or a header that the client sets itself, ends the
    /// call with an error.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.parts.add_header(name, value);
        self
    }

    /// Sets the request's id (`X-Request-Id`), so that your logs and the server's share it. Without
    /// it, the server chooses one.
    pub fn request_id(self, id: Uuid) -> Self {
        self.header(REQUEST_ID, &id.to_string())
    }

    /// Makes the call, and keeps status and headers beside the answer.
    ///
    /// # Errors
    ///
    /// Fails as the call itself does.
    #[must_use = "a call is made when it is awaited"]
    pub fn with_response(self) -> WithResponse<O> {
        let Self { core, parts, .. } = self;
        WithResponse {
            received: core.send(parts),
            operation: PhantomData,
        }
    }

    /// Makes the call and waits for its end on this thread. Use it outside `async` code.
    ///
    /// # Errors
    ///
    /// Fails as the call itself does.
    ///
    /// # Panics
    ///
    /// Panics inside an `async` function: await the call there.
    #[cfg(all(feature = "blocking", not(target_arch = "wasm32")))]
    #[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
    pub fn blocking(self) -> Result<O::Answer, O::Error> {
        crate::blocking::wait(self.into_future())
    }

    pub(crate) fn into_parts(self) -> (Core, Parts) {
        (self.core, self.parts)
    }

    pub(crate) fn from_parts(core: Core, parts: Parts) -> Self {
        Self {
            core,
            parts,
            operation: PhantomData,
        }
    }
}

/// Shows nothing of the request's content.
impl<O: Operation> fmt::Debug for Call<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("operation", &O::ABOUT.name)
            .finish_non_exhaustive()
    }
}

impl<O: Operation> IntoFuture for Call<O> {
    type Output = Result<O::Answer, O::Error>;
    type IntoFuture = Answering<O>;

    fn into_future(self) -> Answering<O> {
        Answering(self.with_response())
    }
}

/// A call that was started.
#[must_use = "a call is made when it is awaited"]
pub struct Answering<O>(WithResponse<O>);

impl<O: Operation> Future for Answering<O> {
    type Output = Result<O::Answer, O::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(response.map(Response::into_inner))
    }
}

/// A started call that keeps status and headers.
#[must_use = "a call is made when it is awaited"]
pub struct WithResponse<O> {
    received: Boxed<Result<Received, Failure>>,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation> Future for WithResponse<O> {
    type Output = Result<Response<O::Answer>, O::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = ready!(self.received.as_mut().poll(context));
        Poll::Ready(read::<O>(received).map_err(O::Error::of))
    }
}

/// Parses an answer into its type.
fn read<O: Operation>(received: Result<Received, Failure>) -> Result<Response<O::Answer>, Failure> {
    let received = received?;
    let body = if O::EMPTY {
        b"null"
    } else {
        received.body.as_ref()
    };
    match serde_json::from_slice(body) {
        Ok(body) => Ok(Response {
            status: received.status,
            headers: received.headers,
            body,
        }),
        Err(error) => Err(Failure::unreadable(&received, &error)),
    }
}

/// An answer with its status and headers; see [`Call::with_response`]. It dereferences to the
/// answer itself.
#[derive(Clone, Debug)]
pub struct Response<T> {
    status: StatusCode,
    headers: HeaderMap,
    body: T,
}

impl<T> Response<T> {
    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the id of the request, which client and server share.
    #[must_use]
    pub fn request_id(&self) -> Option<Uuid> {
        request_id(&self.headers)
    }

    /// Returns the answer itself.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.body
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}
