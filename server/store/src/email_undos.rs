//! Queries for changes of address that can be undone, and for the addresses that are kept meanwhile.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::email_change::EmailUndo;
use crate::model::{EmailUndoId, Result, Time, UserId};
use crate::schema::{email_undos, held_addresses, users};

/// Returns the change with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, user_id: UserId, id: EmailUndoId) -> Result<Option<EmailUndo>> {
    Ok(on!(tx, |conn| email_undos::table
        .find((user_id, id))
        .select(EmailUndo::as_select())
        .get_result(conn))
    .optional()?)
}

/// Returns the changes of a user, newest first, those that are over as well.
pub fn of_user(tx: &mut Tx, user_id: UserId, limit: i64) -> Result<Vec<EmailUndo>> {
    Ok(on!(tx, |conn| email_undos::table
        .filter(email_undos::user_id.eq(user_id))
        .order(email_undos::ordinal.desc())
        .limit(limit)
        .select(EmailUndo::as_select())
        .load(conn))?)
}

/// Returns the place of the next change of a user whose row is locked.
pub fn next_ordinal(tx: &mut Tx, user_id: UserId) -> Result<i64> {
    let newest: Option<i64> = on!(tx, |conn| email_undos::table
        .filter(email_undos::user_id.eq(user_id))
        .select(diesel::dsl::max(email_undos::ordinal))
        .get_result(conn))?;
    Ok(newest.unwrap_or(0) + 1)
}

/// Stores a change, and keeps its old address for the user until it can no longer be undone.
pub fn insert(tx: &mut Tx, undo: &EmailUndo) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(email_undos::table)
        .values(undo)
        .execute(conn))?;
    let (user, until) = (
        held_addresses::user_id.eq(undo.user_id),
        held_addresses::held_until.eq(undo.expires_at),
    );
    run_kept!(
        tx,
        diesel::insert_into(held_addresses::table)
            .values((
                held_addresses::address.eq(undo.old_address.as_str()),
                user,
                until
            ))
            .on_conflict(held_addresses::address)
            .do_update()
            .set((user, until))
    )?;
    Ok(())
}

/// Uses the link of a change up. Returns `false` if another call already has, or it has expired.
pub fn spend(tx: &mut Tx, undo: &EmailUndo, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            email_undos::table
                .find((undo.user_id, undo.id))
                .filter(email_undos::consumed_at.is_null())
                .filter(email_undos::expires_at.gt(now)),
        )
        .set(email_undos::consumed_at.eq(now))
    )?;
    Ok(rows == 1)
}

/// Ends the links of all changes that came after this one.
pub fn end_later(tx: &mut Tx, undo: &EmailUndo, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            email_undos::table
                .filter(email_undos::user_id.eq(undo.user_id))
                .filter(email_undos::ordinal.gt(undo.ordinal))
                .filter(email_undos::consumed_at.is_null()),
        )
        .set(email_undos::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Ends an expired link, so that a clock that goes back does not revive it.
pub fn end_over(tx: &mut Tx, user_id: UserId, id: EmailUndoId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            email_undos::table
                .find((user_id, id))
                .filter(email_undos::expires_at.le(now))
                .filter(email_undos::consumed_at.is_null()),
        )
        .set(email_undos::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Tells whether an address is kept for another user than this one.
pub fn is_held(tx: &mut Tx, address: &str, user_id: UserId, now: Time) -> Result<bool> {
    let held: bool = on!(tx, |conn| diesel::select(diesel::dsl::exists(
        held_addresses::table
            .find(address)
            .filter(held_addresses::user_id.ne(user_id))
            .filter(held_addresses::held_until.gt(now))
            // A server of the version before deletes accounts without these rows.
            .filter(diesel::dsl::exists(
                users::table.filter(users::id.eq(held_addresses::user_id))
            ))
    ))
    .get_result(conn))?;
    Ok(held)
}
