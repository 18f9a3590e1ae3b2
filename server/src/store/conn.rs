//! The connection: one enum over SQLite and PostgreSQL, how it is opened, and its migrations.

#![expect(missing_docs, reason = "the derive of `Conn` makes public items")]

use anyhow::{Context, anyhow, bail};
use diesel::backend::Backend;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::deserialize::{self, FromSql};
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::io::Write;
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::model::ids::Id;
use crate::schema::IdSql;

/// Gives the embedded migrations anew: the harness takes them by value.
type Embedded = fn() -> EmbeddedMigrations;

fn sqlite_migrations() -> EmbeddedMigrations {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
    MIGRATIONS
}

fn postgres_migrations() -> EmbeddedMigrations {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
    MIGRATIONS
}

/// A connection to either database. Which one is chosen by the URL, once, in [`open`].
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// A SQLite file.
    Sqlite(diesel::SqliteConnection),
    /// A PostgreSQL server.
    Postgres(diesel::PgConnection),
}

/// Which database, and where.
#[derive(Clone)]
pub enum Engine {
    /// A SQLite file, by path.
    Sqlite(String),
    /// A PostgreSQL server, by URL.
    Postgres(String),
}

/// What a connection is for: it decides how SQLite is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The one that writes.
    Write,
    /// One of those that only read.
    Read,
    /// The one that sees what is there before anything is changed.
    Look,
    /// The one that moves the write-ahead log into the file.
    Checkpoint,
}

/// Opens a connection.
///
/// # Errors
/// When the database cannot be reached or set up.
pub fn open(engine: &Engine, purpose: Use) -> anyhow::Result<Conn> {
    match engine {
        Engine::Sqlite(path) => {
            let mut conn = diesel::SqliteConnection::establish(path)
                .map_err(|error| sqlite_flaw(path, &error.to_string()))?;
            set_up_sqlite(&mut conn, purpose)
                .map_err(|error| sqlite_flaw(path, &error.to_string()))?;
            Ok(Conn::Sqlite(conn))
        }
        Engine::Postgres(url) => {
            let mut conn = diesel::PgConnection::establish(url)
                .map_err(|error| anyhow!("{}", fit_to_show(&error.to_string())))
                .context("cannot connect to the PostgreSQL server")?;
            // A statement that hangs must not hold its user's rows for ever (P-45).
            conn.batch_execute(
                "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
                 SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'",
            )?;
            Ok(Conn::Postgres(conn))
        }
    }
}

/// The driver's message if it is about the server. What it has to say about the URL quotes pieces of
/// it, and so perhaps of the password; the settings have refused what it cannot read.
fn fit_to_show(message: &str) -> &str {
    let about_the_server = [
        "connection to server",
        "could not translate host name",
        "invalid URI query parameter",
        "sslmode value",
    ];
    if about_the_server
        .iter()
        .any(|start| message.starts_with(start))
    {
        message
    } else {
        "the driver does not take the URL or the PG variables of the environment (its reason is not shown, it may quote a password)"
    }
}

