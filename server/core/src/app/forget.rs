//! Deletes what has expired, in small writes between those of others.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::App;
use crate::model::Result;
use crate::store::forget::{self, Permission, Times, Walk};

/// How long counters of wrong passwords are kept after the last try, in seconds.
const KEEP_PASSWORD_ATTEMPTS: i64 = 86_400;
/// The least and the greatest number of rows to read and delete at once.
const ROWS: std::ops::RangeInclusive<usize> = 25..=1000;
/// The number of rows at first.
const FIRST: usize = 400;
/// After a write that took longer, the number of rows is halved, since others wait for it.
const LONG: Duration = Duration::from_millis(15);
/// After a write that took less, it is doubled.
const SHORT: Duration = Duration::from_millis(5);
/// The shortest pause between two writes, for others.
const PAUSE: Duration = Duration::from_millis(2);
/// After more failures of the database in a row, the rest is left to the next purge.
const FAILURES: u32 = 5;
/// The pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

impl App {
    /// Deletes what has expired. If the clock just jumped ahead, nothing is deleted, since by a wrong clock
    /// everything has expired.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer. What was deleted before stays deleted.
    pub async fn purge(&self) -> Result<()> {
        let now = self.0.now();
        let permission = self.0.write(move |tx| forget::permission(tx, now)).await?;
        if let Permission::NotBefore { until, jumped } = permission {
            if jumped {
                tracing::warn!(
                    %until,
                    "the clock is more than a day ahead of its last check: nothing is deleted until it has been so for a day"
                );
            }
            return Ok(());
        }
        let policy = &self.0.settings.policy;
        let before = |seconds: u32| now.plus_seconds(-i64::from(seconds));
        let times = Times {
            now,
            idle: now.plus_seconds(-KEEP_PASSWORD_ATTEMPTS),
            ended: before(policy.keep_challenges_seconds),
            sessions: before(policy.keep_sessions_seconds),
            audit: before(policy.keep_audit_seconds),
        };
        let (mut walk, mut rows, mut failures) = (Walk::default(), FIRST, 0);
        loop {
            match self.step(walk.clone(), times, rows).await {
                Ok(None) => return Ok(()),
                Ok(Some((next, took))) => {
                    (walk, failures) = (next, 0);
                    if let Some(took) = took {
                        rows = fitting(rows, took);
                        sleep(PAUSE + took / 2).await;
                    }
                }
                Err(error) if failures >= FAILURES => return Err(error),
                Err(_) => {
                    failures += 1;
                    rows = *ROWS.start();
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Makes one step. Returns where to continue, and how long the write took if there was something to
    /// delete; `None` at the end.
    async fn step(
        &self,
        walk: Walk,
        times: Times,
        rows: usize,
    ) -> Result<Option<(Walk, Option<Duration>)>> {
        // A reader finds the rows, since most rows of a table are alive. The writer deletes them.
        let look = move |tx: &mut _| forget::look(tx, &walk, &times, rows);
        let Some(stretch) = self.0.read(look).await? else {
            return Ok(None);
        };
        if !stretch.is_over() {
            return Ok(Some((stretch.behind(), None)));
        }
        let gone = stretch.clone();
        let took = self
            .0
            .write(move |tx| {
                let begun = Instant::now();
                forget::forget(tx, &gone, &times)?;
                Ok(begun.elapsed())
            })
            .await?;
        Ok(Some((stretch.behind(), Some(took))))
    }
}

/// Returns the number of rows for the next write, after one of `rows` took this long.
fn fitting(rows: usize, took: Duration) -> usize {
    let fitting = if took > LONG {
        rows / 2
    } else if took < SHORT {
        rows * 2
    } else {
        rows
    };
    fitting.clamp(*ROWS.start(), *ROWS.end())
}
