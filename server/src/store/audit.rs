//! The audit trail: appended only.

use diesel::prelude::*;

use super::Tx;
use crate::model::audit::AuditEvent;
use crate::model::{AuditId, Result, Time, UserId};
use crate::schema::audit_events;

/// Appends an event.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn append(tx: &mut Tx, event: &AuditEvent) -> Result<()> {
    diesel::insert_into(audit_events::table)
        .values(event)
        .execute(&mut tx.conn)?;
    Ok(())
}

/// Which events are older than `before` (P-46).
pub fn older(tx: &mut Tx, before: Time, limit: i64) -> Result<Vec<(UserId, AuditId)>> {
    Ok(audit_events::table
        .filter(audit_events::at.lt(before))
        .select((audit_events::user_id, audit_events::id))
        .limit(limit)
        .load(&mut tx.conn)?)
}

/// Forgets one, when its time of keeping is over.
pub fn delete(tx: &mut Tx, user_id: UserId, id: AuditId) -> Result<()> {
    diesel::delete(audit_events::table.find((user_id, id))).execute(&mut tx.conn)?;
    Ok(())
}
