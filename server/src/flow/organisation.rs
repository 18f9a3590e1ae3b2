//! Organisations: founded by a registration, and what they demand of their members.

use crate::flow::Act;
use crate::model::audit::Event;
use crate::model::kinds::OrganisationRole;
use crate::model::organisation::Organisation;
use crate::model::user::User;
use crate::model::{OrganisationId, Result};
use crate::store::{Tx, organisations};

/// Founds an organisation, and makes its founder the owner: the user as they are then.
///
/// # Errors
/// A fault when the database does not answer.
pub fn found(
    tx: &mut Tx,
    act: &Act,
    founder: User,
    id: OrganisationId,
    name: &str,
) -> Result<User> {
    organisations::insert(
        tx,
        &Organisation {
            id,
            name: name.to_owned(),
            mfa_enforced: false,
            created_at: act.now,
        },
    )?;
    organisations::admit(tx, founder.id, id, OrganisationRole::Owner)?;
    act.audit(tx, founder.id, Event::OrganisationFounded, None)?;
    Ok(User {
        organisation_id: Some(id),
        organisation_role: Some(OrganisationRole::Owner),
        ..founder
    })
}
