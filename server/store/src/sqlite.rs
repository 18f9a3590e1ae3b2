//! SQLite's threads: one writer with group commit, readers, and the checkpointer.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::result::QueryResult;
use diesel::sql_types::Integer;
use diesel::{QueryableByName, RunQueryDsl, sql_query};

use super::cached::on;
use super::conn::{self, Engine, Use};
use super::{Job, RunResult, Tx, not_committed, spawn};

/// How many jobs share one commit at most. Beyond that, callers wait longer than the shared commit
/// saves.
const BATCH: usize = 256;
/// How long the checkpointer lets the log grow before it moves it into the file.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(50);
/// A log of this many pages, 256 MiB, begins anew, even though the writer has to wait for a moment.
const LOG_PAGES: i32 = 1 << 16;
/// How often at most the checkpointer moves what was written meanwhile, before the log begins anew.
const CATCH_UP: usize = 4;
/// So few pages, 4 MiB, are moved while the writer waits.
const FEW_PAGES: i32 = 1024;

/// Starts the threads of one database file.
pub(super) fn start(
    engine: &Engine,
    writer: Tx,
    writes: flume::Receiver<Box<dyn Job>>,
    reads: flume::Receiver<Box<dyn Job>>,
    readers: usize,
) -> anyhow::Result<()> {
    let (wrote, dirty) = flume::bounded(1);
    spawn("sqlite-writer", move || write_loop(writer, &writes, &wrote))?;
    for number in 0..readers.max(1) {
        let tx = Tx {
            conn: conn::open(engine, Use::Read)?,
        };
        let reads = reads.clone();
        spawn(&format!("sqlite-reader-{number}"), move || {
            read_loop(tx, &reads);
        })?;
    }
    let checkpointer = Tx {
        conn: conn::open(engine, Use::Checkpoint)?,
    };
    spawn("sqlite-checkpoint", move || {
        checkpoint_loop(checkpointer, &dirty);
    })
}

/// Takes one job, then whatever came meanwhile. Batches form naturally while the previous commit is
/// on its way to the disk, and a lone job never waits for company.
fn write_loop(mut tx: Tx, queue: &flume::Receiver<Box<dyn Job>>, wrote: &flume::Sender<()>) {
    let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH);
    while let Ok(first) = queue.recv() {
        let came = std::iter::once(first).chain(queue.try_iter().take(BATCH - 1));
        for job in came {
            // Nobody waits for this job any more: it must not run, and its answer says so.
            if job.stale() {
                job.answer(Ok(()));
            } else {
                batch.push(job);
            }
        }
        if batch.len() > 1 {
            write_batch(&mut tx, &mut batch);
        } else if let Some(job) = batch.pop() {
            write_alone(&mut tx, job);
        }
        // If the channel is full, the checkpointer knows already.
        let _ = wrote.try_send(());
    }
}

/// Runs every job of the batch inside one transaction.
fn write_batch(tx: &mut Tx, batch: &mut Vec<Box<dyn Job>>) {
    let mut ran = run_batch(tx, batch, Savepoints::None);
    if let Ok(Whole::Undo) = ran {
        // One job failed: the others run again, and only its writes are undone.
        let undone = tx.conn.batch_execute("ROLLBACK");
        ran = undone.and_then(|()| run_batch(tx, batch, Savepoints::Each));
    }
    match ran {
        Ok(_) => match tx.conn.batch_execute("COMMIT") {
            Ok(()) => batch.drain(..).for_each(|job| job.answer(Ok(()))),
            Err(error) => {
                // Nothing of the batch is on disk. The callers are told so. A second run could meet
                // a commit that did happen after all.
                let _ = tx.conn.batch_execute("ROLLBACK");
                batch
                    .drain(..)
                    .for_each(|job| job.answer(Err(not_committed(&error))));
            }
        },
        Err(_) => {
            let _ = tx.conn.batch_execute("ROLLBACK");
            batch.drain(..).for_each(|job| write_alone(tx, job));
        }
    }
}

/// Whether each job of a batch gets a savepoint, so that its writes can be undone without the
/// others'. Nearly all jobs succeed, and a savepoint copies every page that its job changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Savepoints {
    None,
    Each,
}

