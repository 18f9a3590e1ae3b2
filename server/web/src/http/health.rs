//! Readiness checks for load balancers.

use crate::app::App;
use crate::http::status::{Checks, Rejected};

/// Checks the parts that the server depends on.
///
/// # Errors
/// Rejects if this process cannot serve.
pub async fn readiness(app: &App) -> Result<Checks, Rejected> {
    let readiness = app.readiness().await;
    let checks = Checks {
        database: readiness.database,
        migrations: readiness.migrations,
        courier: readiness.courier,
        reason: readiness.reason,
    };
    if readiness.is_ready() {
        Ok(checks)
    } else {
        Err(Rejected::NotReady { checks })
    }
}
