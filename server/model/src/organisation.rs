//! Organisations, as far as they demand a second factor of their members.

use diesel::prelude::*;

use crate::ids::OrganisationId;
use crate::schema;
use crate::time::Time;

/// An organisation. Who is in it, and what they are, stands in the rows of its users.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::organisations)]
pub struct Organisation {
    /// The id.
    pub id: OrganisationId,
    /// What its founder called it.
    pub name: String,
    /// Whether every member needs a second factor.
    pub mfa_enforced: bool,
    /// When it was founded.
    pub created_at: Time,
}
