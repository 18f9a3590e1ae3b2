//! The start: what is looked at before anything is made, and what is made then, in which order.

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
use crate::store::sealed::{self, Held};
use crate::store::{Engine, Options, Store, Tx, notices};
use crate::vault::{
    Canary, Hasher, Vault, absolute, can_be_made, make_folder, private, refuse_open_to_others,
    warn_of_group,
};

const NEWER: &str = "the database was migrated by a newer version of Countersign; start that one, or restore a backup";

impl App {
    /// Opens keys and database, and makes what is not there; starts the threads that hash and store.
    /// Nothing is made before all that can be seen is known to be well.
    ///
    /// # Errors
    /// When any of them cannot be opened, or the key ring is not the one of this database.
    pub async fn open(settings: Settings, clock: Clock, chance: Chance) -> anyhow::Result<Self> {
        let app = Self::start(settings, clock, chance, |_, _| Ok(()))?;
        app.mark().await?;
        Ok(app)
    }

    /// Opens keys and database that are there; makes nothing.
    ///
    /// # Errors
    /// As [`App::open`]; and when there is no database of this version, or no key file.
    pub async fn open_existing(
        settings: Settings,
        clock: Clock,
        chance: Chance,
    ) -> anyhow::Result<Self> {
        let app = Self::start(settings, clock, chance, must_exist)?;
        app.mark().await?;
        Ok(app)
    }

    /// Brings the database to this version, and makes it where there is none; needs no keys, and makes
    /// none. Says what it made.
    ///
    /// # Errors
    /// When it cannot be reached, is newer than this version, or a migration fails.
    pub fn migrate(settings: &Settings) -> anyhow::Result<Vec<String>> {
        let engine = engine(settings)?;
        let there = see(settings, &engine)?;
        make_database_file(settings)?;
        look::migrate(&engine)?;
        Ok(database_made(settings, &there).into_iter().collect())
    }

    /// What the start made, a sentence each.
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
        // The database first: where it knows keys, their file was there before.
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
        // From here on things are made.
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

    /// Makes sure that the key ring is this database's: each sealing key opens what it sealed here
    /// before, and none that sealed is missing. A new one is known here from now on.
    ///
    /// # Errors
    /// It is not, or the database does not answer.
    pub async fn check_keys(&self) -> anyhow::Result<()> {
        // Somebody may have rotated since the file was read: what the database knows is in it by now.
        self.0.vault.reload_if_changed()?;
        let canaries = self.0.vault.canaries().map_err(said)?;
        let vault = self.0.vault.clone();
        let settle = move |tx: &mut Tx| {
            settle(tx, &vault, &canaries).map_err(|error| Fault::dependency(error).into())
        };
        self.0.write(settle).await.map_err(said)
    }
}

/// Which database the settings name, and how it is reached.
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

/// Looks at the database, and whether it could be made where there is none.
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

/// Where there is no database there is nobody to help; a new one would only hide that this is the wrong
/// folder, or the wrong server.
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
            "the PostgreSQL database {} holds nothing of Countersign's: {run}",
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

/// Settles which keys are this database's, while no other process does. A key file is made only where
/// no key is known, and is on the disk before anybody can use it; it is never taken away again. Who was
/// killed half-way left a file that the next one takes, as nothing was sealed yet.
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

/// Judges the key ring by what the database knows of it, and has the database know all of it.
pub(super) fn settle(tx: &mut Tx, vault: &Vault, canaries: &[Canary]) -> anyhow::Result<()> {
    let known = notices::canaries(tx).map_err(said)?;
    judge_keys(vault, &known)?;
    for (key, _) in known.iter().filter(|(key, _)| vault.is_retired(key)) {
        let beginning = vault.sealed_beginning(key).map_err(said)?;
        let held = sealed::held(tx, &beginning).map_err(said)?;
        if held != Held::default() {
            bail!(
                "{} secrets of authenticator apps and {} waiting messages in this database are sealed with the key {key}, which `keys retire` has removed since: restore the key file from the time of this database, or name it with --key-file",
                held.factors,
                held.letters
            );
        }
        // Whoever retired it was killed before it was forgotten here.
        notices::forget_canary(tx, key).map_err(said)?;
    }
    for canary in canaries {
        if !known.iter().any(|(key, _)| *key == canary.key_id) {
            notices::keep_canary(tx, &canary.key_id, &canary.sealed).map_err(said)?;
        }
    }
    Ok(())
}

/// That the ring has every key that sealed something to be known by, unless it says that it was retired.
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

/// Makes the file of the database, empty and for the owner alone, unless it is there.
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

/// Others may not be able to read the database, or its log files, which take its mode.
fn judge_database_file(path: &Path) -> anyhow::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let told = || format!("the database file {}", shown(Path::new(&name)));
        match fs::metadata(&name) {
            Ok(metadata) => match refuse_open_to_others(&metadata, &told())? {
                // The log files have its mode, and need no word of their own.
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
