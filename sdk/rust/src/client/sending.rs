//! Sends a call with its credentials, repeats it where that is safe, and reports it to hooks and
//! traces.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, USER_AGENT};
use reqwest::{Request, StatusCode};

use super::answer::Received;
use super::core::{Core, Settings, Shared};
use super::platform::{Boxed, CAN_WAIT, Instant};
use super::request::Parts;
use super::{Session, builder, renewal, retry, step_up};
use crate::call::{About, Credential};
use crate::hooks::API_KEY;
use crate::{Failure, Secret};

/// The result of a try.
pub(super) type Outcome = reqwest::Result<Received>;

impl Core {
    /// Makes a call. It depends on no types of the call, so that it is compiled once.
    pub(crate) fn send(self, parts: Parts) -> Boxed<Result<Received, Failure>> {
        #[cfg(feature = "tracing")]
        {
            Box::pin(crate::trace::traced(parts.about, self.sent(parts)))
        }
        #[cfg(not(feature = "tracing"))]
        {
            Box::pin(async move { self.sent(parts).await.0 })
        }
    }

    /// Returns the answer, or why there is none, and the number of tries.
    async fn sent(self, parts: Parts) -> (Result<Received, Failure>, u32) {
        let about = parts.about;
        let mut request = match parts.request(self.url()) {
            Ok(request) => request,
            Err(failure) => return (Err(failure), 0),
        };
        if let Err(reason) = self.open(&mut request, about).await {
            return (Err(Failure::unsent(reason)), 0);
        }
        let (outcome, tries) = self.tried(request, about).await;
        if about.ends_session {
            self.after_logout(&outcome);
        }
        let result = match outcome {
            Ok(received) if received.status.is_success() => Ok(received),
            Ok(received) => Err(Failure::answered(&received)),
            Err(error) => Err(Failure::unanswered(error)),
        };
        (result, tries)
    }

    /// Adds the operation's credentials to a request.
    ///
    /// # Errors
    ///
    /// Fails if a token cannot be used in a header.
    async fn open(&self, request: &mut Request, about: &About) -> Result<(), String> {
        let settings = &self.shared.settings;
        let headers = request.headers_mut();
        headers
            .entry(USER_AGENT)
            .or_insert_with(|| settings.user_agent.clone());
        if about.opened_by.contains(&Credential::ApiKey)
            && let Some(key) = &settings.api_key
        {
            headers.insert(API_KEY, key.clone());
        }
        if about.opened_by.contains(&Credential::Bearer)
            && let Some(session) = self.fresh_session().await
        {
            set_bearer(request, session.access_token())?;
        }
        Ok(())
    }

    /// Returns the session. Renews it first if its access token is about to expire.
    async fn fresh_session(&self) -> Option<Session> {
        let session = self.session()?;
        if session.wants_renewal() {
            renewal::renew(&self.shared, session.access_token().clone()).await;
            return self.session();
        }
        Some(session)
    }

    /// Sends a prepared request, and repeats it where that is safe. Returns the number of tries
    /// too.
    async fn tried(&self, mut request: Request, about: &'static About) -> (Outcome, u32) {
        let begun = Instant::now();
        let mut tries = 0;
        let mut renewed = false;
        let mut lifted = false;
        loop {
            let copy = request.try_clone();
            tries += 1;
            let outcome = self.shared.settings.once(request, about, tries).await;
            let Some(mut again) = copy else {
                return (outcome, tries);
            };
            if !renewed && has_expired(&outcome) {
                renewed = true;
                if self.renew_bearer(&mut again).await && !about.one_time {
                    request = again;
                    continue;
                }
                return (outcome, tries);
            }
            if !lifted && !about.one_time && step_up::is_wanted(&outcome) {
                lifted = true;
                if step_up::lift(self, &mut again, about.name, &outcome).await {
                    request = again;
                    continue;
                }
                return (outcome, tries);
            }
            match self.pause(tries, begun.elapsed(), about, &outcome) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return (outcome, tries),
            }
            request = again;
        }
    }

    /// Returns the pause before the next try, or `None` if this outcome is final.
    fn pause(
        &self,
        tries: u32,
        took: Duration,
        about: &About,
        outcome: &Outcome,
    ) -> Option<Duration> {
        if !CAN_WAIT {
            return None;
        }
        let made = retry::Made { tries, took };
        self.shared.settings.retry.pause(made, about, outcome)
    }

    /// Gives a request a new bearer if its own has expired. Returns `false` if there is none.
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
    fn after_logout(&self, outcome: &Outcome) {
        if let Ok(answer) = outcome
            && (answer.status.is_success() || answer.code().as_deref() == Some("TOKEN_INVALID"))
        {
            self.forget_session();
        }
    }
}

impl Settings {
    /// Sends a request once, and calls the hooks.
    pub(super) async fn once(
        &self,
        mut request: Request,
        about: &'static About,
        tries: u32,
    ) -> Outcome {
        self.hooks.before(about, tries, &mut request);
        let begun = Instant::now();
        let outcome = match self.http.execute(request).await {
            Ok(answer) => Received::whole(answer).await,
            Err(error) => Err(error),
        };
        self.hooks.after(about, tries, begun.elapsed(), &outcome);
        outcome
    }
}

impl Shared {
    /// Sends a call of the client's own, as [`Settings::once`] does.
    pub(super) async fn once(&self, parts: Parts) -> Option<Received> {
        let about = parts.about;
        let mut request = parts.request(self.base()).ok()?;
        let user_agent = self.settings.user_agent.clone();
        request.headers_mut().insert(USER_AGENT, user_agent);
        self.settings.once(request, about, 1).await.ok()
    }
}

fn has_expired(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|answer| {
        answer.status == StatusCode::UNAUTHORIZED
            && answer.code().as_deref() == Some("TOKEN_EXPIRED")
    })
}

pub(super) fn set_bearer(request: &mut Request, token: &Secret) -> Result<(), String> {
    let value = builder::sensitive(&format!("Bearer {}", token.expose()))
        .map_err(|_| "the access token has characters that cannot stand in a header".to_owned())?;
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

pub(super) fn bearer(request: &Request) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(Secret::from)
}
