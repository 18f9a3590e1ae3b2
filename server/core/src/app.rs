//! Wires the parts together: what flows work with, how they are called, and whether the server is well.

mod start;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{Notify, OnceCell};
use uuid::Uuid;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Settings;
use crate::health::Health;
use crate::model::ids::Id;
use crate::model::{Error, Fault, Result, Time};
use crate::store::{Store, Tx, users};
use crate::vault::{Hasher, PublicKey, Vault};

pub mod backup;
mod epoch;
mod forget;
pub mod readiness;

use epoch::MarkFile;
use readiness::Probe;

/// Seconds that the clock may go back without a warning.
const BACK_SECONDS: u32 = 2;

/// How many users are read at a time to learn what their password hashes cost. It takes some milliseconds.
const LEARN_ROWS: usize = 5000;

/// How long the first passwords wait for that. It is enough for about a million users.
const LEARN_AT_MOST: Duration = Duration::from_secs(7);

/// How long the next few users wait if the database has too much to do.
const LEARN_PAUSE: Duration = Duration::from_secs(1);

/// What flows work with.
pub struct Ctx {
    /// The database.
    pub store: Store,
    /// The keys.
    pub vault: Vault,
    /// The clock.
    pub clock: Clock,
    /// The source of random numbers.
    pub chance: Chance,
    /// The settings, with all limits and lifetimes.
    pub settings: Arc<Settings>,
    /// The queue for password hashing.
    pub hasher: Hasher,
    costs: OnceCell<bool>,
    courier: Arc<Notify>,
    health: Arc<Health>,
    probe: Probe,
    mark: MarkFile,
    /// What the start created, one sentence each.
    made: Vec<String>,
    newest: AtomicI64,
}

impl Ctx {
    /// Returns the present time. If the clock went back, this logs a warning, once each time.
    pub fn now(&self) -> Time {
        let now = self.clock.now();
        let newest = self.newest.fetch_max(now.micros(), Ordering::Relaxed);
        let back = Time::from_micros(newest).seconds_after(now);
        // A smaller step back is a thread that was delayed between reading the clock and this point.
        if back > BACK_SECONDS {
            let known = Ordering::Relaxed;
            let first = self
                .newest
                .compare_exchange(newest, now.micros(), known, known);
            if first.is_ok() {
                tracing::warn!(
                    seconds = back,
                    "the clock went back: waits that began later than now have ended, and app codes that were accepted since then are refused until their time comes again"
                );
            }
        }
        now
    }

    /// Runs a job in one transaction, as [`Store::write`] does.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Tx) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        self.store.write(job)
    }

    /// Runs a job that only reads, as [`Store::read`] does.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Tx) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        self.store.read(job)
    }

    /// Waits for one attempt to learn the costs of the stored password hashes, and returns whether they are
    /// known.
    ///
    /// The attempt reads all users. The start does not wait for it, but the first passwords do, all for the
    /// same attempt, for [`LEARN_AT_MOST`].
    pub async fn learn_costs(&self) -> bool {
        let attempt = || async {
            let learned = tokio::time::timeout(LEARN_AT_MOST, self.learn_costs_now());
            learned.await.unwrap_or(false)
        };
        *self.costs.get_or_init(attempt).await
    }

    /// Learns the costs of the stored password hashes, so that an unknown address takes as long as the most
    /// expensive of them. Returns whether this succeeded.
    ///
    /// Reads a few users at a time: one statement over millions would take longer than a reader may.
    pub async fn learn_costs_now(&self) -> bool {
        let mut next = Some(Id::new(Uuid::nil()));
        while let Some(after) = next {
            let read = self.read(move |tx| users::hash_parameters(tx, after, LEARN_ROWS));
            let (parameters, further) = match read.await {
                Ok(learned) => learned,
                Err(Error::Refused(_)) => {
                    tokio::time::sleep(LEARN_PAUSE).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(
                        ?error,
                        "the cost of the stored password hashes is not known yet: each is learned when it is first used"
                    );
                    return false;
                }
            };
            self.hasher.learn(parameters.iter().map(String::as_str));
            next = further;
        }
        true
    }

    /// Wakes the courier, since there may be something to send.
    pub fn nudge_courier(&self) {
        self.courier.notify_one();
    }
}

/// The whole server, except for its HTTP interface. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Ctx>);

impl App {
    /// Returns what flows work with.
    pub fn ctx(&self) -> &Ctx {
        &self.0
    }

    /// Returns the signal that wakes the courier.
    pub fn courier_wake(&self) -> Arc<Notify> {
        Arc::clone(&self.0.courier)
    }

    /// Returns the place where the courier reports whether it can send.
    pub fn courier_health(&self) -> Arc<Health> {
        Arc::clone(&self.0.health)
    }

    /// Calls a flow. A panic in it becomes a fault of this call only.
    ///
    /// The flow's future is boxed here: actix moves a handler's future six times, and a flow's takes kilobytes.
    ///
    /// # Errors
    /// Returns the flow's refusals and faults.
    pub async fn call<T, F>(&self, flow: F) -> Result<T>
    where
        F: AsyncFnOnce(&Ctx) -> Result<T>,
    {
        caught(flow(&self.0).boxed_local()).await
    }

    /// Calls a flow with its command, as [`Self::call`] does.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn run<C, T, F>(&self, flow: F, command: C) -> Result<T>
    where
        F: AsyncFnOnce(&Ctx, C) -> Result<T>,
    {
        caught(flow(&self.0, command).boxed_local()).await
    }

    /// Returns the public keys that verify access tokens now.
    pub fn jwks(&self) -> Vec<PublicKey> {
        self.0.vault.jwks(self.0.now())
    }

    /// Logs a warning if the newest signing key is old.
    pub fn remind_of_keys(&self) {
        let days = self.0.settings.signing_key_days;
        let due = self
            .0
            .vault
            .signs_since()
            .plus_seconds(i64::from(days) * 86_400);
        if due <= self.0.now() {
            tracing::warn!(
                days,
                "the signing key is old: run `countersign keys rotate`"
            );
        }
    }
}

/// Turns a panic of a flow into a fault.
async fn caught<T>(flow: LocalBoxFuture<'_, Result<T>>) -> Result<T> {
    let ended = AssertUnwindSafe(flow).catch_unwind().await;
    ended.unwrap_or_else(|_| Err(Fault::bug(anyhow::anyhow!("a flow panicked")).into()))
}

/// Turns an error of the store or the vault into one for the operator.
fn said(error: crate::model::Error) -> anyhow::Error {
    match error {
        crate::model::Error::Fault(fault) => fault.cause,
        crate::model::Error::Refused(refusal) => anyhow::anyhow!("{}", refusal.sentence()),
    }
}
