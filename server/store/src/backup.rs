//! Copies an SQLite database while it is in use, and restores a copy without losing what the
//! replaced database still knows.

use std::path::Path;

use anyhow::{Context, bail};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::conn::{self, Use};
use super::epoch::{self, EpochInput, NewEpoch, cause};
use super::{Engine, Tx, notices};
use crate::model::Time;
use crate::model::mark::Mark;

/// Copies the database into the empty file `to`, as of one moment, while others read and write.
///
/// # Errors
/// Fails if the database cannot be read or the file cannot be written.
pub fn copy(database: &Path, to: &Path) -> anyhow::Result<()> {
    let mut conn = sqlite(database, "PRAGMA busy_timeout = 5000")?;
    sql_query("VACUUM INTO ?")
        .bind::<Text, _>(text(to)?)
        .execute(&mut conn)
        .with_context(|| format!("cannot copy {} into {}", database.display(), to.display()))?;
    drop(conn);
    check(to).with_context(|| format!("the copy {} cannot be used", to.display()))
}

/// Checks that a file is a complete Countersign database.
///
/// # Errors
/// Fails if it is not one, or if it cannot be read.
pub fn check(file: &Path) -> anyhow::Result<()> {
    let told = "it is not a complete database of Countersign";
    // SQLite would create a missing file.
    if !file.try_exists()? {
        bail!("there is no file {}", file.display());
    }
    let mut conn = sqlite(file, "PRAGMA busy_timeout = 5000").context(told)?;
    let found: Vec<QuickCheckLine> = sql_query("PRAGMA quick_check")
        .load(&mut conn)
        .context(told)?;
    if found.iter().any(|line| line.quick_check != "ok") {
        bail!(told);
    }
    sql_query("SELECT 1 FROM users LIMIT 1")
        .execute(&mut conn)
        .context(told)?;
    Ok(())
}

/// Marks the database once more, so that the copy just made is older than it. Returns the new mark,
/// or `None` without marking if another version's schema is in place.
///
/// # Errors
/// Fails if the database does not answer.
pub fn mark(engine: &Engine, fresh: &str) -> anyhow::Result<Option<Mark>> {
    let mut conn = conn::open(engine, Use::Checkpoint)?;
    if conn::schema_state(&mut conn)? != conn::SchemaState::Current {
        return Ok(None);
    }
    epoch::advance(&mut Tx { conn }, fresh)
        .map(Some)
        .map_err(cause)
}

/// Checks that nobody has the database open, and turns it into a single file.
///
/// # Errors
/// Fails if somebody has it open, or if it cannot be read.
pub fn close(database: &Path) -> anyhow::Result<()> {
    let mut conn = sqlite(database, "PRAGMA busy_timeout = 500")?;
    let closed: Result<Mode, _> = sql_query("PRAGMA journal_mode = DELETE").get_result(&mut conn);
    match closed {
        Ok(mode) if mode.journal_mode == "delete" => Ok(()),
        Ok(_) | Err(diesel::result::Error::DatabaseError(..)) => bail!(
            "the database {} is in use: stop the server first",
            database.display()
        ),
        Err(error) => Err(error.into()),
    }
}

/// What the replaced database recorded after the backup was made.
#[derive(Clone, Debug, Default)]
pub struct LaterChanges {
    /// Recovery and scratch codes that were used since. They stay used.
    pub codes_used: usize,
    /// Sets of such codes that ended since. They stay ended.
    pub sets_ended: usize,
    /// API keys that were deleted since. They stay deleted.
    pub keys_deleted: usize,
    /// Addresses of users whose password changed since. The backup's password counts again.
    pub passwords: Vec<String>,
    /// Addresses, as in the backup, of users who have another one since. The backup's address counts again.
    pub addresses: Vec<String>,
    /// Addresses of users who had a factor removed since. The factor is there again.
    pub factors: Vec<String>,
    /// Addresses of accounts that were deleted since. They are there again.
    pub accounts: Vec<String>,
}

/// A copy that is about to replace a database.
pub struct Restoring {
    engine: Engine,
    tx: Tx,
}

