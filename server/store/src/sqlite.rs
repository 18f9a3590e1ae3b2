//! SQLite's threads: one writer with group commit, readers, and the checkpointer.

use std::thread;
use std::time::{Duration, Instant};

use diesel::result::QueryResult;
use diesel::sql_types::Integer;
use diesel::{QueryableByName, RunQueryDsl, sql_query};

use super::cached::on;
use super::conn::{self, Engine, Use};
use super::job::{Job, RunResult};
use super::{Tx, not_committed, spawn};

/// How many jobs share one commit at most. Beyond that, callers wait longer than the shared commit
/// saves.
const BATCH: usize = 256;
/// How long the checkpointer lets the log grow before it moves it into the file.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(50);
/// A log of this many pages, 64 MiB, should begin anew.
const LOG_PAGES: i32 = 1 << 14;
/// A log of this many pages, 1 GiB, has to begin anew, however long the writer waits.
const TOO_MANY_PAGES: i32 = 16 * LOG_PAGES;
/// How often at most the checkpointer brings the file to the disk, before the log begins anew.
const CATCH_UP: usize = 8;
/// If the last time took no longer, little is left to do while the writer stands still for long.
const QUICK: Duration = Duration::from_millis(15);
/// So few pages, 2 MiB, are moved while the writer stands still for a short time.
const FEW_PAGES: i32 = 512;
/// How long the writer stands still so that the checkpointer can come to the end of the log.
const SHORT_STAND: Duration = Duration::from_millis(4);
/// How long it stands still at most so that the log can begin anew.
const LONG_STAND: Duration = Duration::from_millis(40);
/// How long readers may need to end what they began before the end of the log was reached.
const LAST_READS: Duration = Duration::from_millis(2);
/// How long the checkpointer waits for the writer to stand still.
const HALT: Duration = Duration::from_millis(50);

/// Starts the threads of one database file.
pub(super) fn start(
    engine: &Engine,
    writer: Tx,
    writes: flume::Receiver<Job>,
    reads: flume::Receiver<Job>,
    readers: usize,
) -> anyhow::Result<()> {
    let (wrote, dirty) = flume::bounded(1);
    // Without a place to wait in: a request that the writer does not take in time is taken back.
    let (halt, halts) = flume::bounded(0);
    spawn("sqlite-writer", move || {
        write_loop(writer, &writes, &wrote, &halts);
    })?;
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
        checkpoint_loop(checkpointer, &dirty, &halt);
    })
}

/// Asks the writer to stand still.
struct Halt {
    /// The writer goes on when this channel is closed,
    go_on: flume::Receiver<()>,
    /// or after this time.
    at_most: Duration,
}

/// Takes one job, then whatever came meanwhile. Batches form naturally while the previous commit is
/// on its way to the disk, and a lone job never waits for company.
fn write_loop(
    mut tx: Tx,
    queue: &flume::Receiver<Job>,
    wrote: &flume::Sender<()>,
    halts: &flume::Receiver<Halt>,
) {
    let mut batch: Vec<Job> = Vec::with_capacity(BATCH);
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
        if let Ok(Halt { go_on, at_most }) = halts.try_recv() {
            let _ = go_on.recv_timeout(at_most);
        }
    }
}

/// Runs every job of the batch inside one transaction.
fn write_batch(tx: &mut Tx, batch: &mut Vec<Job>) {
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

fn run_batch(tx: &mut Tx, batch: &mut [Job], with: Savepoints) -> QueryResult<Whole> {
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

fn write_alone(tx: &mut Tx, mut job: Job) {
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

fn read_loop(mut tx: Tx, queue: &flume::Receiver<Job>) {
    while let Ok(mut job) = queue.recv() {
        if !job.stale() {
            job.run(&mut tx);
        }
        job.answer(Ok(()));
    }
}

/// Moves the log into the file soon after writes, and cuts it when nothing more is written.
fn checkpoint_loop(mut tx: Tx, dirty: &flume::Receiver<()>, halts: &flume::Sender<Halt>) {
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
                thread::sleep(CHECKPOINT_PAUSE);
                let pages = checkpoint(&mut tx, "PASSIVE").log;
                if pages > TOO_MANY_PAGES {
                    checkpoint(&mut tx, "RESTART");
                } else if pages > LOG_PAGES {
                    begin_anew(&mut tx, halts);
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

/// Lets the writer begin the log anew. It does so by itself if everything is moved and nobody reads from the log.
/// If somebody does, it goes on with the old one until the next time.
///
/// SQLite brings the file to the disk only if it has come to the end of the log, which a busy writer keeps moving on.
/// That can take a quarter of a second. So the writer stands still for a moment until the end is reached, and goes on
/// while the file is brought to the disk. What it has written meanwhile is less each time. Only the last time, it
/// waits for the disk. `PRAGMA wal_checkpoint(RESTART)` would let it wait for all of that, and for all readers.
///
/// A log of this size is not cut, which takes long. It is written over.
fn begin_anew(tx: &mut Tx, halts: &flume::Sender<Halt>) {
    for _ in 0..CATCH_UP {
        let before = checkpoint(tx, "PASSIVE").checkpointed;
        let _stands = stand_still(halts, SHORT_STAND);
        let begun = Instant::now();
        let moved = checkpoint(tx, "PASSIVE").checkpointed - before;
        if begun.elapsed() < QUICK && moved < FEW_PAGES {
            break;
        }
    }
    let _stands = stand_still(halts, LONG_STAND);
    checkpoint(tx, "PASSIVE");
    thread::sleep(LAST_READS);
}

/// Waits until the writer stands still. It stands until what is returned is dropped, or for `at_most`. A writer
/// without work does not notice, and one whose disk is slow may not notice in time.
fn stand_still(halts: &flume::Sender<Halt>, at_most: Duration) -> flume::Sender<()> {
    let (goes_on, go_on) = flume::bounded(1);
    let _ = halts.send_timeout(Halt { go_on, at_most }, HALT);
    goes_on
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
