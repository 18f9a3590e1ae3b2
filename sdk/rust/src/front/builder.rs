//! How a client is set up.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::header::{HeaderValue, InvalidHeaderValue};

use super::{Front, Lifted, Repeats, StepUp, address, step_up};
use crate::{Failure, Secret};

/// The name this SDK goes by in the header User-Agent.
const USER_AGENT: &str = concat!("countersign-sdk/", env!("CARGO_PKG_VERSION"));

/// The settings of a [`Front`], each with a default that suits most.
///
/// ```
/// use std::time::Duration;
/// use countersign_sdk::{Front, identity};
///
/// # fn main() -> Result<(), countersign_sdk::BuildError> {
/// let front = Front::builder("https://id.example.com")
///     .api_key("csk_0000")
///     .user_agent("shop/3.1")
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// let client = identity::Client::from(&front);
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Builder {
    address: String,
    api_key: Option<Secret>,
    http: Option<reqwest::Client>,
    timeout: Duration,
    connect_timeout: Duration,
    user_agent: String,
    plain_http_allowed: bool,
    repeats: Repeats,
    step_up: Option<step_up::Callback>,
}

impl Builder {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            api_key: None,
            http: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            user_agent: USER_AGENT.to_owned(),
            plain_http_allowed: false,
            repeats: Repeats::default(),
            step_up: None,
        }
    }

    /// The key (`X-API-Key`) of a service. It is sent with the operations that a key opens, and with no others.
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// How long one try of a call may take; 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take; 10 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Your product's name and version, put before this SDK's own in the header User-Agent.
    pub fn user_agent(mut self, product: &str) -> Self {
        self.user_agent = format!("{product} {USER_AGENT}");
        self
    }

    /// How often a call that is safe to repeat is repeated; see [`Repeats`].
    pub fn repeats(mut self, repeats: Repeats) -> Self {
        self.repeats = repeats;
        self
    }

    /// What to do when an act needs fresh proof of who is there (401 `INSUFFICIENT_USER_AUTHENTICATION`, in any API): ask
    /// the user, and answer with the lifted token. The call is then made again. Calls that wait together ask once; after
    /// an error of `ask`, they end with the answer they have. A call that carries a code is left to the user.
    ///
    /// ```no_run
    /// use countersign_sdk::identity::{Client, types::*};
    /// use countersign_sdk::{Failure, Front, Lifted, StepUp};
    ///
    /// async fn ask(wanted: StepUp) -> Result<Lifted, Failure> {
    ///     let client = Client::from(wanted.front());
    ///     match client.begin_step_up().body(StepUpRequest::default()).send().await?.into_inner() {
    ///         StepUpResponse::CompleteResponse(done) => Ok(Lifted::from(&done)),
    ///         StepUpResponse::ChallengeResponse(step) => {
    ///             let code = read_code(&step.message).into();
    ///             let proof = MfaVerifyRequest { mfa_token: step.mfa_token, code };
    ///             Ok(Lifted::from(&client.verify_step_up().body(proof).send().await?))
    ///         }
    ///     }
    /// }
    ///
    /// # fn build() -> Result<Client, countersign_sdk::BuildError> {
    /// let front = Front::builder("https://id.example.com").step_up(ask).build()?;
    /// let client = Client::from(&front);
    /// # Ok(client)
    /// # }
    /// # fn read_code(_: &str) -> String { String::new() }
    /// ```
    pub fn step_up<F, A>(mut self, ask: F) -> Self
    where
        F: Fn(StepUp) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Lifted, Failure>> + Send + 'static,
    {
        self.step_up = Some(step_up::callback(ask));
        self
    }

    /// Lets passwords, codes and tokens go over the network unencrypted, which is refused otherwise unless the server is
    /// on this machine. For a private network between containers; nowhere else.
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http_allowed = true;
        self
    }

    /// An HTTP client of your own: for a proxy, a private certificate authority, or another TLS.
    ///
    /// Its timeouts count, not those set here. Let it follow no redirects (`redirect::Policy::none()`): a redirected
    /// request takes its password or code along.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// The front, signed in as nobody.
    ///
    /// # Errors
    ///
    /// When the address is none, or is plain http to another machine; when key or user agent cannot stand in a header;
    /// when there is no HTTP client to be had.
    pub fn build(self) -> Result<Front, BuildError> {
        let base = address::base(&self.address, self.plain_http_allowed)?;
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|source| BuildError::header("user agent", source))?;
        let api_key = self
            .api_key
            .map(|key| sensitive(key.expose()))
            .transpose()
            .map_err(|source| BuildError::header("API key", source))?;
        let http = match self.http {
            Some(http) => http,
            None => {
                let mut http = reqwest::Client::builder()
                    .timeout(self.timeout)
                    .connect_timeout(self.connect_timeout)
                    // A redirected request would take its password or code along.
                    .redirect(reqwest::redirect::Policy::none());
                if address::is_loopback(&base) {
                    // What is meant for this machine goes through no proxy of the environment.
                    http = http.no_proxy();
                }
                http.build().map_err(BuildError::Http)?
            }
        };
        Ok(Front::new(
            base,
            http,
            user_agent,
            api_key,
            self.repeats,
            self.step_up,
        ))
    }
}

/// A header value that HTTP libraries do not print.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Nothing of the key is shown.
impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("address", &address::shown(&self.address))
            .field("api_key", &self.api_key)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("user_agent", &self.user_agent)
            .field("plain_http_allowed", &self.plain_http_allowed)
            .field("repeats", &self.repeats)
            .field("step_up", &step_up::Shown(&self.step_up))
            .finish_non_exhaustive()
    }
}

/// Why a client could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The server's address is not one.
    Address(String),
    /// The address is plain http and not on this machine: passwords would cross the network in the clear.
    PlainHttp(String),
    /// A setting that goes into a header has characters that no header may have. The value is not repeated here.
    Header(&'static str),
    /// There is no HTTP client to be had, for want of root certificates for example.
    Http(reqwest::Error),
}

impl BuildError {
    /// Says which setting it was; the header's own error adds nothing, and the value may be a secret.
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
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(source) => Some(source),
            Self::Address(_) | Self::PlainHttp(_) | Self::Header(_) => None,
        }
    }
}
