//! Forgetting what is over: small writes between those of others, each of them progress.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::App;
use crate::model::Result;
use crate::store::forget::{self, Permission, Times, Walk};

/// How long counters of wrong passwords are kept after the last try.
const KEEP_PASSWORD_ATTEMPTS: i64 = 86_400;
/// Rows that are looked at, and forgotten, at once: as many as the database manages in a moment.
const ROWS: std::ops::RangeInclusive<usize> = 25..=1000;
/// How many at first.
const FIRST: usize = 400;
/// A write that took longer is followed by one of half the rows: others wait for it.
const LONG: Duration = Duration::from_millis(15);
/// One that took less, by one of twice as many.
const SHORT: Duration = Duration::from_millis(5);
/// What others have to themselves between two writes, at least.
const PAUSE: Duration = Duration::from_millis(2);
/// How often in a row the database may fail before the walk is left to the next purge.
const FAILURES: u32 = 5;
/// How long it is left alone after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

impl App {
    /// Forgets what is over, unless the clock just jumped ahead: by a wrong clock, everything is.
    ///
    /// # Errors
    /// A fault when the database does not answer; what was forgotten before stays so.
    pub async fn purge(&self) -> Result<()> {
        let now = self.0.now();
        let permission = self.0.write(move |tx| forget::permission(tx, now)).await?;
        if let Permission::NotBefore { until, jumped } = permission {
            if jumped {
                tracing::warn!(
                    %until,
                    "the clock is more than a day ahead of when it was last looked at: nothing is forgotten before it has been so for a day"
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

    /// One step of the walk: where it goes on, and how long its write took, if there was something to
    /// forget; `None` at the end.
    async fn step(
        &self,
        walk: Walk,
        times: Times,
        rows: usize,
    ) -> Result<Option<(Walk, Option<Duration>)>> {
        // Found by a reader, since most rows of a table live; deleted by the writer.
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

/// How many rows the next write takes, after one of `rows` that took so long.
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
