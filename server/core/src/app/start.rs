//! The start: first checks everything that can be checked, then creates what is missing, in a fixed order.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::{Notify, OnceCell};

use super::epoch::MarkFile;
use super::readiness::Probe;
use super::{App, Ctx, said};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Settings};
use crate::model::Fault;
use crate::store::conn::SchemaState;
use crate::store::look::{self, Look, look};
use crate::store::sealed::{self, SealedCounts};
use crate::store::{Engine, Options, Store, Tx, notices};
use crate::vault::{
    Canary, Hasher, Vault, absolute, can_be_made, make_folder, private, refuse_open_to_others,
    warn_of_group,
};

const NEWER: &str = "the database was migrated by a newer version of Countersign: start that version, or restore a backup";

impl App {
    /// Opens the keys and the database, creates what is missing, and starts the threads for hashing and the
    /// database. Nothing is created before all checks have passed.
    ///
    /// # Errors
    /// Returns an error if the keys or the database cannot be opened, or if they do not belong together.
    pub async fn open(settings: Settings, clock: Clock, chance: Chance) -> anyhow::Result<Self> {
        let app = Self::start(settings, clock, chance, |_, _| Ok(()))?;
        app.mark().await?;
        Ok(app)
    }

    /// Opens keys and a database that exist. Creates nothing.
    ///
    /// # Errors
    /// As [`App::open`]. Also returns an error if there is no database of this version, or no key file.
    pub async fn open_existing(
        settings: Settings,
        clock: Clock,
        chance: Chance,
    ) -> anyhow::Result<Self> {
        let app = Self::start(settings, clock, chance, must_exist)?;
        app.mark().await?;
        Ok(app)
    }

    /// Brings the database to this version, and creates it if there is none. It needs no keys and creates
    /// none. Returns what it created, one sentence each.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached or is newer than this version, or a migration
    /// fails.
    pub fn migrate(settings: &Settings) -> anyhow::Result<Vec<String>> {
        let engine = engine(settings)?;
        let there = see(settings, &engine)?;
        make_database_file(settings)?;
        look::migrate(&engine)?;
        Ok(database_made(settings, &there).into_iter().collect())
    }

    /// Returns the state of the database's schema; `None` if there is no database yet. Creates and changes
    /// nothing.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached, or if the server could not create it.
    pub fn look(settings: &Settings) -> anyhow::Result<Option<SchemaState>> {
        Ok(see(settings, &engine(settings)?)?.schema)
    }

    /// Returns what the start created, one sentence each.
    pub fn made(&self) -> &[String] {
        &self.0.made
    }

    fn start(
        settings: Settings,
        clock: Clock,
        chance: Chance,
        judge: impl FnOnce(&Settings, &Look) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let engine = engine(&settings)?;
        // The database comes first. If it knows keys, a key file existed before.
        let there = see(&settings, &engine)?;
        judge(&settings, &there)?;
        let mut vault = Vault::find(&settings, &chance)?;
        match &vault {
            Some(vault) => judge_keys(vault, &there.canaries)?,
            None if there.canaries.is_empty() => {
                can_be_made(&settings.key_file).context("the key file (setting key_file)")?;
            }
            None => return Err(keys_are_missing(&settings)),
        }
        let hasher = Hasher::start(&settings, &chance)?;
        // From here on, things are created.
        make_database_file(&settings)?;
        let mut made: Vec<String> = database_made(&settings, &there).into_iter().collect();
        let options = Options {
            connections: settings.database_threads as usize,
            queue: settings.database_queue as usize,
            acquire: Duration::from_secs(u64::from(settings.database_timeout_seconds)),
        };
        let store = Store::open_agreed(&engine, options, |tx| {
            let (agreed, new) = agree(tx, vault.take(), &settings, &clock, &chance)?;
            if new {
                let path = absolute(&settings.key_file);
                made.push(format!("Made the key file {}.", path.display()));
            }
            vault = Some(agreed);
            Ok(())
        })?;
        Ok(Self(Arc::new(Ctx {
            store,
            hasher,
            costs: OnceCell::new(),
            vault: vault.context("the keys were not opened")?,
            probe: Probe::new(*chance.id::<Probe>(clock.now()).as_bytes()),
            clock,
            chance,
            mark: MarkFile::of(&settings),
            settings: Arc::new(settings),
            courier: Arc::new(Notify::new()),
            health: Arc::default(),
            newest: AtomicI64::new(i64::MIN),
            made,
        })))
    }