/// How long a start waits for another one that is making the same database.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Sets a connection up. A file that others are just making is waited for: the change to a write-ahead
/// log is refused while they have it, however long statements may wait.
fn set_up_sqlite(conn: &mut diesel::SqliteConnection, purpose: Use) -> QueryResult<()> {
    let begun = Instant::now();
    loop {
        match conn.batch_execute(sqlite_pragmas(purpose)) {
            Err(error) if is_locked(&error) && begun.elapsed() < START_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

fn is_locked(error: &diesel::result::Error) -> bool {
    error.to_string().contains("database is locked")
}

/// What SQLite says of a file, with its name, the setting, and what mends it.
fn sqlite_flaw(path: &str, told: &str) -> anyhow::Error {
    const MENDS: [(&str, &str); 6] = [
        (
            "readonly database",
            "this user must be able to write to it and to its folder: run `chown` or `chmod` on them",
        ),
        (
            "not a database",
            "it is another kind of file, or damaged: name another one, or restore a backup",
        ),
        ("malformed", "it is damaged: restore a backup"),
        (
            "unable to open",
            "its folder must exist, and this user must be able to read and write both",
        ),
        (
            "is locked",
            "another program has it open and keeps it: end that one",
        ),
        ("is full", "make room on its disk"),
    ];
    let mend = MENDS.iter().find(|(sign, _)| told.contains(sign));
    let mend = mend.map_or("look at its disk", |(_, mend)| mend);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    anyhow!(
        "the database file {} (setting database_url): {told}: {mend}",
        path.display()
    )
}

/// What stopped a start, with the name of the database's file and what mends it, where it is one.
pub fn explained(engine: &Engine, error: anyhow::Error) -> anyhow::Error {
    match (engine, error.downcast_ref::<diesel::result::Error>()) {
        (Engine::Sqlite(path), Some(told)) => sqlite_flaw(path, &told.to_string()),
        _ => error,
    }
}

/// `synchronous=FULL`: a lost commit would be a used code that works again. Checkpoints are another
/// thread's work, since in the writer they are its longest pauses.
fn sqlite_pragmas(purpose: Use) -> &'static str {
    match purpose {
        Use::Write => {
            "PRAGMA busy_timeout = 5000; PRAGMA auto_vacuum = INCREMENTAL; \
             PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456; \
             PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; \
             PRAGMA wal_autocheckpoint = 0"
        }
        Use::Read => {
            "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -4096; \
             PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY"
        }
        Use::Look => "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON",
        Use::Checkpoint => "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL",
    }
}

/// Any number will do, as long as every replica takes the same one.
const MIGRATION_LOCK: &str = "5146021917";

/// The same for what [`alone`] does.
const ALONE_LOCK: &str = "5146021918";

/// How long SQLite waits for a lock while others start, and how long after.
const PATIENT: &str = "PRAGMA busy_timeout = 60000";
const IMPATIENT: &str = "PRAGMA busy_timeout = 5000";

/// Does something in a transaction in which there is one process at a time; others wait for up to a
/// minute.
///
/// # Errors
/// When the database does not answer, another process does not end, or the work fails: then nothing of
/// it stays in the database.
pub fn alone<T>(
    tx: &mut super::Tx,
    work: impl FnOnce(&mut super::Tx) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let begin = match &tx.conn {
        Conn::Sqlite(_) => format!("{PATIENT}; BEGIN IMMEDIATE"),
        Conn::Postgres(_) => format!(
            "BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '60s'; \
             SELECT pg_advisory_xact_lock({ALONE_LOCK})"
        ),
    };
    let begun = tx
        .conn
        .batch_execute(&begin)
        .context("another process is making the keys of this database and does not come to an end");
    let result = begun
        .and_then(|()| work(tx))
        .and_then(|done| Ok(tx.conn.batch_execute("COMMIT").map(|()| done)?));
    if result.is_err() {
        // There may be no transaction to undo; the first error is the one to tell.
        let _undone = tx.conn.batch_execute("ROLLBACK");
    }
    if let Conn::Sqlite(conn) = &mut tx.conn {
        conn.batch_execute(IMPATIENT)?;
    }
    result
}

#[derive(QueryableByName)]
struct Tables {
    #[diesel(sql_type = BigInt)]
    found: i64,
}

/// Whether the first migration was here, so that there is a database of Countersign's.
///
/// # Errors
/// When the database does not answer.
pub fn is_made(conn: &mut Conn) -> anyhow::Result<bool> {
    let found: Tables = match conn {
        Conn::Sqlite(conn) => sql_query(
            "SELECT count(*) AS found FROM sqlite_master WHERE type = 'table' AND name = 'key_canaries'",
        )
        .get_result(conn)?,
        Conn::Postgres(conn) => {
            sql_query("SELECT count(to_regclass('key_canaries')) AS found").get_result(conn)?
        }
    };
    Ok(found.found > 0)
}

/// The name of the database that the server has us in; of a file there is none.
///
/// # Errors
/// When the database does not answer.
pub fn name(conn: &mut Conn) -> anyhow::Result<Option<String>> {
    let Conn::Postgres(conn) = conn else {
        return Ok(None);
    };
    let name: Name = sql_query("SELECT current_database()::text AS found").get_result(conn)?;
    Ok(Some(name.found))
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    found: String,
}

/// Brings the schema up to this version's, one process at a time.
///
/// # Errors
/// When the schema is newer than this version knows, or a migration fails.
pub fn migrate(conn: &mut Conn) -> anyhow::Result<()> {
    match conn {
        Conn::Sqlite(conn) => {
            conn.batch_execute(PATIENT)?;
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN EXCLUSIVE").context(
                "cannot lock the database file (setting database_url) for its migration",
            )?;
            let result = match run(conn, sqlite_migrations) {
                Ok(()) => Ok(AnsiTransactionManager::commit_transaction(conn)?),
                Err(error) => {
                    AnsiTransactionManager::rollback_transaction(conn)?;
                    Err(error)
                }
            };
            conn.batch_execute(IMPATIENT)?;
            result
        }
        Conn::Postgres(conn) => {
            // Waiting for another replica's migration may take longer than a statement may.
            conn.batch_execute(&format!(
                "SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})"
            ))?;
            let result = run(conn, postgres_migrations);
            conn.batch_execute(&format!(
                "SELECT pg_advisory_unlock({MIGRATION_LOCK}); \
                 SET statement_timeout = '10s'; SET lock_timeout = '5s'"
            ))?;
            result
        }
    }
}

/// Where the schema stands beside this version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// They agree.
    Current,
    /// Migrations of this version are missing.
    Behind,
    /// The schema has migrations this version does not know.
    Ahead,
}

