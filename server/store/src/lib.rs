//! What is remembered: the only place with SQL, and the threads that run it.

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
pub mod epoch;
pub mod factors;
pub mod forget;
pub mod limits;
pub mod look;
mod migrate;
pub mod notices;
pub mod organisations;
pub mod passkeys;
mod postgres;
pub mod registrations;
pub mod sealed;
pub mod sessions;
mod sqlite;
pub mod users;

#[cfg(test)]
mod tests;

pub use conn::Engine;
use conn::{Conn, SchemaState, Use};
use epoch::{Beginning, Begun};

/// How long a job may run once it has its turn; with the wait before, five seconds by default.
const RUN: Duration = Duration::from_secs(2);

/// What a job works on: a connection inside a write, or one that only reads.
///
/// Whatever a job does, it does through the functions of this module's children, so that it may run
/// again: it touches nothing but this.
pub struct Tx {
    conn: Conn,
}

/// How many threads and how long queues.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections: readers on SQLite, all on PostgreSQL.
    pub connections: usize,
    /// Jobs waiting at most; more are refused as busy.
    pub queue: usize,
    /// How long a job may wait for its turn.
    pub acquire: Duration,
}

/// The database: a cheap handle to the threads that own its connections.
#[derive(Clone)]
pub struct Store {
    writes: flume::Sender<Box<dyn Job>>,
    reads: flume::Sender<Box<dyn Job>>,
    acquire: Duration,
    engine: Engine,
}

impl Store {
    /// Opens the database, migrates it, and starts the threads.
    ///
    /// # Errors
    /// When it cannot be reached, is newer than this version, or a migration fails.
    pub fn open(engine: &Engine, options: Options) -> anyhow::Result<Self> {
        Self::open_agreed(engine, options, |_| Ok(()))
    }

    /// The same, with something to be settled before the first job: `agree` runs in one process at a
    /// time, and those that start meanwhile wait for it.
    ///
    /// # Errors
    /// As [`Store::open`], and what `agree` refuses.
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
        let reads = match engine {
            Engine::Sqlite(_) => {
                let (reads, read_queue) = flume::bounded(options.queue);
                sqlite::start(engine, first, write_queue, read_queue, options.connections)?;
                reads
            }
            Engine::Postgres(_) | Engine::Pooled(_) => {
                postgres::start(engine, first, write_queue, options.connections)?;
                writes.clone()
            }
        };
        Ok(Self {
            writes,
            reads,
            acquire: options.acquire,
            engine: engine.clone(),
        })
    }

    /// Begins a new epoch beside the jobs that run, over a connection of its own; see [`epoch::begin`].
    ///
    /// # Errors
    /// As there.
    pub async fn begin_epoch(&self, beginning: Beginning) -> anyhow::Result<Option<Begun>> {
        let engine = self.engine.clone();
        tokio::task::spawn_blocking(move || epoch::begin(&engine, &beginning)).await?
    }

    /// Runs a job in one transaction: `Ok` and a refusal commit, a fault and a panic roll back.
    ///
    /// The job may run again (a broken batch, a serialization failure), so it takes its ids, times
    /// and random bytes from outside.
    ///
    /// # Errors
    /// What the job refuses; busy when the queue is full or slow; a fault when the commit fails.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.send(&self.writes, true, job).await
    }

    /// Runs a job that only reads, outside any transaction: each statement sees its own moment.
    ///
    /// # Errors
    /// As [`Store::write`].
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
        // A database that hangs must not make callers hang. What it does after all is as if its
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

    /// Where the schema stands beside this version's.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn schema_state(&self) -> Result<SchemaState> {
        self.read(|tx| {
            conn::schema_state(&mut tx.conn).map_err(|error| Fault::dependency(error).into())
        })
        .await
    }
}

/// A connection to the database after its migration.
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

/// What to do when a pooler stands between.
const POOLER: &str = "database_url leads through a pooler that gives each transaction another session: set database_statement_cache=off";

/// Whether PostgreSQL's message is about a prepared statement that is another session's (42P05, 26000).
fn is_of_a_pooler(message: &str) -> bool {
    message.contains("prepared statement \"")
}

/// What became of a job's run.
enum Ran {
    /// Its writes stay.
    Keep,
    /// Its writes go; `again` when the database asks for another run (40001, 40P01).
    Undo { again: bool },
}

/// A job in a queue, whatever it returns.
trait Job: Send {
    /// Whether it needs a transaction.
    fn writes(&self) -> bool;
    /// Whether nobody waits for it any more, or it waited too long: it must not run then.
    fn stale(&self) -> bool;
    /// Forgets the result of a run whose writes are gone.
    fn forget(&mut self);
    /// Runs it and keeps its result until [`Job::answer`].
    fn run(&mut self, tx: &mut Tx) -> Ran;
    /// Hands the result to the caller, or what kept it from being committed.
    fn answer(self: Box<Self>, committed: std::result::Result<(), Error>);
}

struct Work<F, T> {
    job: F,
    writes: bool,
    /// Whoever asked: what the job logs, the audit trail's events among it, is theirs.
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

    fn run(&mut self, tx: &mut Tx) -> Ran {
        // The job holds no state of its own, and its transaction is rolled back.
        let job = || self.span.in_scope(|| (self.job)(tx));
        let result = catch_unwind(AssertUnwindSafe(job))
            .unwrap_or_else(|_| Err(Fault::bug(anyhow::anyhow!("a database job panicked")).into()))
            .map_err(explained);
        let ran = match &result {
            Ok(_) | Err(Error::Refused(_)) => Ran::Keep,
            Err(Error::Fault(fault)) => Ran::Undo {
                again: asks_for_another_run(fault),
            },
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), Error>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            // A fault explains itself better than the commit that did not happen because of it.
            (Err(_), Some(Err(Error::Fault(fault)))) => Err(fault.into()),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(Refusal::Busy { retry_after: 1 }.into()),
        };
        // The caller may have hung up: then nobody wants the answer.
        let _ = self.reply.send(result);
    }
}

/// A fault with what to do about it, if it is one of a pooler.
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

/// Serialization failures (40001) and deadlocks (40P01) are answered by running the job again.
fn asks_for_another_run(fault: &Fault) -> bool {
    use diesel::result::DatabaseErrorKind;
    use diesel::result::Error as Diesel;
    match fault.cause.downcast_ref::<Diesel>() {
        Some(Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        // The driver has no kind of its own for 40P01.
        Some(Diesel::DatabaseError(_, info)) => info.message().starts_with("deadlock detected"),
        _ => false,
    }
}

/// A commit that did not happen, for every job in it.
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
