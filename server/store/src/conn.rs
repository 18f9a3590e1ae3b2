//! The connection: one enum over SQLite and PostgreSQL, and how it is opened.

use anyhow::{Context, anyhow};
use diesel::connection::{CacheSize, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use std::time::{Duration, Instant};

pub use super::migrate::{SchemaState, migrate, schema_state};

/// A connection to either database. The URL decides which one, once, in [`open`].
pub enum Conn {
    /// An SQLite file.
    Sqlite(diesel::SqliteConnection),
    /// A PostgreSQL server.
    Postgres(diesel::PgConnection),
}

impl Conn {
    /// Runs statements that bind nothing and return nothing.
    ///
    /// # Errors
    /// Fails if the database does not answer, or refuses one.
    pub fn batch_execute(&mut self, statements: &str) -> QueryResult<()> {
        match self {
            Self::Sqlite(conn) => conn.batch_execute(statements),
            Self::Postgres(conn) => conn.batch_execute(statements),
        }
    }
}

/// Which database, and where it is.
#[derive(Clone)]
pub enum Engine {
    /// An SQLite file, by its path.
    Sqlite(String),
    /// A PostgreSQL server, by its URL.
    Postgres(String),
    /// A PostgreSQL server behind a pooler that may give each transaction a different session of
    /// the server. Nothing outlives a transaction: no prepared statement and no setting.
    Pooled(String),
}

/// What a connection is for. This decides how SQLite is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The connection that writes.
    Write,
    /// A connection that only reads.
    Read,
    /// The connection that inspects the database before anything is changed.
    Look,
    /// The connection that moves the write-ahead log into the file.
    Checkpoint,
}

/// Opens a connection.
///
/// # Errors
/// Fails if the database cannot be reached or set up.
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
            // The driver's first settings are not sent in a transaction: parts of them may reach
            // two sessions.
            let mut conn = connect(url).or_else(|_| connect(url))?;
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
            Ok(Conn::Postgres(conn))
        }
    }
}

/// The statement that begins a transaction on this engine. Behind a pooler each transaction brings
/// its own settings: a statement that hangs must not lock its user's rows for ever.
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

/// Makes the driver give up a connection whose other end has vanished silently, for example behind
/// a firewall that dropped it. An idle connection ends after 11 seconds, one that waits for an
/// answer after 5 (libpq's manual, "Parameter Key Words"; in seconds, but `tcp_user_timeout` in
/// milliseconds).
const WATCH: [(&str, &str); 6] = [
    ("keepalives", "1"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "5000"),
    ("connect_timeout", "5"),
];

/// Adds to the URL the settings of [`WATCH`] that it does not set itself.
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

/// Returns the driver's message if it is about the server. A message about the URL quotes parts of
/// it, and perhaps of the password. URLs that the driver cannot read were refused with the
/// settings.
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

/// How long a starting server waits for another one that is creating the same database.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Sets a connection up. Waits while another process creates the file: SQLite then refuses the
/// change to a write-ahead log at once, whatever the busy timeout is.
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

/// Explains SQLite's message about a file: adds the file's name, the setting, and how to mend it.
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

/// Explains an error that stopped the start. For SQLite, adds the name of the file and how to mend
/// it.
pub fn explained(engine: &Engine, error: anyhow::Error) -> anyhow::Error {
    match (engine, error.downcast_ref::<diesel::result::Error>()) {
        (Engine::Sqlite(path), Some(told)) => sqlite_flaw(path, &told.to_string()),
        _ => error,
    }
}

/// `synchronous=FULL`: a lost commit would make a used code valid again. A thread of its own does
/// the checkpoints, as they would be the writer's longest pauses.
fn sqlite_pragmas(purpose: Use) -> &'static str {
    match purpose {
        Use::Write => {
            "PRAGMA busy_timeout = 5000; PRAGMA auto_vacuum = INCREMENTAL; \
             PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456; \
             PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0"
        }
        Use::Read => {
            "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -4096; \
             PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY"
        }
        Use::Look => "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON",
        Use::Checkpoint => "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL",
    }
}

/// An arbitrary number. Every replica uses the same one, and no migration uses it.
const ALONE_LOCK: &str = "5146021918";

/// How long SQLite waits for a lock while others start, and how long afterwards.
pub(super) const PATIENT: &str = "PRAGMA busy_timeout = 60000";
pub(super) const IMPATIENT: &str = "PRAGMA busy_timeout = 5000";

/// Runs work in a transaction that only one process enters at a time. Others wait for up to a
/// minute.
///
/// # Errors
/// Fails if the database does not answer, another process takes too long, or the work fails. Then
/// nothing of the work stays in the database.
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
        .context("another process is creating the keys of this database and does not finish");
    let result = begun
        .and_then(|()| work(tx))
        .and_then(|done| Ok(tx.conn.batch_execute("COMMIT").map(|()| done)?));
    if result.is_err() {
        // There may be no transaction to undo. The first error is the one to report.
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

/// Tells whether the first migration has run, so that this is a Countersign database.
///
/// # Errors
/// Fails if the database does not answer.
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

/// Returns the name of the database on its server; `None` for a file.
///
/// # Errors
/// Fails if the database does not answer.
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
