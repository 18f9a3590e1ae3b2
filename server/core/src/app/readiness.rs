//! Readiness: whether this process can serve, and what an operator should know.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{App, Ctx};
use crate::model::notice::Channel;
use crate::model::refusal::extra::Checks;
use crate::model::{Error, Time};
use crate::store::conn::SchemaState;
use crate::store::{limits, notices};

/// How long the result of a test write is reused, so that frequent checks cause no further writes.
const KNOWN_FOR: Duration = Duration::from_secs(3);

/// Whether this process can serve, and why not.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// The state of each part.
    pub checks: Checks,
    /// The first problem, as a sentence; `None` if there is none.
    pub reason: Option<&'static str>,
    /// Whether a degraded courier makes the server unready.
    pub needs_courier: bool,
}

impl Readiness {
    /// Whether this process can serve.
    pub fn is_ready(&self) -> bool {
        let courier = self.checks.courier == "ok" || !self.needs_courier;
        [self.checks.database, self.checks.migrations] == ["ok"; 2] && courier
    }
}

/// The last test write: when it was tried, and whether it succeeded.
pub(super) struct Probe {
    /// A row that only this process writes, so that it waits for no other replica.
    row: [u8; 16],
    tried: Mutex<Option<(Instant, bool)>>,
}

impl Probe {
    /// Returns a probe that has tried nothing. No other process may use `row`.
    pub(super) fn new(row: [u8; 16]) -> Self {
        Self {
            row,
            tried: Mutex::new(None),
        }
    }

    /// Whether the database accepts writes. One caller tries, and the others wait for its result.
    async fn is_writable(&self, ctx: &Ctx) -> bool {
        let mut tried = self.tried.lock().await;
        if let Some((at, well)) = *tried
            && at.elapsed() < KNOWN_FOR
        {
            return well;
        }
        let (row, now): (_, Time) = (self.row, ctx.now());
        let written = ctx.write(move |tx| limits::probe(tx, &row, now)).await;
        let was_well = tried.is_none_or(|(_, well)| well);
        match &written {
            Err(Error::Fault(fault)) if was_well => {
                let cause = format!("{:#}", fault.cause);
                tracing::error!(cause, "the database accepts no writes");
            }
            Err(_) if was_well => tracing::error!("the database did not finish a write in time"),
            Ok(()) if !was_well => tracing::info!("the database accepts writes again"),
            Ok(()) | Err(_) => {}
        }
        let well = written.is_ok();
        *tried = Some((Instant::now(), well));
        well
    }
}

impl App {
    /// Asks all parts for their state.
    pub async fn readiness(&self) -> Readiness {
        let ctx = self.ctx();
        let (schema, queued, writable, sign_ins) = tokio::join!(
            ctx.store.schema_state(),
            ctx.read(notices::queued),
            ctx.probe.is_writable(ctx),
            ctx.store.probe_sign_ins()
        );
        let schema = sign_ins.and(schema);
        let database = match (&schema, writable) {
            (Err(_), _) => ("unreachable", Some("The database does not answer.")),
            (Ok(_), false) => (
                "unwritable",
                Some(
                    "The database accepts no writes: its disk may be full or read-only, or it hangs.",
                ),
            ),
            (Ok(_), true) => ("ok", None),
        };
        let migrations = match schema {
            Ok(SchemaState::Behind) => (
                "behind",
                Some("The database lacks migrations: run `countersign migrate`."),
            ),
            Ok(SchemaState::Ahead) => (
                "ahead",
                Some("The database was migrated by a newer version of Countersign."),
            ),
            Ok(SchemaState::Current | SchemaState::Newer) | Err(_) => ("ok", None),
        };
        let most = i64::from(ctx.settings.policy.courier_queue);
        let courier = match (queued, ctx.health.stuck(ctx.now())) {
            (Ok(queued), _) if queued >= most => (
                "degraded",
                Some("The queue of messages is full: calls that send a message are refused."),
            ),
            (_, Some(Channel::Mail)) => (
                "degraded",
                Some("No mail was sent for a minute, although some wait: see the log."),
            ),
            (_, Some(Channel::Text)) => (
                "degraded",
                Some("No text message was sent for a minute, although some wait: see the log."),
            ),
            (_, None) => ("ok", None),
        };
        Readiness {
            checks: Checks {
                database: database.0,
                migrations: migrations.0,
                courier: courier.0,
            },
            reason: database.1.or(migrations.1).or(courier.1),
            needs_courier: ctx.settings.ready_needs_courier,
        }
    }
}
