//! Sets up a client.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use reqwest::header::{HeaderValue, InvalidHeaderValue};

use super::core::{Core, Settings};
use super::methods::FromCore;
use super::platform::MaybeSend;
use super::{Lifted, Retry, StepUp, address, step_up};
use crate::hooks::{AfterRequest, BeforeRequest, Hooks};
use crate::{Failure, Secret};

/// This SDK's name in the header User-Agent.
const USER_AGENT: &str = concat!("countersign-sdk/", env!("CARGO_PKG_VERSION"));

/// The settings of a client. Their defaults suit most programs.
///
/// ```
/// use std::time::Duration;
/// use countersign_sdk::Client;
///
/// # fn main() -> Result<(), countersign_sdk::BuildError> {
/// let client = Client::builder("https://id.example.com")
///     .api_key("csk_0000")
///     .user_agent("shop/3.1")
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[must_use = "settings become a client by `build`"]
pub struct Builder<C> {
    url: String,
    api_key: Option<Secret>,
    http: Option<reqwest::Client>,
    timeout: Duration,
    connect_timeout: Duration,
    user_agent: String,
    plain_http_allowed: bool,
    retry: Retry,
    hooks: Hooks,
    step_up: Option<step_up::Callback>,
    client: PhantomData<fn() -> C>,
}

impl<C: FromCore> Builder<C> {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            api_key: None,
            http: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            user_agent: USER_AGENT.to_owned(),
            plain_http_allowed: false,
            retry: Retry::default(),
            hooks: Hooks::default(),
            step_up: None,
            client: PhantomData,
        }
    }

    /// Sets a service's key (`X-API-Key`). It is sent only with operations that accept a key.
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Limits the time of one try of a call; 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Limits the time for connecting; 10 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Puts your product's name and version before this SDK's own in the header User-Agent.
    pub fn user_agent(mut self, product: &str) -> Self {
        self.user_agent = format!("{product} {USER_AGENT}");
        self
    }

    /// Sets how often a call is repeated where that is safe; see [`Retry`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Calls `hook` before each request, including each try of a call and each renewal of tokens.
    /// The hook sees what is called and may add headers.
    ///
    /// ```
    /// # fn build() -> Result<countersign_sdk::Client, countersign_sdk::BuildError> {
    /// let client = countersign_sdk::Client::builder("https://id.example.com")
    ///     .on_request(|request| {
    ///         let _refused = request.header("traceparent", &current_trace());
    ///     })
    ///     .on_response(|request| {
    ///         println!("{} {:?} {:?}", request.operation(), request.status(), request.duration());
    ///     })
    ///     .build()?;
    /// # Ok(client)
    /// # }
    /// # fn current_trace() -> String { String::new() }
    /// ```
    pub fn on_request(
        mut self,
        hook: impl Fn(&mut BeforeRequest<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.add_before(hook);
        self
    }

    /// Calls `hook` after each request, with the time it took and its status. There is no status if
    /// there was no answer.
    pub fn on_response(mut self, hook: impl Fn(&AfterRequest) + Send + Sync + 'static) -> Self {
        self.hooks.add_after(hook);
        self
    }

    /// Sets what to do when an action needs fresh proof of the user (401
    /// `INSUFFICIENT_USER_AUTHENTICATION`, in any API): ask the user, and return the token of the
    /// step-up. The call is then repeated. Calls that wait at the same time ask once. If `ask`
    /// fails, they end with the answer they have. A call that contains a code is left to the user.
    ///
    /// ```no_run
    /// use countersign_sdk::identity::types::*;
    /// use countersign_sdk::{Client, Failure, Lifted, StepUp};
    ///
    /// async fn ask(wanted: StepUp) -> Result<Lifted, Failure> {
    ///     let client = Client::from(&wanted);
    ///     match client.begin_step_up().await? {
    ///         StepUpResponse::MfaRequired(step) => {
    ///             let proof = MfaVerifyRequest::new(step.mfa_token, read_code(&step.message));
    ///             Ok(Lifted::from(&client.verify_step_up(proof).await?))
    ///         }
    ///         StepUpResponse::SteppedUp(done) => Ok(Lifted::from(&done)),
    ///         other => panic!("newer than this program: {other:?}"),
    ///     }
    /// }
    ///
    /// # fn build() -> Result<Client, countersign_sdk::BuildError> {
    /// let client = Client::builder("https://id.example.com").step_up(ask).build()?;
    /// # Ok(client)
    /// # }
    /// # fn read_code(_: &str) -> String { String::new() }
    /// ```
    pub fn step_up<F, A>(mut self, ask: F) -> Self
    where
        F: Fn(StepUp) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Lifted, Failure>> + MaybeSend + 'static,
    {
        self.step_up = Some(step_up::callback(ask));
        self
    }

    /// Allows passwords, codes and tokens to be sent unencrypted to another machine, which is
    /// refused otherwise. Use it only in a private network between containers.
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http_allowed = true;
        self
    }

    /// Sets an HTTP client of your own: for a proxy, a private certificate authority, or another
    /// TLS library.
    ///
    /// Its timeouts apply, not those set here. It should follow no redirects
    /// (`redirect::Policy::none()`): a redirected request takes its password or code along.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Builds the client, with nobody signed in. No call is made yet.
    ///
    /// # Errors
    ///
    /// Fails if the address is invalid, or is plain http to another machine; if the key or user
    /// agent cannot be used in a header; or if there is no HTTP client.
    pub fn build(self) -> Result<C, BuildError> {
        let base = address::base(&self.url, self.plain_http_allowed)?;
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|source| BuildError::header("user agent", source))?;
        let api_key = self
            .api_key
            .as_ref()
            .map(|key| sensitive(key.expose()))
            .transpose()
            .map_err(|source| BuildError::header("API key", source))?;
        let http = match self.http {
            Some(http) => http,
            None => http_client(&base, self.timeout, self.connect_timeout)?,
        };
        Ok(C::from_core(Core::new(Settings {
            base,
            http,
            user_agent,
            api_key,
            retry: self.retry,
            hooks: self.hooks,
            step_up: self.step_up,
        })))
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn http_client(
    base: &reqwest::Url,
    timeout: Duration,
    connect_timeout: Duration,
) -> Result<reqwest::Client, BuildError> {
    let mut http = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(connect_timeout)
        // A redirected request would take its password or code along.
        .redirect(reqwest::redirect::Policy::none());
    #[cfg(feature = "rustls")]
    {
        http = http.tls_backend_preconfigured(super::tls::config().map_err(BuildError::Tls)?);
    }
    if address::is_loopback(base) {
        // Requests to this machine do not use a proxy from the environment.
        http = http.no_proxy();
    }
    http.build().map_err(BuildError::Http)
}

