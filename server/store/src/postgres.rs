//! PostgreSQL's threads: a few connections, one transaction for each job, another run if the server
//! asks for it.

use diesel::result::QueryResult;

use super::conn::{self, Engine, Use};
use super::job::{Job, RunResult};
use super::{Tx, not_committed, spawn};
use crate::model::{Error, Fault};

/// How often one job may run if the server answers 40001 or 40P01.
const RUNS: u32 = 5;

/// Starts the threads. Each owns one connection.
pub(super) fn start(
    engine: &Engine,
    first: Tx,
    jobs: flume::Receiver<Job>,
    connections: usize,
) -> anyhow::Result<()> {
    let mut first = Some(first);
    for number in 0..connections.max(1) {
        let tx = match first.take() {
            Some(tx) => tx,
            None => Tx {
                conn: conn::open(engine, Use::Write)?,
            },
        };
        let (engine, jobs) = (engine.clone(), jobs.clone());
        spawn(&format!("postgres-{number}"), move || {
            work_loop(&engine, tx, &jobs);
        })?;
    }
    Ok(())
}

fn work_loop(engine: &Engine, tx: Tx, jobs: &flume::Receiver<Job>) {
    let mut tx = Some(tx);
    while let Ok(mut job) = jobs.recv() {
        if job.stale() {
            job.answer(Ok(()));
            continue;
        }
        match begun(engine, &mut tx, transacts(engine, &job)) {
            None => job.answer(Err(out_of_reach())),
            Some(open) => {
                let writes = transacts(engine, &job);
                let mut done = attempt(engine, open, &mut job);
                if done.is_err() {
                    tx = None;
                }
                // A read has changed nothing: run it once more, on a new connection.
                if done.is_err()
                    && !writes
                    && !job.stale()
                    && let Some(open) = begun(engine, &mut tx, false)
                {
                    done = attempt(engine, open, &mut job);
                    if done.is_err() {
                        tx = None;
                    }
                }
                job.answer(done.map_err(|error| not_committed(&error)));
            }
        }
    }
}

fn attempt(engine: &Engine, tx: &mut Tx, job: &mut Job) -> QueryResult<()> {
    if transacts(engine, job) {
        write(engine, tx, job)
    } else {
        read(tx, job)
    }
}

/// Tells whether a job runs in a transaction. Behind a pooler all do: outside a transaction, two
/// messages of one statement may reach two sessions of the server.
fn transacts(engine: &Engine, job: &Job) -> bool {
    job.writes() || matches!(engine, Engine::Pooled(_))
}

/// Returns a connection, with a transaction begun if one is wanted. A dead connection is replaced
/// once, as nothing has run on it yet.
pub(super) fn begun<'a>(
    engine: &Engine,
    tx: &'a mut Option<Tx>,
    wanted: bool,
) -> Option<&'a mut Tx> {
    let begin = |tx: &mut Tx| !wanted || tx.conn.batch_execute(conn::begin(engine)).is_ok();
    if !tx.as_mut().is_some_and(begin) {
        *tx = match conn::open(engine, Use::Write) {
            Ok(conn) => Some(Tx { conn }),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "PostgreSQL cannot be reached");
                None
            }
        };
        if !tx.as_mut().is_some_and(begin) {
            return None;
        }
    }
    tx.as_mut()
}

pub(super) fn out_of_reach() -> Error {
    Fault::dependency(anyhow::anyhow!("no connection to PostgreSQL")).into()
}

/// Commits the transaction.
pub(super) fn commit(tx: &mut Tx) -> QueryResult<()> {
    tx.conn.batch_execute("COMMIT")
}

fn read(tx: &mut Tx, job: &mut Job) -> QueryResult<()> {
    for _ in 0..2 {
        match job.run(tx) {
            RunResult::Keep => break,
            // Did the job fail, or is the connection gone? A read can run again at no cost.
            RunResult::Undo { .. } => tx.conn.batch_execute("SELECT 1")?,
        }
    }
    Ok(())
}

/// Runs the job in the transaction that has begun, and again in a new one if the server asks for
/// it.
fn write(engine: &Engine, tx: &mut Tx, job: &mut Job) -> QueryResult<()> {
    for run in 1.. {
        match job.run(tx) {
            RunResult::Keep => match commit(tx) {
                Err(error) if run < RUNS && is_serialization_failure(&error) => {}
                done => return done,
            },
            RunResult::Undo { again } => {
                tx.conn.batch_execute("ROLLBACK")?;
                if !again || run >= RUNS {
                    return Ok(());
                }
            }
        }
        tx.conn.batch_execute(conn::begin(engine))?;
    }
    Ok(())
}

/// Tells whether a commit failed in a way that is known to have changed nothing.
fn is_serialization_failure(error: &diesel::result::Error) -> bool {
    use diesel::result::DatabaseErrorKind::SerializationFailure;
    matches!(
        error,
        diesel::result::Error::DatabaseError(SerializationFailure, _)
    )
}
