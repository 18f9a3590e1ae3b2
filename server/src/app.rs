//! Wires the parts together, once: what flows work with, how they are called, and whether all is well.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Settings};
use crate::model::{Fault, Result, Time};
use crate::store::conn::SchemaState;
use crate::store::{
    Engine, Options, Store, Tx, api_keys, audit, challenges, code_sets, limits, notices, passkeys,
    registrations, sessions, users,
};
use crate::vault::{Hasher, PublicKey, Vault, make_folder, private, refuse_open_to_others};

/// How many rows one purge deletes in one write: past it, others would wait for it.
const PURGE_BATCH: i64 = 1000;
/// Seconds that the clock may go back without a word.
const BACK_SECONDS: u32 = 2;
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
    /// Opens keys and database, migrates, and starts the threads that hash and store.
    ///
    /// # Errors
    /// When any of them cannot be opened, or the key ring is not the one of this database.
    pub async fn open(settings: Settings, clock: Clock, chance: Chance) -> anyhow::Result<Self> {
        make_folder(&settings.data_dir)
            .with_context(|| format!("cannot make the folder {}", settings.data_dir.display()))?;
        let keys_are_new = !settings.key_file.exists();
        let key_file = settings.key_file.clone();
        let vault = Vault::open(&settings, &clock, &chance)?;
        let engine = match &settings.database_url {
            DatabaseUrl::Sqlite(path) => {
                make_private_file(path)?;
                Engine::Sqlite(
                    path.to_str()
                        .context("database_url must be UTF-8")?
                        .to_owned(),
                )
            }
            DatabaseUrl::Postgres(url) => Engine::Postgres(url.expose().clone()),
        };
        let options = Options {
            connections: settings.database_threads as usize,
            queue: settings.database_queue as usize,
            acquire: Duration::from_secs(u64::from(settings.database_timeout_seconds)),
        };
        let app = Self(Arc::new(Ctx {
            store: Store::open(&engine, options)?,
            hasher: Hasher::start(&settings, &chance)?,
            vault,
            clock,
            chance,
            settings: Arc::new(settings),
            courier: Arc::new(Notify::new()),
            newest: AtomicI64::new(i64::MIN),
        }));
        if keys_are_new
            && !app
                .0
                .read(notices::canary_keys)
                .await
                .map_err(said)?
                .is_empty()
        {
            // Made a moment ago, for a database that has keys: it must not be taken for theirs.
            std::fs::remove_file(&key_file)?;
            anyhow::bail!(
                "the key file {} does not exist, but this database needs it: restore the one that belongs to it",
                key_file.display()
            );
        }
        app.check_keys().await?;
        Ok(app)
    }

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

    /// Learns what the kept password hashes cost, so that an unknown address costs as much as the dearest
    /// of them (N-079).
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn learn_costs(&self) -> Result<()> {
        let parameters = self.0.read(users::hash_parameters).await?;
        self.0.hasher.learn(parameters.iter().map(String::as_str));
        Ok(())
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

    /// Makes sure that the key ring is this database's: each sealing key opens what it sealed here
    /// before, and none that sealed is missing. A new one is known here from now on.
    ///
    /// # Errors
    /// It is not, or the database does not answer.
    pub async fn check_keys(&self) -> anyhow::Result<()> {
        let known = self.0.read(notices::canary_keys).await.map_err(said)?;
        // Somebody may have rotated since the file was read: what the database knows is in it by now.
        self.0.vault.reload_if_changed()?;
        let canaries = self.0.vault.canaries().map_err(said)?;
        for key in &known {
            if !canaries.iter().any(|canary| canary.key_id == *key) {
                anyhow::bail!(
                    "the key file lacks the sealing key {key} of this database: restore the key file that belongs to it"
                );
            }
        }
        for canary in canaries {
            let id = canary.key_id.clone();
            let kept = self
                .0
                .read(move |tx| notices::canary(tx, &id))
                .await
                .map_err(said)?;
            match kept {
                Some(sealed) => self.0.vault.check_canary(&canary.key_id, &sealed)?,
                None => {
                    let keep =
                        move |tx: &mut Tx| notices::keep_canary(tx, &canary.key_id, &canary.sealed);
                    self.0.write(keep).await.map_err(said)?;
                }
            }
        }
        Ok(())
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

/// Makes the file, empty and for the owner alone, unless it is there: then others may not be able to
/// read it or its log files, which take its mode.
fn make_private_file(path: &Path) -> anyhow::Result<()> {
    let made = private(OpenOptions::new().write(true).create_new(true)).open(path);
    let told = |path: &Path| format!("the database file {}", path.display());
    match made {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| told(path)),
    }
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let path = Path::new(&name);
        match fs::metadata(path) {
            Ok(metadata) => refuse_open_to_others(&metadata, &told(path))?,
            Err(error) if error.kind() == ErrorKind::NotFound && !end.is_empty() => {}
            Err(error) => return Err(error).with_context(|| told(path)),
        }
    }
    Ok(())
}