/// The browser connects, and has its own timeouts.
#[cfg(target_arch = "wasm32")]
fn http_client(
    _base: &reqwest::Url,
    _timeout: Duration,
    _connect_timeout: Duration,
) -> Result<reqwest::Client, BuildError> {
    reqwest::Client::builder().build().map_err(BuildError::Http)
}

/// Makes a header value that HTTP libraries do not print.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Shows nothing of the key.
impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("url", &address::shown(&self.url))
            .field("api_key", &self.api_key)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("user_agent", &self.user_agent)
            .field("plain_http_allowed", &self.plain_http_allowed)
            .field("retry", &self.retry)
            .field("step_up", &step_up::Shown(&self.step_up))
            .finish_non_exhaustive()
    }
}

/// Why a client could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The server's address is invalid.
    Address(String),
    /// The address is plain http and not on this machine: passwords would cross the network
    /// unencrypted.
    PlainHttp(String),
    /// A setting for a header has characters that no header may have. The value is not repeated
    /// here.
    Header(&'static str),
    /// The HTTP client could not be created.
    Http(reqwest::Error),
    /// TLS could not be set up, for example without root certificates.
    #[cfg(all(feature = "rustls", not(target_arch = "wasm32")))]
    Tls(rustls::Error),
}

impl BuildError {
    /// Names the setting. The header's own error adds nothing, and the value may be a secret.
    fn header(setting: &'static str, _source: InvalidHeaderValue) -> Self {
        Self::Header(setting)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(reason) => write!(formatter, "the server's address: {reason}"),
            Self::PlainHttp(address) => write!(
                formatter,
                "{address} would send passwords and tokens unencrypted over the network; \
                 use https://, or Builder::allow_plain_http on a private network"
            ),
            Self::Header(setting) => write!(
                formatter,
                "the {setting} has characters that cannot stand in a header"
            ),
            Self::Http(source) => write!(formatter, "no HTTP client: {source}"),
            #[cfg(all(feature = "rustls", not(target_arch = "wasm32")))]
            Self::Tls(source) => write!(formatter, "no TLS: {source}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(source) => Some(source),
            #[cfg(all(feature = "rustls", not(target_arch = "wasm32")))]
            Self::Tls(source) => Some(source),
            Self::Address(_) | Self::PlainHttp(_) | Self::Header(_) => None,
        }
    }
}
