//! The database layer: the only place with SQL, and the threads that run it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use countersign_model::{self as model, Error, Fault, Refusal, Result, schema};
use tokio::sync::oneshot;

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
    writes: flume::Sender<Box<dyn Job>>,
    reads: flume::Sender<Box<dyn Job>>,
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
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.send(&self.writes, true, job).await
    }

    /// Runs a job that only reads, outside any transaction. Each statement sees the database at its
    /// own moment.
    ///
    /// # Errors
    /// Fails as [`Store::write`] does.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.send(&self.reads, false, job).await
    }

    async fn send<T, F>(
        &self,
        queue: &flume::Sender<Box<dyn Job>>,
        writes: bool,
        job: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = Work {
            job,
            writes,
            span: tracing::Span::current(),
            result: None,
            reply,
            deadline: Instant::now() + self.acquire,
        };
        queue
            .try_send(Box::new(work))
            .map_err(|_| Refusal::Busy { retry_after: 1 })?;
        // A database that hangs must not make callers hang. Whatever it still does counts as if its
        // answer had been lost on the way.
        match tokio::time::timeout(self.acquire + RUN, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(Fault::dependency(anyhow::anyhow!("the database thread is gone")).into())
            }
            Err(_) => {
                Err(Fault::dependency(anyhow::anyhow!("the database does not answer")).into())
            }
        }
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

/// The result of a job's run.
enum RunResult {
    /// Its writes are committed.
    Keep,
    /// Its writes are undone. `again` is true if the database asks for another run (40001, 40P01).
    Undo { again: bool },
}

/// A job in a queue, whatever type it returns.
trait Job: Send {
    /// Tells whether it needs a transaction.
    fn writes(&self) -> bool;
    /// Tells whether nobody waits for it any more, or it has waited too long. It must not run then.
    fn stale(&self) -> bool;
    /// Drops the result of a run whose writes were undone.
    fn forget(&mut self);
    /// Runs it and stores its result until [`Job::answer`].
    fn run(&mut self, tx: &mut Tx) -> RunResult;
    /// Gives the caller the result, or the reason why it was not committed.
    fn answer(self: Box<Self>, committed: std::result::Result<(), Error>);
}

struct Work<F, T> {
    job: F,
    writes: bool,
    /// The span of the call that asked: what the job logs, including audit events, belongs to it.
    span: tracing::Span,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    deadline: Instant,
}

impl<F, T> Job for Work<F, T>
where
    F: Fn(&mut Tx) -> Result<T> + Send,
    T: Send,
{
    fn writes(&self) -> bool {
        self.writes
    }

    fn stale(&self) -> bool {
        self.reply.is_closed() || Instant::now() > self.deadline
    }

    fn forget(&mut self) {
        self.result = None;
    }

    fn run(&mut self, tx: &mut Tx) -> RunResult {
        // The job has no state of its own, and its transaction is rolled back.
        let job = || self.span.in_scope(|| (self.job)(tx));
        let result = catch_unwind(AssertUnwindSafe(job))
            .unwrap_or_else(|_| Err(Fault::bug(anyhow::anyhow!("a database job panicked")).into()))
            .map_err(explained);
        let ran = match &result {
            Ok(_) | Err(Error::Refused(_)) => RunResult::Keep,
            Err(Error::Fault(fault)) => RunResult::Undo {
                again: asks_for_another_run(fault),
            },
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), Error>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            // The job's own fault says more than the commit that failed because of it.
            (Err(_), Some(Err(Error::Fault(fault)))) => Err(fault.into()),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(Refusal::Busy { retry_after: 1 }.into()),
        };
        // The caller may have hung up and want no answer.
        let _ = self.reply.send(result);
    }
}

/// Adds advice to a fault if a pooler caused it.
fn explained(error: Error) -> Error {
    match error {
        Error::Fault(fault) if is_of_a_pooler(&format!("{:#}", fault.cause)) => Fault {
            dependency: true,
            cause: fault.cause.context(POOLER),
        }
        .into(),
        error => error,
    }
}

/// Serialization failures (40001) and deadlocks (40P01) make the job run again.
fn asks_for_another_run(fault: &Fault) -> bool {
    use diesel::result::DatabaseErrorKind;
    use diesel::result::Error as Diesel;
    match fault.cause.downcast_ref::<Diesel>() {
        Some(Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        // The driver has no error kind for 40P01.
        Some(Diesel::DatabaseError(_, info)) => info.message().starts_with("deadlock detected"),
        _ => false,
    }
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
