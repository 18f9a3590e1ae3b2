//! Readiness as load balancers ask for it.

use crate::app::App;
use crate::status::{Checks, Rejected};

/// How the parts are that the server needs.
///
/// # Errors
/// Rejects when this process cannot serve.
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