impl Restoring {
    /// Opens the copy and brings its schema up to this version.
    ///
    /// # Errors
    /// Fails if it cannot be opened, is newer than this version, or a migration fails.
    pub fn open(engine: Engine) -> anyhow::Result<Self> {
        let mut conn = conn::open(&engine, Use::Write)?;
        conn::migrate(&mut conn)?;
        Ok(Self {
            engine,
            tx: Tx { conn },
        })
    }

    /// Returns the sealing keys that were used in this database, each with its canary.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub fn canaries(&mut self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        notices::canaries(&mut self.tx).map_err(cause)
    }

    /// Lets `judge` check what is in the database.
    ///
    /// # Errors
    /// Returns the error of `judge`.
    pub fn judge<T>(
        &mut self,
        judge: impl FnOnce(&mut Tx) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        judge(&mut self.tx)
    }

    /// Copies from the database that is replaced what happened since the backup. Whatever can be
    /// used only once stays used. Other changes are only reported.
    ///
    /// # Errors
    /// Fails if that database cannot be read. Nothing is copied then.
    pub fn catch_up(&mut self, from: &Path, now: Time) -> anyhow::Result<LaterChanges> {
        let conn::Conn::Sqlite(conn) = &mut self.tx.conn else {
            bail!("only an SQLite database can be learned from");
        };
        sql_query("ATTACH DATABASE ? AS after")
            .bind::<Text, _>(text(from)?)
            .execute(conn)?;
        conn.batch_execute("BEGIN IMMEDIATE")?;
        let changes = copy_changes(conn, now);
        let end = if changes.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        conn.batch_execute(end)?;
        conn.batch_execute("DETACH DATABASE after")?;
        changes
    }

    /// Begins the new epoch.
    ///
    /// # Errors
    /// Fails if the database cannot store it.
    pub fn begin(self, beginning: &EpochInput) -> anyhow::Result<NewEpoch> {
        let (begun, _tx) = epoch::begin_on(self.tx, &self.engine, beginning)?;
        begun.context("the database went back, and began no epoch")
    }
}

/// Returns how far a database had come, if it records that. Does not change the database.
///
/// # Errors
/// Fails if it cannot be read.
pub fn mark_of(database: &Path) -> anyhow::Result<Option<Mark>> {
    let mut conn = sqlite(
        database,
        "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON",
    )?;
    let found: Result<Vec<MarkRow>, _> =
        sql_query("SELECT database_id, epoch, sequence FROM server_state").load(&mut conn);
    let first = found.unwrap_or_default().into_iter().next();
    Ok(first.map(|row| Mark {
        database_id: row.database_id,
        epoch: row.epoch,
        sequence: row.sequence,
    }))
}

