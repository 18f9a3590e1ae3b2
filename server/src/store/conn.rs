//! The connection: one enum over SQLite and PostgreSQL, and how it is opened.

#![expect(missing_docs, reason = "the derive of `Conn` makes public items")]

use std::io::Write;

use anyhow::{Context, anyhow};
use diesel::backend::Backend;
use diesel::connection::{CacheSize, SimpleConnection};
use diesel::deserialize::{self, FromSql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Binary, HasSqlType};
use diesel::sqlite::Sqlite;
use uuid::Uuid;

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
/// statement that hangs must not hold its user's rows for ever (P-45).
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
        .context("cannot connect to the PostgreSQL server")
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