/// Compares the schema with this version's.
///
/// # Errors
/// When the database does not answer.
pub fn schema_state(conn: &mut Conn) -> anyhow::Result<SchemaState> {
    match conn {
        Conn::Sqlite(conn) => state(conn, sqlite_migrations),
        Conn::Postgres(conn) => state(conn, postgres_migrations),
    }
}

fn run<DB, C>(conn: &mut C, migrations: Embedded) -> anyhow::Result<()>
where
    DB: Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    match state(conn, migrations)? {
        SchemaState::Current => Ok(()),
        SchemaState::Ahead => bail!(
            "the database was migrated by a newer version of Countersign; start that one, or restore a backup"
        ),
        SchemaState::Behind => {
            conn.run_pending_migrations(migrations())
                .map_err(|error| anyhow::anyhow!("a migration failed: {error}"))?;
            Ok(())
        }
    }
}

fn state<DB, C>(conn: &mut C, migrations: Embedded) -> anyhow::Result<SchemaState>
where
    DB: Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known: Vec<Box<dyn Migration<DB>>> = migrations()
        .migrations()
        .map_err(|error| anyhow::anyhow!("the migrations are unreadable: {error}"))?;
    let known: Vec<MigrationVersion<'static>> = known
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let applied = conn
        .applied_migrations()
        .map_err(|error| anyhow::anyhow!("the applied migrations are unreadable: {error}"))?;
    if applied.iter().any(|version| !known.contains(version)) {
        return Ok(SchemaState::Ahead);
    }
    if known.iter().any(|version| !applied.contains(version)) {
        return Ok(SchemaState::Behind);
    }
    Ok(SchemaState::Current)
}

// `Id` is one type on both engines: sixteen bytes on the wire, `uuid` to PostgreSQL.

impl HasSqlType<IdSql> for MultiBackend {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        Self::lookup_sql_type::<IdSql>(lookup)
    }
}

impl<K: 'static> ToSql<IdSql, MultiBackend> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((IdSql, self));
        Ok(IsNull::No)
    }
}

impl<K: 'static> ToSql<IdSql, Pg> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl<K: 'static> ToSql<IdSql, Sqlite> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl<K: 'static> FromSql<IdSql, MultiBackend> for Id<K> {
    fn from_sql(bytes: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        bytes.from_sql::<Self, IdSql>()
    }
}

impl<K: 'static> FromSql<IdSql, Pg> for Id<K> {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::new(Uuid::from_slice(bytes.as_bytes())?))
    }
}

impl<K: 'static> FromSql<IdSql, Sqlite> for Id<K> {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(bytes)?;
        Ok(Self::new(Uuid::from_slice(&bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Engine, Use, open};

    fn refused(url: &str) -> String {
        let refused = open(&Engine::Postgres(url.to_owned()), Use::Write);
        format!("{:#}", refused.err().expect("nobody is there"))
    }

    #[test]
    fn no_message_of_the_driver_shows_a_password() {
        for url in [
            "postgres://u:hunter2 @127.0.0.1:1/x",
            "postgres://u:hunter2%@127.0.0.1:1/x",
            "postgres://u:hunter2/x@127.0.0.1:1/x",
            "postgres://u:hunter2@[::1",
            "postgres://u:hunter2",
            "postgres://u:hunter2@127.0.0.1:1/x",
            "postgres://u:hunter2@127.0.0.1:1/x?sslmode=odd",
        ] {
            let line = refused(url);
            assert!(!line.contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_server_is_told() {
        let line = refused("postgres://u:p@127.0.0.1:1/x");
        assert!(
            line.contains("127.0.0.1") && line.contains("refused"),
            "{line}"
        );
        let line = refused("postgres://u:p@127.0.0.1:1/x?odd=1");
        assert!(line.contains("odd"), "{line}");
    }
}
