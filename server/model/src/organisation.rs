//! Organisations, which can demand a second factor of their members.

use diesel::prelude::*;

use crate::ids::OrganisationId;
use crate::schema;
use crate::time::Time;

/// An organisation. Its members and their roles are in the rows of the users.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::organisations)]
pub struct Organisation {
    /// The organisation's id.
    pub id: OrganisationId,
    /// The name its founder gave it.
    pub name: String,
    /// Whether every member needs a second factor.
    pub mfa_enforced: bool,
    /// When it was founded.
    pub created_at: Time,
}