fn copy_changes(conn: &mut SqliteConnection, now: Time) -> anyhow::Result<LaterChanges> {
    let since = "SELECT 1 FROM after.";
    // For codes, time steps and passkey counters, the later state counts.
    let codes_used = sql_query(format!(
        "UPDATE main.recovery_codes SET used_at = {now} WHERE used_at IS NULL AND EXISTS ({since}recovery_codes AS then_ \
         WHERE then_.user_id = recovery_codes.user_id AND then_.set_id = recovery_codes.set_id \
         AND then_.ordinal = recovery_codes.ordinal AND then_.used_at IS NOT NULL)",
        now = now.micros()
    ))
    .execute(conn)?;
    let sets_ended = sql_query(format!(
        "UPDATE main.code_sets SET ended_at = {now} WHERE live_at IS NOT NULL AND ended_at IS NULL AND NOT EXISTS ({since}code_sets AS then_ \
         WHERE then_.user_id = code_sets.user_id AND then_.id = code_sets.id AND then_.ended_at IS NULL)",
        now = now.micros()
    ))
    .execute(conn)?;
    let keys_deleted = sql_query(format!(
        "DELETE FROM main.api_keys WHERE NOT EXISTS ({since}api_keys AS then_ \
         WHERE then_.user_id = api_keys.user_id AND then_.id = api_keys.id)"
    ))
    .execute(conn)?;
    for column in ["last_step", "sign_count", "told_step"] {
        sql_query(format!(
            "UPDATE main.factors SET {column} = (SELECT max(coalesce(factors.{column}, then_.{column}), then_.{column}) \
             FROM after.factors AS then_ WHERE then_.user_id = factors.user_id AND then_.id = factors.id) \
             WHERE EXISTS ({since}factors AS then_ WHERE then_.user_id = factors.user_id AND then_.id = factors.id \
             AND then_.{column} IS NOT NULL)"
        ))
        .execute(conn)?;
    }
    // Wrong codes and passwords keep counting: a restore gives nobody more guesses.
    sql_query(
        "INSERT INTO main.factor_attempts (user_id, kind, failures, next_try_at) \
         SELECT user_id, kind, failures, next_try_at FROM after.factor_attempts AS then_ \
         WHERE EXISTS (SELECT 1 FROM main.users WHERE users.id = then_.user_id) \
         ON CONFLICT (user_id, kind) DO UPDATE SET failures = max(failures, excluded.failures), \
         next_try_at = max(next_try_at, excluded.next_try_at)",
    )
    .execute(conn)?;
    for others in [
        "INSERT INTO main.password_attempts (address_hash, source_hash, failures, next_try_at, updated_at) \
         SELECT address_hash, source_hash, failures, next_try_at, updated_at FROM after.password_attempts WHERE TRUE \
         ON CONFLICT (address_hash, source_hash) DO UPDATE SET failures = max(failures, excluded.failures), \
         next_try_at = max(next_try_at, excluded.next_try_at), updated_at = max(updated_at, excluded.updated_at)",
        // Of two windows the later one counts; of one window the higher count.
        "INSERT INTO main.limits (subject, name, used, window_ends_at) \
         SELECT subject, name, used, window_ends_at FROM after.limits WHERE TRUE \
         ON CONFLICT (subject, name) DO UPDATE SET used = CASE \
         WHEN excluded.window_ends_at > window_ends_at THEN excluded.used \
         WHEN excluded.window_ends_at < window_ends_at THEN used ELSE max(used, excluded.used) END, \
         window_ends_at = max(window_ends_at, excluded.window_ends_at)",
    ] {
        sql_query(others).execute(conn)?;
    }
    let mut whose = |condition: &str| -> anyhow::Result<Vec<String>> {
        let query = format!("SELECT email FROM main.users WHERE {condition} ORDER BY email");
        let found: Vec<AddressRow> = sql_query(query).load(conn)?;
        Ok(found.into_iter().map(|row| row.email).collect())
    };
    Ok(LaterChanges {
        codes_used,
        sets_ended,
        keys_deleted,
        passwords: whose(&format!(
            "EXISTS ({since}users AS then_ WHERE then_.id = users.id AND then_.password_hash <> users.password_hash)"
        ))?,
        addresses: whose(&format!(
            "EXISTS ({since}users AS then_ WHERE then_.id = users.id AND then_.email <> users.email)"
        ))?,
        factors: whose(&format!(
            "EXISTS ({since}users AS then_ WHERE then_.id = users.id) AND EXISTS (SELECT 1 FROM main.factors AS now_ \
             WHERE now_.user_id = users.id AND now_.state <> 'pending' AND NOT EXISTS ({since}factors AS then_ \
             WHERE then_.user_id = now_.user_id AND then_.id = now_.id AND then_.state <> 'pending'))"
        ))?,
        accounts: whose(&format!(
            "NOT EXISTS ({since}users AS then_ WHERE then_.id = users.id)"
        ))?,
    })
}

#[derive(QueryableByName)]
struct AddressRow {
    #[diesel(sql_type = Text)]
    email: String,
}

#[derive(QueryableByName)]
struct QuickCheckLine {
    #[diesel(sql_type = Text)]
    quick_check: String,
}

#[derive(QueryableByName)]
struct Mode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

#[derive(QueryableByName)]
struct MarkRow {
    #[diesel(sql_type = Text)]
    database_id: String,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
}

fn sqlite(path: &Path, pragmas: &str) -> anyhow::Result<SqliteConnection> {
    let told = || format!("cannot open the database file {}", path.display());
    let mut conn = SqliteConnection::establish(text(path)?).with_context(told)?;
    conn.batch_execute(pragmas).with_context(told)?;
    Ok(conn)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
