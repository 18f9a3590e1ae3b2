//! The state that the clients of all documents share: server, session, key, and retry rules.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::{Retry, Session, step_up};
use crate::Secret;
use crate::hooks::Hooks;

/// The state behind a client. Clones share it: signing in with one signs in all.
#[derive(Clone)]
pub struct Core {
    pub(super) shared: Arc<Shared>,
    /// Whether its calls belong to a step-up. Those do not start another one.
    pub(super) is_stepping_up: bool,
}

/// Settings that do not change on sign-in and sign-out.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) base: Url,
    pub(super) http: reqwest::Client,
    pub(super) user_agent: HeaderValue,
    pub(super) api_key: Option<HeaderValue>,
    pub(super) retry: Retry,
    pub(super) hooks: Hooks,
    /// Asks the user for fresh proof.
    pub(super) step_up: Option<step_up::Callback>,
}

pub(super) struct Shared {
    pub(super) settings: Settings,
    /// Never locked across an await.
    session: RwLock<Option<Session>>,
    /// Locked while a renewal is under way.
    pub(super) renewing: tokio::sync::Mutex<()>,
    /// How many renewals have started. A call that waited for one can tell that it was tried.
    pub(super) renewals_begun: AtomicU64,
    /// Locked while a step-up is under way.
    pub(super) stepping_up: tokio::sync::Mutex<()>,
    /// How many step-ups have started, as for renewals.
    pub(super) step_ups_begun: AtomicU64,
    /// How often somebody has signed in or out.
    pub(super) sign_ins: AtomicU64,
}

impl Core {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            is_stepping_up: false,
            shared: Arc::new(Shared {
                settings,
                session: RwLock::new(None),
                renewing: tokio::sync::Mutex::new(()),
                renewals_begun: AtomicU64::new(0),
                stepping_up: tokio::sync::Mutex::new(()),
                step_ups_begun: AtomicU64::new(0),
                sign_ins: AtomicU64::new(0),
            }),
        }
    }

    /// Returns a client state for the same server, settings and connections, with nobody signed in.
    pub(crate) fn new_session(&self) -> Self {
        Self::new(self.shared.settings.clone())
    }

    pub(crate) fn sign_in_with(&self, session: Session) {
        self.shared.set(Some(session));
    }

    pub(crate) fn session(&self) -> Option<Session> {
        self.shared.session()
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.shared.read().is_some()
    }

    pub(crate) fn forget_session(&self) {
        self.shared.set(None);
    }

    pub(crate) fn url(&self) -> &str {
        self.shared.base()
    }
}

impl Shared {
    /// Returns the server's address, without a slash at its end.
    pub(super) fn base(&self) -> &str {
        self.settings.base.as_str().trim_end_matches('/')
    }

    pub(super) fn session(&self) -> Option<Session> {
        self.read().clone()
    }

    /// Signs a user in, or out with `None`.
    fn set(&self, session: Option<Session>) {
        let mut held = self.write();
        self.sign_ins.fetch_add(1, Ordering::AcqRel);
        *held = session;
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Option<Session>> {
        self.session.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Session>> {
        self.session.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the session with the access token `spent` by the next one, unless somebody has
    /// signed in or out meanwhile. Returns whether there is a session with another access token
    /// afterwards.
    pub(super) fn replace(&self, spent: &Secret, next: Option<Session>) -> bool {
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

/// Shows whether there is a session and a key, but nothing of them.
impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.shared.settings;
        formatter
            .debug_struct("Client")
            .field("url", &self.url())
            .field("signed_in", &self.is_signed_in())
            .field("has_api_key", &settings.api_key.is_some())
            .field("retry", &settings.retry)
            .field("step_up", &step_up::Shown(&settings.step_up))
            .finish_non_exhaustive()
    }
}
