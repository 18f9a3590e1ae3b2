//! Gives each server a database of its own: an SQLite file, or a database in the PostgreSQL cluster
//! that the environment names.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use countersign::config::DatabaseUrl;
use countersign::model::Secret;
use countersign::store::Engine;
use countersign::store::conn::{self, Conn, Use};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};

/// Names a cluster in which databases may be created. Without it, every server has an SQLite file.
const CLUSTER: &str = "COUNTERSIGN_TEST_DATABASE_URL";

/// Tells whether the environment names a PostgreSQL cluster.
pub fn is_a_cluster() -> bool {
    std::env::var_os(CLUSTER).is_some()
}

/// The tables without which no operation works.
const TABLES: [&str; 9] = [
    "users",
    "sessions",
    "challenges",
    "registrations",
    "refresh_tokens",
    "password_attempts",
    "api_keys",
    "ceremonies",
    "__diesel_schema_migrations",
];

/// The database of one server.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A database in a cluster.
    Postgres {
        /// The URL for creating and dropping databases.
        cluster: String,
        /// The database's name.
        name: String,
    },
}

/// A lock that makes a database hang until dropped.
pub struct Held {
    _conn: Conn,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    found: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    found: String,
}

impl Database {
    /// Creates a database. A file is put into `folder`.
    pub fn new(folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        #[expect(
            clippy::disallowed_methods,
            reason = "which database is the test run's, not the server's setting"
        )]
        let named = std::env::var(CLUSTER).ok().filter(|url| !url.is_empty());
        let Some(cluster) = named else {
            return Self::Sqlite(folder.join("countersign.db"));
        };
        let name = format!(
            "it_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        // Nobody can be connected to template0, which would prevent copying it.
        run(
            &Engine::Postgres(cluster.clone()),
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        );
        Self::Postgres { cluster, name }
    }

    /// Returns its file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    /// Returns the value for the server's settings.
    pub fn url(&self) -> DatabaseUrl {
        match self {
            Self::Sqlite(path) => DatabaseUrl::Sqlite(path.clone()),
            Self::Postgres { .. } => DatabaseUrl::Postgres(Secret::new(self.address())),
        }
    }

    fn address(&self) -> String {
        match self {
            Self::Sqlite(path) => path.to_string_lossy().into_owned(),
            Self::Postgres { cluster, name } => {
                let (server, _) = cluster.rsplit_once('/').expect("a URL with a database");
                format!("{server}/{name}")
            }
        }
    }

    fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite(self.address()),
            Self::Postgres { .. } => Engine::Postgres(self.address()),
        }
    }

    /// Runs SQL that no operation of the server runs: to break the database, or to age its content.
    pub fn run(&self, sql: &str) {
        run(&self.engine(), sql);
    }

    /// Returns the number that a query selects as `found`.
    pub fn number(&self, sql: &str) -> i64 {
        let found: Result<Number, _> = match open(&self.engine()) {
            Conn::Sqlite(mut conn) => sql_query(sql).get_result(&mut conn),
            Conn::Postgres(mut conn) => sql_query(sql).get_result(&mut conn),
        };
        found.unwrap_or_else(|error| panic!("{sql}: {error}")).found
    }

    /// Returns the texts that a query selects as `found`.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let found: Result<Vec<Line>, _> = match open(&self.engine()) {
            Conn::Sqlite(mut conn) => sql_query(sql).load(&mut conn),
            Conn::Postgres(mut conn) => sql_query(sql).load(&mut conn),
        };
        let found = found.unwrap_or_else(|error| panic!("{sql}: {error}"));
        found.into_iter().map(|line| line.found).collect()
    }

    /// Makes the database unusable for its servers: PostgreSQL refuses connections, an SQLite file
    /// loses its tables.
    pub fn cut(&self) {
        match self {
            Self::Sqlite(_) => TABLES
                .iter()
                .for_each(|table| self.run(&format!("ALTER TABLE {table} RENAME TO {table}_gone"))),
            Self::Postgres { cluster, name } => {
                let cluster = Engine::Postgres(cluster.clone());
                run(
                    &cluster,
                    &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
                );
                run(
                    &cluster,
                    &format!(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                    ),
                );
            }
        }
    }

    /// Undoes [`Database::cut`].
    pub fn mend(&self) {
        match self {
            Self::Sqlite(_) => TABLES
                .iter()
                .for_each(|table| self.run(&format!("ALTER TABLE {table}_gone RENAME TO {table}"))),
            Self::Postgres { cluster, name } => {
                run(
                    &Engine::Postgres(cluster.clone()),
                    &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
                );
            }
        }
    }

    /// Locks what every write needs until the guard is dropped, like a database that hangs.
    pub fn hold(&self) -> Held {
        let mut conn = open(&self.engine());
        let begin = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE".to_owned(),
            Self::Postgres { .. } => {
                format!(
                    "BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
                    TABLES.join(", ")
                )
            }
        };
        conn.batch_execute(&begin).expect("held");
        Held { _conn: conn }
    }

    /// Locks what every change of an account needs until the guard is dropped. Reading still works.
    pub fn hold_accounts(&self) -> Held {
        let mut conn = open(&self.engine());
        let begin = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres { .. } => "BEGIN; LOCK TABLE users IN EXCLUSIVE MODE",
        };
        conn.batch_execute(begin).expect("held");
        Held { _conn: conn }
    }

    /// Locks what every limited call writes until the guard is dropped. Reading still works.
    pub fn hold_limits(&self) -> Held {
        let mut conn = open(&self.engine());
        let begin = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres { .. } => "BEGIN; LOCK TABLE limits IN EXCLUSIVE MODE",
        };
        conn.batch_execute(begin).expect("held");
        Held { _conn: conn }
    }

    /// Removes the database. A file is deleted with its folder.
    pub fn remove(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres { cluster, name } => {
                run(
                    &Engine::Postgres(cluster.clone()),
                    &format!("DROP DATABASE {name} WITH (FORCE)"),
                );
            }
        }
    }
}

fn open(engine: &Engine) -> Conn {
    let mut conn = conn::open(engine, Use::Checkpoint).expect("the database opens");
    if let Conn::Postgres(conn) = &mut conn {
        // Creating a database takes a while on a busy machine.
        conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = '20s'")
            .expect("settings");
    }
    conn
}

fn run(engine: &Engine, sql: &str) {
    let mut conn = open(engine);
    conn.batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
