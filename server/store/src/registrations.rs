//! Registrations under way.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::user::Registration;
use crate::model::{Result, Time, UserId};
use crate::schema::registrations;

/// The registration with this id.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn find(tx: &mut Tx, id: UserId) -> Result<Option<Registration>> {
    Ok(on!(tx, |conn| registrations::table
        .find(id)
        .select(Registration::as_select())
        .get_result(conn))
    .optional()?)
}

/// Remembers a registration.
pub fn insert(tx: &mut Tx, registration: &Registration) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(registrations::table)
        .values(registration)
        .execute(conn))?;
    Ok(())
}

/// Makes this link the one that proves its address; with none, no link does.
pub fn renew_link(tx: &mut Tx, id: UserId, link_hash: Option<&[u8]>) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(registrations::table.find(id)).set(registrations::link_hash.eq(link_hash))
    )?;
    Ok(())
}

/// Takes one try; `false` when none is left, or it is over.
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

/// Ends one whose time is over: a clock that goes back does not bring it back.
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

/// Uses it up; `false` when somebody did already.
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
