//! The connection: one enum over SQLite and PostgreSQL, and how it is opened.

#![expect(missing_docs, reason = "the derive of `Conn` makes public items")]

use anyhow::{Context, anyhow};
use diesel::backend::Backend;
use diesel::connection::{CacheSize, SimpleConnection};
use diesel::deserialize::{self, FromSql};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_query;
use diesel::sql_types::{BigInt, HasSqlType, Text};
use std::time::{Duration, Instant};

pub use super::migrate::{SchemaState, migrate, schema_state};
use crate::model::ids::Id;
use crate::schema::IdSql;

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
    /// The same, through a pooler that gives each transaction another session of the server, so that
    /// nothing outlives a transaction: no prepared statement and no setting.
    Pooled(String),
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
            let mut conn = connect(url)?;
            conn.batch_execute(
                "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
                 SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'",
            )?;
            Ok(Conn::Postgres(conn))
        }
        Engine::Pooled(url) => {
            // The driver's first settings are no transaction yet: their parts may reach two sessions.
            let mut conn = connect(url).or_else(|_| connect(url))?;
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
            Ok(Conn::Postgres(conn))
        }
    }
}

/// How a transaction begins on this engine. Where no setting outlives one, each brings its own: a
/// statement that hangs must not hold its user's rows for ever.
pub(super) const fn begin(engine: &Engine) -> &'static str {
    match engine {
        Engine::Sqlite(_) => "BEGIN IMMEDIATE",
        Engine::Postgres(_) => "BEGIN",
        Engine::Pooled(_) => {
            "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'; \
             SET LOCAL idle_in_transaction_session_timeout = '30s'"
        }
    }
}

fn connect(url: &str) -> anyhow::Result<diesel::PgConnection> {
    diesel::PgConnection::establish(&watched(url))
        .map_err(|error| anyhow!("{}", fit_to_show(&error.to_string())))
        .context(
            "cannot connect to the PostgreSQL server (setting database_url, flag --database-url)",
        )
}

/// What the driver is asked so that a connection is given up whose other end is gone without a word,
/// as behind a firewall that forgot it: an idle one after 11 seconds, one that waits for an answer
/// after 5 (libpq's manual, "Parameter Key Words"; seconds, but `tcp_user_timeout` milliseconds).
const WATCH: [(&str, &str); 6] = [
    ("keepalives", "1"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "5000"),
    ("connect_timeout", "5"),
];

/// The URL with [`WATCH`], as far as it says nothing of its own.
fn watched(url: &str) -> String {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    let said = |name: &str| {
        let mut parts = query.split('&').filter_map(|part| part.split_once('='));
        parts.any(|(key, _)| key == name)
    };
    let mut watched = url.to_owned();
    let mut separator = if url.contains('?') { "&" } else { "?" };
    for (name, value) in WATCH.into_iter().filter(|(name, _)| !said(name)) {
        if !watched.ends_with(['?', '&']) {
            watched.push_str(separator);
        }
        separator = "&";
        watched.push_str(&format!("{name}={value}"));
    }
    watched
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

/// Any number will do, as long as every replica takes the same one, and no migration does.
const ALONE_LOCK: &str = "5146021918";

/// How long SQLite waits for a lock while others start, and how long after.
pub(super) const PATIENT: &str = "PRAGMA busy_timeout = 60000";
pub(super) const IMPATIENT: &str = "PRAGMA busy_timeout = 5000";

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

// `Id` is one type on both engines. How each holds it is in `model::ids`.

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

impl<K: 'static> FromSql<IdSql, MultiBackend> for Id<K> {
    fn from_sql(bytes: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        bytes.from_sql::<Self, IdSql>()
    }
}

#[cfg(test)]
mod tests {
    use super::{Engine, Use, open, watched};

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

    #[test]
    fn a_connection_is_watched_unless_the_url_says_how() {
        let all = "keepalives=1&keepalives_idle=5&keepalives_interval=2&keepalives_count=3\
                   &tcp_user_timeout=5000&connect_timeout=5";
        for (url, expected) in [
            ("postgres://h/d", format!("postgres://h/d?{all}")),
            ("postgres://h/d?", format!("postgres://h/d?{all}")),
            (
                "postgres://h/d?sslmode=require",
                format!("postgres://h/d?sslmode=require&{all}"),
            ),
        ] {
            assert_eq!(watched(url), expected);
        }
        let own = watched("postgres://h/d?keepalives_idle=60&connect_timeout=2");
        assert!(own.contains("keepalives_idle=60") && !own.contains("keepalives_idle=5"));
        assert_eq!(own.matches("connect_timeout").count(), 1);
    }
}