    /// Checks that the key ring belongs to this database: each key opens what it sealed here, and no key that
    /// sealed something is missing. The database then also knows the new keys.
    ///
    /// # Errors
    /// Returns an error if the check fails or the database does not answer.
    pub async fn check_keys(&self) -> anyhow::Result<()> {
        // The keys may have been rotated since the file was read. The file now has all keys that the database
        // knows.
        self.0.vault.reload_if_changed()?;
        let canaries = self.0.vault.canaries().map_err(said)?;
        let vault = self.0.vault.clone();
        let settle = move |tx: &mut Tx| {
            settle(tx, &vault, &canaries).map_err(|error| Fault::dependency(error).into())
        };
        self.0.write(settle).await.map_err(said)
    }
}

/// Returns which database the settings name, and how it is reached.
pub(super) fn engine(settings: &Settings) -> anyhow::Result<Engine> {
    Ok(match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.to_str().context("database_url must be UTF-8")?;
            Engine::Sqlite(path.to_owned())
        }
        DatabaseUrl::Postgres(url) if settings.database_statement_cache => {
            Engine::Postgres(url.expose().clone())
        }
        DatabaseUrl::Postgres(url) => Engine::Pooled(url.expose().clone()),
    })
}

/// Reads the state of the database, and checks that it could be created if there is none.
fn see(settings: &Settings, engine: &Engine) -> anyhow::Result<Look> {
    if let DatabaseUrl::Sqlite(path) = &settings.database_url {
        if path.exists() {
            judge_database_file(path)?;
        } else {
            let told = || format!("the database file {}", shown(path));
            let folder = path.parent().is_none_or(|folder| {
                folder.as_os_str().is_empty()
                    || folder.is_dir()
                    || folder.starts_with(&settings.data_dir)
            });
            if !folder {
                bail!(
                    "{}: its folder does not exist: make it, or name another file",
                    told()
                );
            }
            can_be_made(path).with_context(told)?;
        }
    }
    let there = look(engine)?;
    match there.schema {
        Some(SchemaState::Ahead) => bail!(NEWER),
        _ => Ok(there),
    }
}

/// Checks that the database and the key file exist. A new database would only hide that this is the wrong
/// folder or the wrong server.
fn must_exist(settings: &Settings, there: &Look) -> anyhow::Result<()> {
    let run = "run this where the server runs, or say --data-dir or --database-url; `countersign serve` and `countersign migrate` make one";
    match (there.schema, &settings.database_url) {
        (None, DatabaseUrl::Sqlite(path)) => {
            bail!(
                "there is no database at {}: {run}",
                absolute(path).display()
            )
        }
        (None, DatabaseUrl::Postgres(_)) => bail!(
            "the PostgreSQL database {} has no tables of Countersign: {run}",
            there.name.as_deref().unwrap_or_default()
        ),
        (Some(SchemaState::Behind), _) => bail!(
            "the database is of an earlier version of Countersign: run `countersign migrate` first"
        ),
        (Some(_), _) if !settings.key_file.exists() => Err(keys_are_missing(settings)),
        (Some(_), _) => Ok(()),
    }
}

fn keys_are_missing(settings: &Settings) -> anyhow::Error {
    anyhow::anyhow!(
        "the key file {} (setting key_file) does not exist, but this database needs it: restore the one that belongs to it, or say --key-file",
        absolute(&settings.key_file).display()
    )
}

