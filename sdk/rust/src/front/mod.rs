//! What stands before the generated clients of all documents: the session, the key, and which calls are repeated.

mod address;
pub(crate) mod answer;
mod builder;
pub(crate) mod client;
mod renewal;
mod repeats;
mod session;
mod step_up;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Request, Response, StatusCode, Url};

use crate::Secret;

pub(crate) use answer::read;
pub use builder::{BuildError, Builder};
pub use repeats::Repeats;
pub(crate) use repeats::retry_after;
pub use session::Session;
pub use step_up::{Lifted, StepUp};

/// The header that carries a service's key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One way in that an operation names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    /// It may be called without any.
    Nothing,
    /// `Authorization: Bearer` with the session's access token.
    Bearer,
    /// `X-API-Key` with a service's key.
    ApiKey,
}

/// What the front needs to know about an operation; the generated clients have a table of them.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The operation's name in Rust.
    pub(crate) id: &'static str,
    /// What opens it; any one is enough.
    pub(crate) opened_by: &'static [Credential],
    /// Whether its request carries something that works once, so that it must not be repeated.
    pub(crate) one_time: bool,
}

/// For an operation that is missing from a table, which the generator does not let happen: nothing is sent with it, and
/// it is never repeated.
const UNLISTED: Operation = Operation {
    id: "",
    opened_by: &[],
    one_time: true,
};

/// The row of an operation in its document's table.
pub(crate) fn operation(
    table: &'static [Operation],
    info: &progenitor_client::OperationInfo,
) -> &'static Operation {
    table
        .iter()
        .find(|operation| operation.id == info.operation_id)
        .unwrap_or(&UNLISTED)
}

/// The server's address, the session, the key and the rules of repeating, shared by the clients of all documents.
///
/// A clone is the same front: who signs in with one is signed in with all. For another user of the same server take
/// [`Front::apart`]. `Debug` shows no token.
#[derive(Clone)]
pub struct Front {
    shared: Arc<Shared>,
    /// Whether its calls are those of a step-up, which are not stepped up themselves.
    is_stepping_up: bool,
}

struct Shared {
    base: Url,
    http: reqwest::Client,
    user_agent: HeaderValue,
    api_key: Option<HeaderValue>,
    repeats: Repeats,
    /// Never held over an await.
    session: RwLock<Option<Session>>,
    /// Held by the one renewal that is under way.
    renewing: tokio::sync::Mutex<()>,
    /// How many renewals have been begun, so that who waited for one knows that it has been tried.
    renewals_begun: AtomicU64,
    /// What proves again who the user is.
    step_up: Option<step_up::Callback>,
    /// Held by the one step-up that is under way.
    stepping_up: tokio::sync::Mutex<()>,
    /// How many step-ups have been begun; as for renewals.
    step_ups_begun: AtomicU64,
    /// How often somebody has signed in or out.
    sign_ins: AtomicU64,
}

impl Front {
    /// Settings for the server at `address`, such as `https://id.example.com`; a path is kept, for a server behind a
    /// proxy.
    pub fn builder(address: &str) -> Builder {
        Builder::new(address)
    }

    fn new(
        base: Url,
        http: reqwest::Client,
        user_agent: HeaderValue,
        api_key: Option<HeaderValue>,
        repeats: Repeats,
        step_up: Option<step_up::Callback>,
    ) -> Self {
        Self {
            is_stepping_up: false,
            shared: Arc::new(Shared {
                base,
                http,
                user_agent,
                api_key,
                repeats,
                session: RwLock::new(None),
                renewing: tokio::sync::Mutex::new(()),
                renewals_begun: AtomicU64::new(0),
                step_up,
                stepping_up: tokio::sync::Mutex::new(()),
                step_ups_begun: AtomicU64::new(0),
                sign_ins: AtomicU64::new(0),
            }),
        }
    }

    /// A front to the same server, with the same settings and connections, signed in as nobody: one for each user that
    /// your service acts for.
    #[must_use]
    pub fn apart(&self) -> Self {
        let Shared {
            base,
            http,
            user_agent,
            api_key,
            repeats,
            step_up,
            ..
        } = self.shared.as_ref();
        Self::new(
            base.clone(),
            http.clone(),
            user_agent.clone(),
            api_key.clone(),
            *repeats,
            step_up.clone(),
        )
    }

    /// From now on, calls are made as the user whose tokens these are, and the tokens are renewed when they need it.
    ///
    /// Takes a reference to any answer that carries tokens, or a stored [`Session`].
    pub fn sign_in_with(&self, tokens: impl Into<Session>) {
        self.shared.set(Some(tokens.into()));
    }

