//! Jobs: what the database threads run, on its way there and back.
//!
//! Only [`Call`], [`send`] and [`unpacked`] know the types of a job and of its result. Everything else is compiled once,
//! not once for each of the hundred jobs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{POOLER, RUN, Tx, is_of_a_pooler};
use crate::model::{Error, Fault, Refusal, Result};

/// The result of a job's run.
pub(super) enum RunResult {
    /// Its writes are committed.
    Keep,
    /// Its writes are undone. `again` is true if the database asks for another run (40001, 40P01).
    Undo { again: bool },
}

impl RunResult {
    fn of(error: Option<&Error>) -> Self {
        match error {
            None | Some(Error::Refused(_)) => Self::Keep,
            Some(Error::Fault(fault)) => Self::Undo {
                again: asks_for_another_run(fault),
            },
        }
    }
}

/// A job in a queue.
pub(super) struct Job {
    work: Box<dyn Work>,
    writes: bool,
    /// The span of the call that asked: what the job logs, including audit events, belongs to it.
    span: tracing::Span,
    reply: oneshot::Sender<Done>,
    deadline: Instant,
}

/// A job that has run, or was given up.
struct Done {
    work: Box<dyn Work>,
    committed: Result<()>,
}

impl Job {
    /// Tells whether it needs a transaction.
    pub(super) const fn writes(&self) -> bool {
        self.writes
    }

    /// Tells whether nobody waits for it any more, or it has waited too long. It must not run then.
    pub(super) fn stale(&self) -> bool {
        self.reply.is_closed() || Instant::now() > self.deadline
    }

    /// Drops the result of a run whose writes were undone.
    pub(super) fn forget(&mut self) {
        self.work.forget();
    }

    /// Runs it and keeps its result until [`Job::answer`].
    pub(super) fn run(&mut self, tx: &mut Tx) -> RunResult {
        let Self { work, span, .. } = self;
        // The job has no state of its own, and its transaction is rolled back.
        let ran = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| work.run(tx))));
        ran.unwrap_or_else(|_| {
            work.fail(Fault::bug(anyhow::anyhow!("a database job panicked")).into());
            RunResult::Undo { again: false }
        })
    }

    /// Gives the caller the result, or the reason why it was not committed.
    pub(super) fn answer(self, committed: Result<()>) {
        // The caller may have hung up and want no answer.
        let _ = self.reply.send(Done {
            work: self.work,
            committed,
        });
    }
}

/// What a job does, whatever type it returns.
trait Work: Send {
    /// Runs it and keeps its result.
    fn run(&mut self, tx: &mut Tx) -> RunResult;
    /// Keeps an error as its result.
    fn fail(&mut self, error: Error);
    /// Drops its result.
    fn forget(&mut self);
    /// Moves its result to `place`, an `Option<Result<T>>`.
    fn hand_over(&mut self, place: &mut dyn Any);
}

struct Call<F, T> {
    job: F,
    result: Option<Result<T>>,
}

impl<F, T> Work for Call<F, T>
where
    F: Fn(&mut Tx) -> Result<T> + Send,
    T: Send + 'static,
{
    fn run(&mut self, tx: &mut Tx) -> RunResult {
        let result = (self.job)(tx).map_err(explained);
        let ran = RunResult::of(result.as_ref().err());
        self.result = Some(result);
        ran
    }

    fn fail(&mut self, error: Error) {
        self.result = Some(Err(error));
    }

    fn forget(&mut self) {
        self.result = None;
    }

    fn hand_over(&mut self, place: &mut dyn Any) {
        if let Some(place) = place.downcast_mut::<Option<Result<T>>>() {
            *place = self.result.take();
        }
    }
}

/// Sends a job to a queue and waits for its result, `acquire` for its turn and [`RUN`] for the rest.
///
/// # Errors
/// Returns what the job refuses. Refuses as busy if the queue is full or slow. Returns a fault if the commit
/// fails.
pub(super) fn send<T, F>(
    queue: &flume::Sender<Job>,
    acquire: Duration,
    writes: bool,
    job: F,
) -> impl Future<Output = Result<T>>
where
    T: Send + 'static,
    F: Fn(&mut Tx) -> Result<T> + Send + 'static,
{
    let work = Box::new(Call { job, result: None });
    exchange(queue, acquire, writes, work).map(|done| unpacked(done?))
}

/// Returns the result of a job, or why it was not committed.
fn unpacked<T: 'static>(mut done: Done) -> Result<T> {
    let mut result: Option<Result<T>> = None;
    done.work.hand_over(&mut result);
    match (done.committed, result) {
        (Ok(()), Some(result)) => result,
        // The job's own fault says more than the commit that failed because of it.
        (Err(_), Some(Err(Error::Fault(fault)))) => Err(fault.into()),
        (Err(error), _) => Err(error),
        (Ok(()), None) => Err(Refusal::Busy { retry_after: 1 }.into()),
    }
}

async fn exchange(
    queue: &flume::Sender<Job>,
    acquire: Duration,
    writes: bool,
    work: Box<dyn Work>,
) -> Result<Done> {
    let (reply, answer) = oneshot::channel();
    let job = Job {
        work,
        writes,
        span: tracing::Span::current(),
        reply,
        deadline: Instant::now() + acquire,
    };
    queue
        .try_send(job)
        .map_err(|_| Refusal::Busy { retry_after: 1 })?;
    // A database that hangs must not make callers hang. Whatever it still does counts as if its
    // answer had been lost on the way.
    let lost = |why: &'static str| Fault::dependency(anyhow::anyhow!(why)).into();
    match tokio::time::timeout(acquire + RUN, answer).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(lost("the database thread is gone")),
        Err(_) => Err(lost("the database does not answer")),
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
