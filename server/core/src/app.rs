//! Wires the parts together, once: what flows work with, how they are called, and whether all is well.

mod start;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::FutureExt;
use tokio::sync::{Notify, OnceCell};

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Settings;
use crate::health::Health;
use crate::model::{Fault, Result, Time};
use crate::store::{Store, Tx, users};
use crate::vault::{Hasher, PublicKey, Vault};

pub mod backup;
mod epoch;
mod forget;
mod readiness;

use epoch::MarkFile;
use readiness::Probe;

/// Seconds that the clock may go back without a word.
const BACK_SECONDS: u32 = 2;

/// What flows work with.
pub struct Ctx {
    /// What is remembered.
    pub store: Store,
    /// Keys.
    pub vault: Vault,
    /// Time.
    pub clock: Clock,
    /// Random numbers.
    pub chance: Chance,
    /// Settings, limits and lifetimes among them.
    pub settings: Arc<Settings>,
    /// Password hashing.
    pub hasher: Hasher,
    costs: OnceCell<bool>,
    courier: Arc<Notify>,
    health: Arc<Health>,
    probe: Probe,
    mark: MarkFile,
    /// What the start made, a sentence each.
    made: Vec<String>,
    newest: AtomicI64,
}

impl Ctx {
    /// The time. A clock that went back is told in the log, once each time.
    pub fn now(&self) -> Time {
        let now = self.clock.now();
        let newest = self.newest.fetch_max(now.micros(), Ordering::Relaxed);
        let back = Time::from_micros(newest).seconds_after(now);
        // Less is a thread that had to wait between its look at the clock and here.
        if back > BACK_SECONDS {
            let known = Ordering::Relaxed;
            let first = self
                .newest
                .compare_exchange(newest, now.micros(), known, known);
            if first.is_ok() {
                tracing::warn!(
                    seconds = back,
                    "the clock went back: waits that began later than now are over, codes of apps that were accepted since are not taken before their time has come again"
                );
            }
        }
        now
    }

    /// Runs a job in one transaction; see [`Store::write`].
    ///
    /// # Errors
    /// As there.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.write(job).await
    }

    /// Runs a job that only reads; see [`Store::read`].
    ///
    /// # Errors
    /// As there.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.read(job).await
    }

    /// Waits until it was tried once to learn what the kept password hashes cost; whether they are known by then.
    ///
    /// It reads all users: the start does not wait for it, the first passwords do, all for the same attempt.
    pub async fn learn_costs(&self) -> bool {
        *self.costs.get_or_init(|| self.learn_costs_now()).await
    }

    /// Learns what the kept password hashes cost, so that an unknown address costs as much time as the dearest of them;
    /// whether that went well.
    pub async fn learn_costs_now(&self) -> bool {
        match self.read(users::hash_parameters).await {
            Ok(parameters) => {
                self.hasher.learn(parameters.iter().map(String::as_str));
                true
            }
            Err(error) => {
                tracing::warn!(
                    ?error,
                    "what the kept password hashes cost is not known yet: each is learnt when it is met"
                );
                false
            }
        }
    }

    /// Wakes the courier: there may be something to send.
    pub fn nudge_courier(&self) {
        self.courier.notify_one();
    }
}

/// The whole server but its doors; clones share it.
#[derive(Clone)]
pub struct App(Arc<Ctx>);

impl App {
    /// What flows work with.
    pub fn ctx(&self) -> &Ctx {
        &self.0
    }

    /// What wakes the courier.
    pub fn courier_wake(&self) -> Arc<Notify> {
        Arc::clone(&self.0.courier)
    }

    /// What the courier tells how it does.
    pub fn courier_health(&self) -> Arc<Health> {
        Arc::clone(&self.0.health)
    }

    /// Calls a flow. A panic in it is a fault of this call, and nobody else's.
    ///
    /// # Errors
    /// What the flow refuses, and faults.
    pub async fn call<T, F>(&self, flow: F) -> Result<T>
    where
        F: AsyncFnOnce(&Ctx) -> Result<T>,
    {
        match AssertUnwindSafe(flow(&self.0)).catch_unwind().await {
            Ok(result) => result,
            Err(_) => Err(Fault::bug(anyhow::anyhow!("a flow panicked")).into()),
        }
    }

    /// The public keys that verify our tokens now.
    pub fn jwks(&self) -> Vec<PublicKey> {
        self.0.vault.jwks(self.0.now())
    }

    /// Asks the operator, in the log, for a new signing key when the newest is old.
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

/// An error of the store or the vault, for the operator at the start.
fn said(error: crate::model::Error) -> anyhow::Error {
    match error {
        crate::model::Error::Fault(fault) => fault.cause,
        crate::model::Error::Refused(refusal) => anyhow::anyhow!("{}", refusal.sentence()),
    }
}
