//! Steps a session up when an action needs fresh proof of the user (RFC 9470): one callback, then
//! the call again.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::{Request, StatusCode};

use super::core::Core;
use super::methods::sealed::HasCore;
use super::platform::{Boxed, MaybeSend};
use super::sending::{Outcome, bearer, set_bearer};
use crate::{Failure, Secret};

/// The code of an error that fresh proof resolves.
const CODE: &str = "INSUFFICIENT_USER_AUTHENTICATION";

/// The callback that an integrator gives to [`Builder::step_up`](crate::Builder::step_up).
pub(super) type Callback = Arc<dyn Fn(StepUp) -> Answer + Send + Sync>;

type Answer = Boxed<Result<Lifted, Failure>>;

/// A refused call that needs the user to prove again who they are.
///
/// `identity::Client::from(&step_up)` is the client for the step-up's own calls. If one of them is
/// refused because it needs fresh proof, no further step-up starts.
#[derive(Clone, Debug)]
pub struct StepUp {
    core: Core,
    operation: &'static str,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Returns the refused operation by its name in Rust, for a page that says what the proof is
    /// for.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns how old the proof may be.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

impl HasCore for StepUp {
    fn core(&self) -> &Core {
        &self.core
    }
}

impl super::ApiClient for StepUp {}

/// The access token of a stepped-up session. Its refresh token stays the same.
///
/// `Lifted::from(&answer)` accepts the answers of the step-up's operations.
#[derive(Clone, Debug)]
pub struct Lifted {
    pub(super) access_token: Secret,
    pub(super) expires_in: u32,
}

impl Lifted {
    /// Takes a token that did not come through this SDK. `expires_in` is the server's value, in
    /// seconds from now.
    #[must_use]
    pub fn new(access_token: impl Into<Secret>, expires_in: u32) -> Self {
        Self {
            access_token: access_token.into(),
            expires_in,
        }
    }
}

/// Tells whether an answer asks for fresh proof.
pub(super) fn is_wanted(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|answer| {
        answer.status == StatusCode::UNAUTHORIZED && answer.code().as_deref() == Some(CODE)
    })
}

/// Steps up the session of a refused request, and gives the request the new bearer. Returns `false`
/// if the call ends with the answer it has.
pub(super) async fn lift(
    core: &Core,
    request: &mut Request,
    operation: &'static str,
    refused: &Outcome,
) -> bool {
    let shared = &core.shared;
    let (Some(callback), Some(spent)) = (&shared.settings.step_up, bearer(request)) else {
        return false;
    };
    if core.is_stepping_up {
        return false;
    }
    let begun_before = shared.step_ups_begun.load(Ordering::Acquire);
    let _turn = shared.stepping_up.lock().await;
    let Some(session) = shared.session() else {
        return false;
    };
    // Meanwhile another call has got the same proof, or a renewal.
    if session.access_token().expose() != spent.expose() {
        return set_bearer(request, session.access_token()).is_ok();
    }
    if shared.step_ups_begun.load(Ordering::Acquire) != begun_before {
        // The user was asked while this call waited, and gave no proof. They are not asked twice.
        return false;
    }
    shared.step_ups_begun.fetch_add(1, Ordering::AcqRel);
    let sign_ins = core.sign_ins();
    let asked = callback(StepUp {
        core: Core {
            is_stepping_up: true,
            ..core.clone()
        },
        operation,
        max_age: refused.as_ref().ok().and_then(|answer| answer.max_age()),
    });
    let Ok(lifted) = asked.await else {
        return false;
    };
    core.lift(&lifted, sign_ins).await && set_bearer(request, &lifted.access_token).is_ok()
}

impl Core {
    /// Returns how often somebody has signed in or out, for [`Core::lift`].
    pub(crate) fn sign_ins(&self) -> u64 {
        self.shared.sign_ins.load(Ordering::Acquire)
    }

    /// Continues the session with the access token of a step-up that began when there were so many
    /// `sign_ins`. Returns `false` if somebody has signed in or out since: another user may have
    /// signed in while this one was asked.
    pub(crate) async fn lift(&self, lifted: &Lifted, sign_ins: u64) -> bool {
        // A renewal under way would be lost if the access token changed now.
        let _turn = self.shared.renewing.lock().await;
        let mut held = self.shared.write();
        if self.sign_ins() != sign_ins {
            return false;
        }
        let Some(session) = held.as_mut() else {
            return false;
        };
        session.lift(lifted);
        true
    }
}

/// Wraps an integrator's function as a callback.
pub(super) fn callback<F, A>(ask: F) -> Callback
where
    F: Fn(StepUp) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Lifted, Failure>> + MaybeSend + 'static,
{
    Arc::new(move |wanted| Box::pin(ask(wanted)))
}

/// Shows whether there is a callback.
#[derive(Clone)]
pub(super) struct Shown<'a>(pub(super) &'a Option<Callback>);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "set" } else { "not set" })
    }
}
