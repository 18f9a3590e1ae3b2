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
use diesel::sql_types::{Binary, HasSqlType};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::io::Write;
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
                .with_context(|| format!("cannot open the database file {path}"))?;
            conn.batch_execute(sqlite_pragmas(purpose))?;
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
        Use::Checkpoint => "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL",
    }
}

/// Any number will do, as long as every replica takes the same one.
const MIGRATION_LOCK: &str = "5146021917";

/// Brings the schema up to this version's, one process at a time.
///
/// # Errors
/// When the schema is newer than this version knows, or a migration fails.
pub fn migrate(conn: &mut Conn) -> anyhow::Result<()> {
    match conn {
        Conn::Sqlite(conn) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN EXCLUSIVE")
                .context("cannot lock the database file for its migration")?;
            match run(conn, sqlite_migrations) {
                Ok(()) => Ok(AnsiTransactionManager::commit_transaction(conn)?),
                Err(error) => {
                    AnsiTransactionManager::rollback_transaction(conn)?;
                    Err(error)
                }
            }
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
