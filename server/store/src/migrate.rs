//! Migrates the schema, and decides whether this version can work with the schema of another
//! version.

use anyhow::{Context, anyhow, bail};
use diesel::backend::Backend;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::{Conn, IMPATIENT, PATIENT};
use crate::schema::schema_floors;

/// Makes the embedded migrations: the harness takes them by value.
type Embedded = fn() -> EmbeddedMigrations;

fn sqlite_migrations() -> EmbeddedMigrations {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
    MIGRATIONS
}

fn postgres_migrations() -> EmbeddedMigrations {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
    MIGRATIONS
}

/// An arbitrary number. Every replica uses the same one.
const MIGRATION_LOCK: &str = "5146021917";

/// Brings the schema up to this version's, one process at a time. Either all of it is done, or
/// nothing.
///
/// # Errors
/// Fails if the database cannot store our text, if the schema is newer and not marked as one that
/// this version can work with, or if a migration fails.
pub fn migrate(conn: &mut Conn) -> anyhow::Result<()> {
    match conn {
        Conn::Sqlite(conn) => {
            conn.batch_execute(PATIENT)?;
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN EXCLUSIVE").context(
                "cannot lock the database file (setting database_url) for its migration",
            )?;
            let done = run(conn, sqlite_migrations);
            let done = finish(conn, done);
            conn.batch_execute(IMPATIENT)?;
            done
        }
        Conn::Postgres(conn) => {
            AnsiTransactionManager::begin_transaction(conn)?;
            let done = migrate_postgres(conn);
            finish(conn, done)
        }
    }
}

fn finish<C>(conn: &mut C, done: anyhow::Result<()>) -> anyhow::Result<()>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    if done.is_ok() {
        AnsiTransactionManager::commit_transaction(conn)?;
    } else {
        // The first error is the one to report.
        drop(AnsiTransactionManager::rollback_transaction(conn));
    }
    done
}

/// The lock ends with the transaction, as does everything behind a pooler.
fn migrate_postgres(conn: &mut diesel::PgConnection) -> anyhow::Result<()> {
    refuse_other_encodings(conn)?;
    // Waiting for another replica's migration may take longer than the statement timeout.
    conn.batch_execute(&format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0; \
         SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
    ))?;
    run(conn, postgres_migrations)
}

#[derive(QueryableByName)]
struct ServerEncoding {
    #[diesel(sql_type = Text)]
    encoding: String,
}

/// In any other encoding there are names that the database cannot store. SQLite stores every text.
fn refuse_other_encodings(conn: &mut diesel::PgConnection) -> anyhow::Result<()> {
    let query = "SELECT current_setting('server_encoding') AS encoding";
    let ServerEncoding { encoding } = diesel::sql_query(query).get_result(conn)?;
    if encoding != "UTF8" {
        bail!(
            "the database's encoding is {encoding}, and Countersign needs UTF8: make another with \
             `CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0`, and name it in database_url"
        );
    }
    Ok(())
}

/// How the schema relates to this version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// They agree.
    Current,
    /// The schema is newer, and marked as one that this version can work with.
    Newer,
    /// Migrations of this version are missing.
    Behind,
    /// The schema has migrations that this version does not know, and may not be able to work with.
    Ahead,
}

/// Compares the schema with this version's.
///
/// # Errors
/// Fails if the database does not answer.
pub fn schema_state(conn: &mut Conn) -> anyhow::Result<SchemaState> {
    match conn {
        Conn::Sqlite(conn) => state(conn, sqlite_migrations),
        Conn::Postgres(conn) => state(conn, postgres_migrations),
    }
}

fn run<DB, C>(conn: &mut C, migrations: Embedded) -> anyhow::Result<()>
where
    DB: Backend,
    C: MigrationHarness<DB> + Floors,
    EmbeddedMigrations: MigrationSource<DB>,
{
    match state(conn, migrations)? {
        SchemaState::Current => Ok(()),
        SchemaState::Newer => {
            tracing::info!(
                "the database was migrated by a newer version of Countersign, with which this version can work"
            );
            Ok(())
        }
        SchemaState::Ahead => bail!(
            "the database was migrated by a newer version of Countersign: start that version, or restore a backup"
        ),
        SchemaState::Behind => {
            conn.run_pending_migrations(migrations())
                .map_err(|error| anyhow!("a migration failed: {error}"))?;
            Ok(())
        }
    }
}

fn state<DB, C>(conn: &mut C, migrations: Embedded) -> anyhow::Result<SchemaState>
where
    DB: Backend,
    C: MigrationHarness<DB> + Floors,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known: Vec<Box<dyn Migration<DB>>> = migrations()
        .migrations()
        .map_err(|error| anyhow!("the migrations are unreadable: {error}"))?;
    let known: Vec<MigrationVersion<'static>> = known
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let applied = conn
        .applied_migrations()
        .map_err(|error| anyhow!("the applied migrations are unreadable: {error}"))?;
    let unknown: Vec<String> = applied
        .iter()
        .filter(|version| !known.contains(version))
        .map(MigrationVersion::to_string)
        .collect();
    let behind = known.iter().any(|version| !applied.contains(version));
    if unknown.is_empty() {
        return Ok(if behind {
            SchemaState::Behind
        } else {
            SchemaState::Current
        });
    }
    let newest = known.iter().max().map(MigrationVersion::to_string);
    let allowed = !behind && conn.allow(&unknown, &newest.unwrap_or_default())?;
    Ok(if allowed {
        SchemaState::Newer
    } else {
        SchemaState::Ahead
    })
}

/// Reads from `schema_floors`, which newer migrations fill, which servers the schema still works
/// with.
trait Floors {
    /// Tells whether each of these migrations works with a server that knows all migrations up to
    /// `newest`.
    fn allow(&mut self, unknown: &[String], newest: &str) -> anyhow::Result<bool>;
}

/// The same query for either driver. Versions are dates and numbers of equal length, so they
/// compare as text.
macro_rules! floors {
    ($($conn:ty),+) => {$(
        impl Floors for $conn {
            fn allow(&mut self, unknown: &[String], newest: &str) -> anyhow::Result<bool> {
                let allowed: i64 = schema_floors::table
                    .filter(schema_floors::version.eq_any(unknown))
                    .filter(schema_floors::works_with.le(newest))
                    .count()
                    .get_result(self)?;
                Ok(usize::try_from(allowed).is_ok_and(|allowed| allowed == unknown.len()))
            }
        }
    )+};
}

floors!(diesel::SqliteConnection, diesel::PgConnection);
