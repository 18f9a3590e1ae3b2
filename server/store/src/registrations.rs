//! Queries for registrations under way.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::user::Registration;
use crate::model::{Result, Time, UserId};
use crate::schema::registrations;

/// Returns the registration with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, id: UserId) -> Result<Option<Registration>> {
    Ok(on!(tx, |conn| registrations::table
        .find(id)
        .select(Registration::as_select())
        .get_result(conn))
    .optional()?)
}

/// Stores a new registration.
pub fn insert(tx: &mut Tx, registration: &Registration) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(registrations::table)
        .values(registration)
        .execute(conn))?;
    Ok(())
}

/// Sets the link that proves its address. With `None`, no link does.
pub fn renew_link(tx: &mut Tx, id: UserId, link_hash: Option<&[u8]>) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(registrations::table.find(id)).set(registrations::link_hash.eq(link_hash))
    )?;
    Ok(())
}

/// Takes one try. Returns `false` if none is left, or the registration is over.
pub fn reserve(tx: &mut Tx, id: UserId, tries: u32, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            registrations::table.find(id).filter(
                registrations::attempts
                    .lt(tries.cast_signed())
                    .and(registrations::consumed_at.is_null())
                    .and(registrations::expires_at.gt(now)),
            ),
        )
        .set(registrations::attempts.eq(registrations::attempts + 1))
    )?;
    Ok(rows == 1)
}

/// Ends an expired registration, so that a clock that goes back does not revive it.
pub fn end_over(tx: &mut Tx, id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            registrations::table.find(id).filter(
                registrations::expires_at
                    .le(now)
                    .and(registrations::consumed_at.is_null()),
            ),
        )
        .set(registrations::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Uses a registration up. Returns `false` if another call already has.
pub fn spend(tx: &mut Tx, id: UserId, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            registrations::table
                .find(id)
                .filter(registrations::consumed_at.is_null()),
        )
        .set(registrations::consumed_at.eq(now))
    )?;
    Ok(rows == 1)
}
