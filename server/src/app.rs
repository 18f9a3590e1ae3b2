//! Wires the parts together, once: what flows work with, how they are called, and whether all is well.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Settings};
use crate::courier::Health;
use crate::model::{Fault, Result, Time};
use crate::store::{Engine, Options, Store, Tx, notices};
use crate::vault::{Hasher, PublicKey, Vault, make_folder, private, refuse_open_to_others};

pub mod backup;
mod epoch;
mod forget;
mod readiness;

use epoch::MarkFile;
use readiness::Probe;

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
    health: Arc<Health>,
    probe: Probe,
    mark: MarkFile,
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
        if let DatabaseUrl::Sqlite(path) = &settings.database_url {
            make_private_file(path)?;
        }
        let engine = engine(&settings)?;
        let options = Options {
            connections: settings.database_threads as usize,
            queue: settings.database_queue as usize,
            acquire: Duration::from_secs(u64::from(settings.database_timeout_seconds)),
        };
        let app = Self(Arc::new(Ctx {
            store: Store::open(&engine, options)?,
            hasher: Hasher::start(&settings, &chance)?,
            vault,
            probe: Probe::new(*chance.id::<Probe>(clock.now()).as_bytes()),
            clock,
            chance,
            mark: MarkFile::beside(&settings.key_file),
            settings: Arc::new(settings),
            courier: Arc::new(Notify::new()),
            health: Arc::default(),
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
        app.mark().await?;
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
}

/// Which database the settings name, and how it is reached.
fn engine(settings: &Settings) -> anyhow::Result<Engine> {
    Ok(match &settings.database_url {
        DatabaseUrl::Sqlite(path) => Engine::Sqlite(
            path.to_str()
                .context("database_url must be UTF-8")?
                .to_owned(),
        ),
        DatabaseUrl::Postgres(url) if settings.database_statement_cache => {
            Engine::Postgres(url.expose().clone())
        }
        DatabaseUrl::Postgres(url) => Engine::Pooled(url.expose().clone()),
    })
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