    /// The session, to be stored. `None` when nobody is signed in, or when the server has said that it is over.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.shared.session()
    }

    /// Whether somebody is signed in, as far as this side knows.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.shared.read().is_some()
    }

    /// Forgets the session without telling the server, where it lives on until it expires. A successful `logout` does this
    /// by itself.
    pub fn forget_session(&self) {
        self.shared.set(None);
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn address(&self) -> &str {
        self.shared.base()
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    /// Puts into a request what opens its operation.
    ///
    /// # Errors
    ///
    /// When it would go to another server than the front was made for, or a token cannot stand in a header.
    pub(crate) async fn prepare(
        &self,
        request: &mut Request,
        operation: &Operation,
    ) -> Result<(), String> {
        if !address::same_server(&self.shared.base, request.url()) {
            return Err(format!(
                "this client's front was made for {}; it sends nothing to another server",
                self.address()
            ));
        }
        let headers = request.headers_mut();
        headers
            .entry(USER_AGENT)
            .or_insert_with(|| self.shared.user_agent.clone());
        if operation.opened_by.contains(&Credential::ApiKey)
            && let Some(key) = &self.shared.api_key
        {
            headers.insert(API_KEY, key.clone());
        }
        if operation.opened_by.contains(&Credential::Bearer)
            && let Some(session) = self.fresh_session().await
        {
            set_bearer(request, session.access_token())?;
        }
        Ok(())
    }

    /// The session, renewed before if its access token is near its end.
    async fn fresh_session(&self) -> Option<Session> {
        let session = self.session()?;
        if session.wants_renewal() {
            renewal::renew(&self.shared, session.access_token().clone()).await;
            return self.session();
        }
        Some(session)
    }

    /// Makes a prepared call: once, or again where that is safe.
    ///
    /// # Errors
    ///
    /// When there is no answer; an error answer is an answer.
    pub(crate) async fn execute(
        &self,
        http: &reqwest::Client,
        mut request: Request,
        operation: &'static Operation,
    ) -> reqwest::Result<Response> {
        let begun = Instant::now();
        let mut tries = 0;
        let mut renewed = false;
        let mut lifted = false;
        loop {
            let copy = request.try_clone();
            let method = request.method().clone();
            let outcome = match http.execute(request).await {
                Ok(answer) => answer::with_error_body(answer).await,
                Err(error) => Err(error),
            };
            tries += 1;
            let Some(mut again) = copy else {
                return outcome;
            };
            if !renewed && has_expired(&outcome) {
                renewed = true;
                if self.renew_bearer(&mut again).await && !operation.one_time {
                    request = again;
                    continue;
                }
                return outcome;
            }
            if !lifted && !operation.one_time && step_up::is_wanted(&outcome) {
                lifted = true;
                if step_up::lift(self, &mut again, operation.id, &outcome).await {
                    request = again;
                    continue;
                }
                return outcome;
            }
            let made = repeats::Made {
                tries,
                took: begun.elapsed(),
            };
            let Some(pause) = self
                .shared
                .repeats
                .pause(made, &method, operation, &outcome)
            else {
                return outcome;
            };
            tokio::time::sleep(pause).await;
            request = again;
        }
    }

    /// Gives a request whose bearer has expired the next one. False if there is none.
    async fn renew_bearer(&self, request: &mut Request) -> bool {
        let Some(spent) = bearer(request) else {
            return false;
        };
        renewal::renew(&self.shared, spent).await
            && self
                .session()
                .is_some_and(|session| set_bearer(request, session.access_token()).is_ok())
    }

    /// Forgets the session after a call that ends it, unless the server may still have it.
    pub(crate) fn after_logout(&self, outcome: &reqwest::Result<Response>) {
        if let Ok(answer) = outcome
            && (answer.status().is_success()
                || answer::code(answer).as_deref() == Some("TOKEN_INVALID"))
        {
            self.forget_session();
        }
    }
}

impl Shared {
    fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn session(&self) -> Option<Session> {
        self.read().clone()
    }

    /// Signs somebody in, or out.
    fn set(&self, session: Option<Session>) {
        let mut held = self.write();
        self.sign_ins.fetch_add(1, Ordering::AcqRel);
        *held = session;
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Option<Session>> {
        self.session.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Session>> {
        self.session.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the next session in place of the one with the access token `spent`, unless somebody has signed in or out
    /// meanwhile. True if there is a session with another access token afterwards.
    fn replace(&self, spent: &Secret, next: Option<Session>) -> bool {
        let mut session = self.write();
        if session
            .as_ref()
            .is_some_and(|held| held.access_token().expose() == spent.expose())
        {
            *session = next;
        }
        session.is_some()
    }
}

fn has_expired(outcome: &reqwest::Result<Response>) -> bool {
    outcome.as_ref().is_ok_and(|answer| {
        answer.status() == StatusCode::UNAUTHORIZED
            && answer::code(answer).as_deref() == Some("TOKEN_EXPIRED")
    })
}

fn set_bearer(request: &mut Request, token: &Secret) -> Result<(), String> {
    let value = builder::sensitive(&format!("Bearer {}", token.expose()))
        .map_err(|_| "the access token has characters that cannot stand in a header".to_owned())?;
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

fn bearer(request: &Request) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(Secret::from)
}

/// Says whether there is a session and a key, and nothing of them.
impl fmt::Debug for Front {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Front")
            .field("address", &self.address())
            .field("signed_in", &self.is_signed_in())
            .field("has_api_key", &self.shared.api_key.is_some())
            .field("repeats", &self.shared.repeats)
            .field("step_up", &step_up::Shown(&self.shared.step_up))
            .finish_non_exhaustive()
    }
}
