//! One thread and one connection of PostgreSQL that serve many callers with one statement. A statement costs
//! a round trip and a commit, however many rows it carries.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::conn::{self, Engine, Use};
use super::{RUN, Tx, not_committed, postgres, spawn};
use crate::model::{Fault, Refusal, Result, UserId};

/// How many rows one statement carries at most. More callers than these wait in memory for the next one.
const MOST: usize = 128;

/// Work that can be done for many callers in one statement.
pub(super) trait Shared: Send + 'static {
    /// What one caller asks for.
    type Row: Send;
    /// What one caller gets.
    type Answer: Send;
    /// Returns the user whom a row is about.
    fn user(row: &Self::Row) -> UserId;

    /// Returns the answer to the second row of one user in a statement, if only one may be in it.
    fn second() -> Option<Self::Answer>;

    /// Does the work for all rows, and returns an answer for each, in their order.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer. Then nothing has changed.
    fn run(tx: &mut Tx, rows: &[&Self::Row]) -> Result<Vec<Self::Answer>>;
}

struct Waiting<S: Shared> {
    row: S::Row,
    reply: oneshot::Sender<Result<S::Answer>>,
    deadline: Instant,
}

/// What a caller sends.
enum Call<S: Shared> {
    /// Work on a row.
    Work(Waiting<S>),
    /// The question whether the connection works.
    Probe(oneshot::Sender<Result<()>>),
}

/// The callers' end of a lane.
pub(super) struct Lane<S: Shared> {
    queue: flume::Sender<Call<S>>,
    acquire: Duration,
}

impl<S: Shared> Clone for Lane<S> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            acquire: self.acquire,
        }
    }
}

impl<S: Shared> Lane<S> {
    /// Starts the thread.
    pub(super) fn start(
        name: &str,
        engine: &Engine,
        queue: usize,
        acquire: Duration,
    ) -> anyhow::Result<Self> {
        let (sender, receiver) = flume::bounded(queue);
        let engine = engine.clone();
        let tx = Tx {
            conn: conn::open(&engine, Use::Write)?,
        };
        spawn(name, move || work(&engine, tx, &receiver))?;
        Ok(Self {
            queue: sender,
            acquire,
        })
    }

    /// Asks for the work on one row.
    pub(super) async fn ask(&self, row: S::Row) -> Result<S::Answer> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            row,
            reply,
            deadline: Instant::now() + self.acquire,
        };
        self.send(Call::Work(waiting), answer).await
    }

    /// Finds out whether the connection works, and replaces it if not.
    pub(super) async fn probe(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Call::Probe(reply), answer).await
    }

    async fn send<T>(&self, call: Call<S>, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        self.queue
            .try_send(call)
            .map_err(|_| Refusal::Busy { retry_after: 1 })?;
        let gone = |said: &'static str| Fault::dependency(anyhow::anyhow!(said));
        match tokio::time::timeout(self.acquire + RUN, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(gone("the database thread is gone").into()),
            Err(_) => Err(gone("the database does not answer").into()),
        }
    }
}

fn work<S: Shared>(engine: &Engine, tx: Tx, queue: &flume::Receiver<Call<S>>) {
    let mut tx = Some(tx);
    while let Ok(first) = queue.recv() {
        let (mut batch, mut probes) = (Vec::new(), Vec::new());
        for call in std::iter::once(first).chain(queue.try_iter().take(MOST - 1)) {
            match call {
                Call::Work(waiting) => batch.push(waiting),
                Call::Probe(reply) => probes.push(reply),
            }
        }
        answer(engine, &mut tx, sharing(batch, Instant::now()));
        for reply in probes.into_iter().filter(|reply| !reply.is_closed()) {
            let _ = reply.send(probe(engine, &mut tx));
        }
    }
}

/// Tries the connection, and a new one if it does not work.
fn probe(engine: &Engine, tx: &mut Option<Tx>) -> Result<()> {
    for _ in 0..2 {
        let Some(open) = postgres::begun(engine, tx, false) else {
            return Err(postgres::out_of_reach());
        };
        if open.conn.batch_execute("SELECT 1").is_ok() {
            return Ok(());
        }
        *tx = None;
    }
    Err(postgres::out_of_reach())
}

/// Returns those who share a statement. Whoever has waited too long is refused, and whoever has hung up is
/// dropped.
fn sharing<S: Shared>(batch: Vec<Waiting<S>>, now: Instant) -> Vec<Waiting<S>> {
    let mut users = HashSet::new();
    let mut sharing = Vec::with_capacity(batch.len());
    for one in batch {
        if one.reply.is_closed() {
            continue;
        }
        let answer = if now > one.deadline {
            Some(Err(Refusal::Busy { retry_after: 1 }.into()))
        } else if users.insert(S::user(&one.row)) {
            None
        } else {
            S::second().map(Ok)
        };
        match answer {
            Some(answer) => {
                let _ = one.reply.send(answer);
            }
            None => sharing.push(one),
        }
    }
    sharing
}

fn answer<S: Shared>(engine: &Engine, tx: &mut Option<Tx>, batch: Vec<Waiting<S>>) {
    let rows: Vec<&S::Row> = batch.iter().map(|one| &one.row).collect();
    if let Ok(answers) = attempt::<S>(engine, tx, &rows) {
        for (one, answer) in batch.into_iter().zip(answers) {
            // The caller may have hung up and want no answer.
            let _ = one.reply.send(Ok(answer));
        }
        return;
    }
    // One row may have spoilt it for all, or the connection was dead. If it was the answer that got lost, the
    // row's own conditions let nothing happen twice.
    for one in batch {
        // While the server is out of reach, each attempt takes seconds. Nobody waits for the later ones then.
        if one.reply.is_closed() || Instant::now() > one.deadline {
            let _ = one.reply.send(Err(postgres::out_of_reach()));
            continue;
        }
        let done = attempt::<S>(engine, tx, &[&one.row]);
        let lost = || Fault::bug(anyhow::anyhow!("a statement without an answer")).into();
        let done = done.and_then(|answers| answers.into_iter().next().ok_or_else(lost));
        let _ = one.reply.send(done);
    }
}

/// Runs the statement once. After a failure the connection is not used again.
fn attempt<S: Shared>(
    engine: &Engine,
    tx: &mut Option<Tx>,
    rows: &[&S::Row],
) -> Result<Vec<S::Answer>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    // Behind a pooler, a statement outside a transaction may reach two sessions of the server.
    let transacts = matches!(engine, Engine::Pooled(_));
    let Some(open) = postgres::begun(engine, tx, transacts) else {
        return Err(postgres::out_of_reach());
    };
    let run = catch_unwind(AssertUnwindSafe(|| S::run(open, rows)));
    let done = run
        .unwrap_or_else(|_| Err(Fault::bug(anyhow::anyhow!("a database job panicked")).into()))
        .and_then(|answers| match transacts {
            true => postgres::commit(open)
                .map(|()| answers)
                .map_err(|error| not_committed(&error)),
            false => Ok(answers),
        });
    if done.is_err() {
        *tx = None;
    }
    done
}
