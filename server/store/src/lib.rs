//! The database layer: the only place with SQL, and the threads that run it.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use countersign_model::{self as model, Error, Fault, Result, schema};

pub mod api_keys;
pub mod audit;
pub mod backup;
mod cached;
pub mod challenges;
pub mod code_sets;
pub mod conn;
pub mod email_changes;
pub mod email_undos;
pub mod epoch;
pub mod export;
pub mod factors;
pub mod forget;
mod job;
mod lane;
pub mod limits;
pub mod look;
mod migrate;
pub mod notices;
pub mod organisations;
pub mod passkeys;
pub mod password_resets;
mod postgres;
pub mod registrations;
pub mod sandbox;
pub mod sealed;
pub mod sessions;
mod sign_in;
mod sqlite;
pub mod users;

#[cfg(test)]
mod tests;

pub use conn::Engine;
use conn::{Conn, SchemaState, Use};
use epoch::{EpochInput, NewEpoch};
use job::Job;
use lane::Lane;
pub use sign_in::{Entry, QuestionRows};

/// How long a job may run once its turn has come. With the wait before, that makes five seconds by
/// default.
const RUN: Duration = Duration::from_secs(2);

/// The connection a job works on: inside a write, or only for reading.
///
/// A job acts only through the functions of this module's children and touches nothing but this. It
/// may therefore run again.
pub struct Tx {
    conn: Conn,
}

/// How many connections there are, and how long the queues are.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of connections: readers for SQLite, all of them for PostgreSQL.
    pub connections: usize,
    /// How many jobs may wait. More are refused as busy.
    pub queue: usize,
    /// How long a job may wait for its turn.
    pub acquire: Duration,
}

/// A handle to the database: cheap to clone, it reaches the threads that own the connections.
#[derive(Clone)]
pub struct Store {
    writes: flume::Sender<Job>,
    reads: flume::Sender<Job>,
    /// PostgreSQL's lanes for the second step of a sign-in.
    lanes: Option<Lanes>,
    acquire: Duration,
    engine: Engine,
}

/// The lanes of a sign-in's second step.
#[derive(Clone)]
struct Lanes {
    questions: Lane<sign_in::Questions>,
    entries: Lane<sign_in::Entries>,
}

impl Lanes {
    fn start(engine: &Engine, options: Options) -> anyhow::Result<Self> {
        let (queue, acquire) = (options.queue, options.acquire);
        Ok(Self {
            questions: Lane::start("postgres-questions", engine, queue, acquire)?,
            entries: Lane::start("postgres-entries", engine, queue, acquire)?,
        })
    }
}

impl Store {
    /// Opens the database, migrates it, and starts the threads.
    ///
    /// # Errors
    /// Fails if it cannot be reached, is newer than this version, or a migration fails.
    pub fn open(engine: &Engine, options: Options) -> anyhow::Result<Self> {
        Self::open_agreed(engine, options, |_| Ok(()))
    }

    /// Opens the database as [`Store::open`] does, and runs `agree` before the first job. `agree`
    /// runs in one process at a time; others that start meanwhile wait for it.
    ///
    /// # Errors
    /// Fails as [`Store::open`] does, or if `agree` fails.
    pub fn open_agreed(
        engine: &Engine,
        options: Options,
        agree: impl FnOnce(&mut Tx) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let told = |error| conn::explained(engine, error);
        let mut first = Tx {
            conn: migrated(engine).map_err(told)?,
        };
        conn::alone(&mut first, agree).map_err(told)?;
        let (writes, write_queue) = flume::bounded(options.queue);
        let (reads, lanes) = match engine {
            Engine::Sqlite(_) => {
                let (reads, read_queue) = flume::bounded(options.queue);
                sqlite::start(engine, first, write_queue, read_queue, options.connections)?;
                (reads, None)
            }
            Engine::Postgres(_) | Engine::Pooled(_) => {
                postgres::start(engine, first, write_queue, options.connections)?;
                (writes.clone(), Some(Lanes::start(engine, options)?))
            }
        };
        Ok(Self {
            writes,
            reads,
            lanes,
            acquire: options.acquire,
            engine: engine.clone(),
        })
    }

    /// Begins a new epoch over a connection of its own, while jobs run; see [`epoch::begin`].
    ///
    /// # Errors
    /// Fails as [`epoch::begin`] does.
    pub async fn begin_epoch(&self, beginning: EpochInput) -> anyhow::Result<Option<NewEpoch>> {
        let engine = self.engine.clone();
        tokio::task::spawn_blocking(move || epoch::begin(&engine, &beginning)).await?
    }

    /// Runs a job in one transaction. `Ok` and a refusal commit it, a fault and a panic roll it
    /// back.
    ///
    /// The job may run again (after a broken batch or a serialization failure), so it gets its ids,
    /// times and random bytes from outside.
    ///
    /// # Errors
    /// Returns what the job refuses. Refuses as busy if the queue is full or slow. Returns a fault
    /// if the commit fails.
    pub fn write<T, F>(&self, job: F) -> impl Future<Output = Result<T>>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T> + Send + 'static,
    {
        job::send(&self.writes, self.acquire, true, job)
    }

    /// Runs a job that only reads, outside any transaction. Each statement sees the database at its
    /// own moment.
    ///
    /// # Errors
    /// Fails as [`Store::write`] does.
    pub fn read<T, F>(&self, job: F) -> impl Future<Output = Result<T>>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T> + Send + 'static,
    {
        job::send(&self.reads, self.acquire, false, job)
    }

    /// Returns how the schema relates to this version's.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub async fn schema_state(&self) -> Result<SchemaState> {
        self.read(|tx| {
            conn::schema_state(&mut tx.conn).map_err(|error| Fault::dependency(error).into())
        })
        .await
    }
}

/// Opens a connection to the database after migrating it.
fn migrated(engine: &Engine) -> anyhow::Result<Conn> {
    let open = || -> anyhow::Result<Conn> {
        let mut first = conn::open(engine, Use::Write)?;
        conn::migrate(&mut first)?;
        Ok(first)
    };
    open().map_err(|error| {
        if is_of_a_pooler(&format!("{error:#}")) {
            error.context(POOLER)
        } else {
            error
        }
    })
}

/// What the operator does if a pooler stands in between.
const POOLER: &str = "database_url leads through a pooler that gives each transaction another session: set database_statement_cache=off";

/// Tells whether PostgreSQL's message is about a prepared statement of another session (42P05,
/// 26000).
fn is_of_a_pooler(message: &str) -> bool {
    message.contains("prepared statement \"")
}

/// The error of a failed commit, for every job in it.
fn not_committed(error: &diesel::result::Error) -> Error {
    Fault::dependency(anyhow::anyhow!("not committed: {error}")).into()
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("cannot start the thread {name}"))?;
    Ok(())
}