/// What to do with a batch that has run.
enum Whole {
    Keep,
    /// One job's writes must be undone, and no savepoint separates them from the others'.
    Undo,
}

fn run_batch(tx: &mut Tx, batch: &mut [Box<dyn Job>], with: Savepoints) -> QueryResult<Whole> {
    tx.conn.batch_execute("BEGIN IMMEDIATE")?;
    for job in batch {
        if with == Savepoints::Each {
            tx.conn.batch_execute("SAVEPOINT job")?;
        }
        match (job.run(tx), with) {
            (RunResult::Keep, Savepoints::None) => {}
            (RunResult::Undo { .. }, Savepoints::None) => return Ok(Whole::Undo),
            (RunResult::Keep, Savepoints::Each) => tx.conn.batch_execute("RELEASE job")?,
            (RunResult::Undo { .. }, Savepoints::Each) => {
                tx.conn.batch_execute("ROLLBACK TO job; RELEASE job")?;
            }
        }
    }
    Ok(Whole::Keep)
}

fn write_alone(tx: &mut Tx, mut job: Box<dyn Job>) {
    // It may have run in a batch that was undone.
    job.forget();
    if job.stale() {
        return job.answer(Ok(()));
    }
    let done = tx
        .conn
        .batch_execute("BEGIN IMMEDIATE")
        .and_then(|()| match job.run(tx) {
            RunResult::Keep => tx.conn.batch_execute("COMMIT"),
            RunResult::Undo { .. } => tx.conn.batch_execute("ROLLBACK"),
        });
    if done.is_err() {
        let _ = tx.conn.batch_execute("ROLLBACK");
    }
    job.answer(done.map_err(|error| not_committed(&error)));
}

fn read_loop(mut tx: Tx, queue: &flume::Receiver<Box<dyn Job>>) {
    while let Ok(mut job) = queue.recv() {
        if !job.stale() {
            job.run(&mut tx);
        }
        job.answer(Ok(()));
    }
}

/// Moves the log into the file soon after writes, and cuts it when nothing more is written.
fn checkpoint_loop(mut tx: Tx, dirty: &flume::Receiver<()>) {
    let mut behind = false;
    loop {
        let woken = if behind {
            dirty.recv_timeout(Duration::from_secs(5))
        } else {
            dirty
                .recv()
                .map_err(|_| flume::RecvTimeoutError::Disconnected)
        };
        match woken {
            Ok(()) => {
                std::thread::sleep(CHECKPOINT_PAUSE);
                let done = checkpoint(&mut tx, "PASSIVE");
                if done.log > LOG_PAGES {
                    restart(&mut tx, done.checkpointed);
                }
                behind = true;
            }
            Err(flume::RecvTimeoutError::Timeout) => {
                checkpoint(&mut tx, "TRUNCATE");
                behind = false;
            }
            Err(flume::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Lets the log begin anew. The writer waits while the last pages are moved, so most of what it has written since
/// the last checkpoint, which had moved `moved` pages, is moved before. It would also wait for a file of this size to
/// be cut, so the file stays, and is written over.
fn restart(tx: &mut Tx, mut moved: i32) {
    for _ in 0..CATCH_UP {
        let before = std::mem::replace(&mut moved, checkpoint(tx, "PASSIVE").checkpointed);
        if moved - before < FEW_PAGES {
            break;
        }
    }
    checkpoint(tx, "RESTART");
}

/// Moves the log into the file.
fn checkpoint(tx: &mut Tx, how: &str) -> Checkpoint {
    let done: QueryResult<Checkpoint> = on!(tx, |conn| sql_query(format!(
        "PRAGMA wal_checkpoint({how})"
    ))
    .get_result(conn));
    match done {
        Ok(done) => done,
        Err(error) => {
            // If the file is busy or full, the next write brings another checkpoint.
            tracing::warn!(%error, "the write-ahead log could not be moved into the file");
            Checkpoint::default()
        }
    }
}

/// What SQLite says of a checkpoint.
#[derive(Default, QueryableByName)]
struct Checkpoint {
    /// How many pages the log has.
    #[diesel(sql_type = Integer)]
    log: i32,
    /// How many of them are in the file.
    #[diesel(sql_type = Integer)]
    checkpointed: i32,
}
