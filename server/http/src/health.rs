//! Readiness checks for load balancers.

use crate::app::App;
use crate::app::readiness::Readiness;
use crate::model::Refusal;
use crate::status::Rejection;

/// Seconds after which to ask again when the server is not ready.
const RETRY_SECONDS: u32 = 5;

/// Checks the parts that the server depends on.
///
/// # Errors
/// Rejects if this process cannot serve.
pub async fn readiness(app: &App) -> Result<Readiness, Rejection> {
    let readiness = app.readiness().await;
    if readiness.is_ready() {
        return Ok(readiness);
    }
    Err(Rejection::Refused(Refusal::NotReady {
        checks: readiness.checks,
        reason: readiness.reason.unwrap_or_default(),
        retry_after: RETRY_SECONDS,
    }))
}