/// Agrees on this database's keys, while no other process does so. A key file is created only if the database
/// knows no key. It is on the disk before it is used, and never deleted. If a process is killed half-way, the
/// next one uses its file, since nothing was sealed yet.
fn agree(
    tx: &mut Tx,
    found: Option<Vault>,
    settings: &Settings,
    clock: &Clock,
    chance: &Chance,
) -> anyhow::Result<(Vault, bool)> {
    let mut new = false;
    let vault = match found {
        Some(vault) => {
            vault.reload_if_changed()?;
            vault
        }
        None => {
            if notices::canaries(tx).map_err(said)?.is_empty() {
                new = Vault::make(settings, clock, chance)?;
            }
            Vault::find(settings, chance)?.ok_or_else(|| keys_are_missing(settings))?
        }
    };
    settle(tx, &vault, &vault.canaries().map_err(said)?)?;
    Ok((vault, new))
}

/// Checks the key ring against the keys that the database knows, and then stores the new ones there.
pub(super) fn settle(tx: &mut Tx, vault: &Vault, canaries: &[Canary]) -> anyhow::Result<()> {
    let known = notices::canaries(tx).map_err(said)?;
    judge_keys(vault, &known)?;
    for (key, _) in known.iter().filter(|(key, _)| vault.is_retired(key)) {
        let beginning = vault.sealed_beginning(key).map_err(said)?;
        let held = sealed::counts_of_key(tx, &beginning).map_err(said)?;
        if held != SealedCounts::default() {
            bail!(
                "{} secrets of authenticator apps and {} waiting messages in this database are sealed with the key {key}, which `keys retire` has removed since: restore the key file from the time of this database, or name it with --key-file",
                held.factors,
                held.letters
            );
        }
        // `keys retire` was killed before it removed the key here.
        notices::forget_canary(tx, key).map_err(said)?;
    }
    for canary in canaries {
        if !known.iter().any(|(key, _)| *key == canary.key_id) {
            notices::keep_canary(tx, &canary.key_id, &canary.sealed).map_err(said)?;
        }
    }
    Ok(())
}

/// Checks that the ring has all keys that sealed something, except those it lists as retired.
fn judge_keys(vault: &Vault, known: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    known
        .iter()
        .filter(|(key, _)| !vault.is_retired(key))
        .try_for_each(|(key, sealed)| vault.check_canary(key, sealed))
}

fn database_made(settings: &Settings, there: &Look) -> Option<String> {
    if there.schema.is_some() {
        return None;
    }
    Some(match &settings.database_url {
        DatabaseUrl::Sqlite(path) => format!("Made the database {}.", absolute(path).display()),
        DatabaseUrl::Postgres(_) => format!(
            "Made the tables in the PostgreSQL database {}.",
            there.name.as_deref().unwrap_or_default()
        ),
    })
}

fn shown(path: &Path) -> String {
    format!(
        "{} (setting database_url, flag --database-url)",
        absolute(path).display()
    )
}

/// Creates an empty database file that only its owner can read, unless it exists.
fn make_database_file(settings: &Settings) -> anyhow::Result<()> {
    let DatabaseUrl::Sqlite(path) = &settings.database_url else {
        return Ok(());
    };
    let told = || format!("the database file {}", shown(path));
    if path.starts_with(&settings.data_dir)
        && let Some(folder) = path.parent()
    {
        make_folder(folder).with_context(told)?;
    }
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(told),
    }
}

/// Refuses a database that others can read. Its log files are checked too, since they get its mode.
fn judge_database_file(path: &Path) -> anyhow::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let told = || format!("the database file {}", shown(Path::new(&name)));
        match fs::metadata(&name) {
            Ok(metadata) => match refuse_open_to_others(&metadata, &told())? {
                // The log files have the same mode, so one warning is enough.
                Some(mode) if end.is_empty() => warn_of_group(mode, &told()),
                Some(_) | None => {}
            },
            Err(error) if error.kind() == ErrorKind::NotFound && !end.is_empty() => {}
            Err(error) => return Err(error).with_context(told),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{App, Chance, Clock, Settings};

    #[tokio::test]
    async fn nobody_is_helped_in_the_wrong_folder() {
        let nowhere = Settings::for_test(Path::new("/nonexistent")).expect("settings");
        let told = App::open_existing(nowhere, Clock::System, Chance::seeded(1)).await;
        let told = told.err().expect("refused").to_string();
        assert!(
            told.contains("no database at /nonexistent/countersign.db"),
            "{told}"
        );
    }
}
