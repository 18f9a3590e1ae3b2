//! Queries for organisations and their members.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::kinds::OrganisationRole;
use crate::model::organisation::Organisation;
use crate::model::user::User;
use crate::model::{OrganisationId, Result, UserId};
use crate::schema::{organisations, users};

/// Returns the organisation with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, id: OrganisationId) -> Result<Option<Organisation>> {
    Ok(on!(tx, |conn| organisations::table
        .find(id)
        .select(Organisation::as_select())
        .get_result(conn))
    .optional()?)
}

/// Stores a new organisation.
pub fn insert(tx: &mut Tx, organisation: &Organisation) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(organisations::table)
        .values(organisation)
        .execute(conn))?;
    Ok(())
}

/// Makes an organisation demand a second factor of its members, or stop demanding it. Returns
/// `false` if it did so already.
pub fn enforce(tx: &mut Tx, id: OrganisationId, enforced: bool) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            organisations::table
                .find(id)
                .filter(organisations::mfa_enforced.ne(enforced)),
        )
        .set(organisations::mfa_enforced.eq(enforced))
    )?;
    Ok(rows == 1)
}

/// Returns the owners of an organisation.
pub fn owners(tx: &mut Tx, id: OrganisationId) -> Result<Vec<User>> {
    Ok(on!(tx, |conn| users::table
        .filter(users::organisation_id.eq(id))
        .filter(users::organisation_role.eq(OrganisationRole::Owner))
        .select(User::as_select())
        .load(conn))?)
}

/// Returns all members, oldest account first.
pub fn members(tx: &mut Tx, id: OrganisationId) -> Result<Vec<User>> {
    Ok(on!(tx, |conn| users::table
        .filter(users::organisation_id.eq(id))
        .order(users::number)
        .select(User::as_select())
        .load(conn))?)
}

/// Makes the user a member in this role. They leave any other organisation.
pub fn admit(
    tx: &mut Tx,
    user: UserId,
    organisation: OrganisationId,
    role: OrganisationRole,
) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(user)).set((
            users::organisation_id.eq(organisation),
            users::organisation_role.eq(role),
        ))
    )?;
    Ok(())
}
