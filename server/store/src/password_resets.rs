//! Queries for mails for a new password.

use diesel::prelude::*;

use super::Tx;
use super::cached::{kept, on, run_kept};
use crate::model::user::PasswordReset;
use crate::model::{Result, Time, UserId};
use crate::schema::password_resets;

/// Returns the newest mail of this user, or of the unknown address that this id was made from.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, user_id: UserId) -> Result<Option<PasswordReset>> {
    Ok(on!(tx, |conn| password_resets::table
        .find(user_id)
        .select(PasswordReset::as_select())
        .get_result(conn))
    .optional()?)
}

/// Stores a new mail, which takes the place of the one before.
pub fn put(tx: &mut Tx, reset: &PasswordReset) -> Result<()> {
    run_kept!(
        tx,
        diesel::insert_into(password_resets::table)
            .values(reset)
            .on_conflict(password_resets::user_id)
            .do_update()
            .set(reset)
    )?;
    Ok(())
}

/// Takes one try of its code. Returns how many tries are taken now, or `None` if none is left, or
/// the mail is over or was replaced.
pub fn reserve(tx: &mut Tx, reset: &PasswordReset, tries: u32, now: Time) -> Result<Option<i32>> {
    Ok(on!(tx, |conn| kept!(
        diesel::update(
            password_resets::table
                .find(reset.user_id)
                .filter(password_resets::id.eq(reset.id))
                .filter(password_resets::attempts.lt(tries.cast_signed()))
                .filter(password_resets::consumed_at.is_null())
                .filter(password_resets::expires_at.gt(now)),
        )
        .set(password_resets::attempts.eq(password_resets::attempts + 1))
        .returning(password_resets::attempts)
    )
    .get_result(conn))
    .optional()?)
}

/// Gives back the try of a right code, in the same write.
pub fn give_back(tx: &mut Tx, reset: &PasswordReset) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            password_resets::table
                .find(reset.user_id)
                .filter(password_resets::id.eq(reset.id))
                .filter(password_resets::attempts.gt(0)),
        )
        .set(password_resets::attempts.eq(password_resets::attempts - 1))
    )?;
    Ok(())
}

/// Uses the mail up. Returns `false` if another call already has, it has expired, or it was
/// replaced.
pub fn spend(tx: &mut Tx, reset: &PasswordReset, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            password_resets::table
                .find(reset.user_id)
                .filter(password_resets::id.eq(reset.id))
                .filter(password_resets::consumed_at.is_null())
                .filter(password_resets::expires_at.gt(now)),
        )
        .set(password_resets::consumed_at.eq(now))
    )?;
    Ok(rows == 1)
}

/// Ends an expired mail, so that a clock that goes back does not revive it.
pub fn end_over(tx: &mut Tx, user_id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            password_resets::table
                .find(user_id)
                .filter(password_resets::expires_at.le(now))
                .filter(password_resets::consumed_at.is_null()),
        )
        .set(password_resets::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Ends the mail of a user whose password was changed.
pub fn end(tx: &mut Tx, user_id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            password_resets::table
                .find(user_id)
                .filter(password_resets::consumed_at.is_null()),
        )
        .set(password_resets::consumed_at.eq(now))
    )?;
    Ok(())
}
