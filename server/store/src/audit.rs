//! The audit trail: appended only.

use diesel::prelude::*;

use super::Tx;
use super::cached::on;
use crate::model::Result;
use crate::model::audit::AuditEvent;
use crate::schema::audit_events;

/// Appends an event.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn append(tx: &mut Tx, event: &AuditEvent) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(audit_events::table)
        .values(event)
        .execute(conn))?;
    Ok(())
}
