//! Organisations, and who is in them.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::kinds::OrganisationRole;
use crate::model::organisation::Organisation;
use crate::model::user::User;
use crate::model::{OrganisationId, Result, UserId};
use crate::schema::{organisations, users};

/// The organisation with this id.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn find(tx: &mut Tx, id: OrganisationId) -> Result<Option<Organisation>> {
    Ok(on!(tx, |conn| organisations::table
        .find(id)
        .select(Organisation::as_select())
        .get_result(conn))
    .optional()?)
}

/// Founds one.
pub fn insert(tx: &mut Tx, organisation: &Organisation) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(organisations::table)
        .values(organisation)
        .execute(conn))?;
    Ok(())
}

/// Demands a second factor of its members, or no longer; `false` when it was so already.
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

/// Who owns it.
pub fn owners(tx: &mut Tx, id: OrganisationId) -> Result<Vec<User>> {
    Ok(on!(tx, |conn| users::table
        .filter(users::organisation_id.eq(id))
        .filter(users::organisation_role.eq(OrganisationRole::Owner))
        .select(User::as_select())
        .load(conn))?)
}

/// Everybody in it, oldest account first.
pub fn members(tx: &mut Tx, id: OrganisationId) -> Result<Vec<User>> {
    Ok(on!(tx, |conn| users::table
        .filter(users::organisation_id.eq(id))
        .order(users::number)
        .select(User::as_select())
        .load(conn))?)
}

/// Makes the user a member in this role, of no other organisation from now on.
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
