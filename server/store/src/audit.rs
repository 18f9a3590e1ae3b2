//! Writes the audit trail. Events are only ever appended.

use diesel::prelude::*;

use super::Tx;
use super::cached::on;
use crate::model::Result;
use crate::model::audit::AuditEvent;
use crate::schema::audit_events;

/// Appends an event.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn append(tx: &mut Tx, event: &AuditEvent) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(audit_events::table)
        .values(event)
        .execute(conn))?;
    Ok(())
}
