//! Queries for new addresses that wait for their code.

use diesel::prelude::*;

use super::Tx;
use super::cached::{kept, on, run_kept};
use crate::model::email_change::EmailChange;
use crate::model::{Result, Time, UserId};
use crate::schema::email_changes;

/// Returns the newest request of this user.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, user_id: UserId) -> Result<Option<EmailChange>> {
    Ok(on!(tx, |conn| email_changes::table
        .find(user_id)
        .select(EmailChange::as_select())
        .get_result(conn))
    .optional()?)
}

/// Stores a new request, which takes the place of the one before.
pub fn put(tx: &mut Tx, change: &EmailChange) -> Result<()> {
    run_kept!(
        tx,
        diesel::insert_into(email_changes::table)
            .values(change)
            .on_conflict(email_changes::user_id)
            .do_update()
            .set(change)
    )?;
    Ok(())
}

/// Takes one try of its code. Returns how many tries are taken now, or `None` if none is left, or the request
/// is over or was replaced.
pub fn reserve(tx: &mut Tx, change: &EmailChange, tries: u32, now: Time) -> Result<Option<i32>> {
    Ok(on!(tx, |conn| kept!(
        diesel::update(
            email_changes::table
                .find(change.user_id)
                .filter(email_changes::id.eq(change.id))
                .filter(email_changes::attempts.lt(tries.cast_signed()))
                .filter(email_changes::consumed_at.is_null())
                .filter(email_changes::expires_at.gt(now)),
        )
        .set(email_changes::attempts.eq(email_changes::attempts + 1))
        .returning(email_changes::attempts)
    )
    .get_result(conn))
    .optional()?)
}

/// Uses the request up. Returns `false` if another call already has, it has expired, or it was replaced.
pub fn spend(tx: &mut Tx, change: &EmailChange, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            email_changes::table
                .find(change.user_id)
                .filter(email_changes::id.eq(change.id))
                .filter(email_changes::consumed_at.is_null())
                .filter(email_changes::expires_at.gt(now)),
        )
        .set(email_changes::consumed_at.eq(now))
    )?;
    Ok(rows == 1)
}

/// Ends an expired request, so that a clock that goes back does not revive it.
pub fn end_over(tx: &mut Tx, user_id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            email_changes::table
                .find(user_id)
                .filter(email_changes::expires_at.le(now))
                .filter(email_changes::consumed_at.is_null()),
        )
        .set(email_changes::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Ends the request of a user, if it waits.
pub fn end(tx: &mut Tx, user_id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            email_changes::table
                .find(user_id)
                .filter(email_changes::consumed_at.is_null()),
        )
        .set(email_changes::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Ends the request of a user if it waits for another address than this one.
pub fn end_of_others(tx: &mut Tx, user_id: UserId, address: &str, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            email_changes::table
                .find(user_id)
                .filter(email_changes::address.ne(address))
                .filter(email_changes::consumed_at.is_null()),
        )
        .set(email_changes::consumed_at.eq(now))
    )?;
    Ok(())
}
