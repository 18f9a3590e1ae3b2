//! Wires the parts together, once: what flows work with, how they are called, and whether all is well.

mod start;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Settings;
use crate::model::{Fault, Result, Time};
use crate::store::conn::SchemaState;
use crate::store::{
    Store, Tx, api_keys, audit, challenges, code_sets, limits, notices, passkeys, registrations,
    sessions,
};
use crate::vault::{Hasher, PublicKey, Vault};

/// How many rows one purge deletes in one write: past it, others would wait for it.
const PURGE_BATCH: i64 = 1000;
/// How long counters of wrong passwords are kept after the last try.
const KEEP_PASSWORD_ATTEMPTS: i64 = 86_400;

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
    courier: Arc<Notify>,
    /// What the start made, a sentence each.
    made: Vec<String>,
}

impl Ctx {
    /// The time.
    pub fn now(&self) -> Time {
        self.clock.now()
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

    /// Wakes the courier: there may be something to send.
    pub fn nudge_courier(&self) {
        self.courier.notify_one();
    }
}

/// Whether the parts are well: `ok`, or one word on what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// `ok` or `unreachable`.
    pub database: &'static str,
    /// `ok`, `behind` or `ahead`.
    pub migrations: &'static str,
    /// `ok` or `full`.
    pub courier: &'static str,
}

impl Readiness {
    /// Whether all of them are.
    pub fn is_ready(&self) -> bool {
        [self.database, self.migrations, self.courier] == ["ok"; 3]
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

    /// Asks the operator, in the log, for a new signing key when the newest is old (P-35).
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

    /// Asks the parts how they are.
    pub async fn readiness(&self) -> Readiness {
        let schema = self.0.store.schema_state().await;
        let queued = self.0.read(notices::queued).await;
        let room = |queued: i64| queued < i64::from(self.0.settings.policy.courier_queue);
        Readiness {
            database: if schema.is_ok() { "ok" } else { "unreachable" },
            migrations: match schema {
                Ok(SchemaState::Behind) => "behind",
                Ok(SchemaState::Ahead) => "ahead",
                Ok(SchemaState::Current) | Err(_) => "ok",
            },
            courier: if queued.is_ok_and(|queued| !room(queued)) {
                "full"
            } else {
                "ok"
            },
        }
    }

    /// Forgets what is over (P-46), a batch at a time, so that nobody waits long.
    ///
    /// # Errors
    /// A fault when the database does not answer; the next purge takes up where this one stopped.
    pub async fn purge(&self) -> Result<()> {
        let ctx = &self.0;
        let now = ctx.now();
        let policy = &ctx.settings.policy;
        let before = |seconds: u32| now.plus_seconds(-i64::from(seconds));
        let ended = before(policy.keep_challenges_seconds);
        let sessions_ended = before(policy.keep_sessions_seconds);
        let audited = before(policy.keep_audit_seconds);
        ctx.write(move |tx| {
            limits::delete_over(tx, now)?;
            limits::delete_idle_password_attempts(tx, now.plus_seconds(-KEEP_PASSWORD_ATTEMPTS))?;
            api_keys::delete_expired(tx, sessions_ended)?;
            passkeys::delete_over(tx, now)?;
            code_sets::delete_over(tx, ended, PURGE_BATCH)?;
            notices::delete_over(tx, ended)
        })
        .await?;
        loop {
            // Found by a reader, since looking takes long; deleted by the writer, which does not.
            let over = ctx
                .read(move |tx| {
                    Ok((
                        challenges::over(tx, ended, PURGE_BATCH)?,
                        registrations::over(tx, ended, PURGE_BATCH)?,
                        sessions::over(tx, sessions_ended, PURGE_BATCH)?,
                        audit::older(tx, audited, PURGE_BATCH)?,
                    ))
                })
                .await?;
            if over.0.is_empty() && over.1.is_empty() && over.2.is_empty() && over.3.is_empty() {
                return Ok(());
            }
            ctx.write(move |tx| {
                over.0
                    .iter()
                    .try_for_each(|&(user, id)| challenges::delete(tx, user, id))?;
                over.1
                    .iter()
                    .try_for_each(|&id| registrations::delete(tx, id))?;
                over.2
                    .iter()
                    .try_for_each(|&(user, id)| sessions::delete(tx, user, id))?;
                over.3
                    .iter()
                    .try_for_each(|&(user, id)| audit::delete(tx, user, id))
            })
            .await?;
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
