//! Writes and reads the audit trail. Events are only ever appended.

use diesel::prelude::*;
use uuid::Uuid;

use super::Tx;
use super::cached::on;
use crate::model::audit::AuditEvent;
use crate::model::{AuditId, Result, UserId};
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

/// Returns the newest events of a user, or the newest of those from before `before`, newest first.
pub fn page(
    tx: &mut Tx,
    user_id: UserId,
    before: Option<AuditId>,
    limit: i64,
) -> Result<Vec<AuditEvent>> {
    let before = before.unwrap_or(AuditId::new(Uuid::max()));
    Ok(on!(tx, |conn| audit_events::table
        .filter(audit_events::user_id.eq(user_id))
        .filter(audit_events::id.lt(before))
        .order(audit_events::id.desc())
        .limit(limit)
        .select(AuditEvent::as_select())
        .load(conn))?)
}
