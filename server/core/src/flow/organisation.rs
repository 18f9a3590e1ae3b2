//! Organisations: a registration founds one, and it can demand a second factor of its members.

use crate::app::Ctx;
use crate::flow::{Act, fresh};
use crate::model::audit::Event;
use crate::model::kinds::OrganisationRole;
use crate::model::notice::Message;
use crate::model::organisation::Organisation;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{OrganisationId, Refusal, Result};
use crate::outcome::Member;
use crate::store::{Tx, organisations};

/// Founds an organisation and makes its founder the owner. Returns the user as they are then.
///
/// # Errors
/// Returns a fault if the database does not answer.
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

/// Sets whether every member of the caller's organisation needs a second factor. For a member with none on,
/// sign-in asks for a code to the proved mailbox, so nobody is locked out.
///
/// # Errors
/// Refuses a caller without an organisation, one who does not administer it, and a session without fresh
/// proof.
pub async fn enforce(ctx: &Ctx, caller: Caller, enforced: bool, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let user = &caller.user;
        let id = administered(user)?;
        fresh::judge_for_others(&act, &caller)?;
        if organisations::enforce(tx, id, enforced)? {
            let word = if enforced { "on" } else { "off" };
            act.audit(tx, user.id, Event::EnforcementChanged, Some(word))?;
            for owner in organisations::owners(tx, id)? {
                act.notify(tx, &owner, Message::EnforcementChanged { enforced })?;
            }
            if user.organisation_role != Some(OrganisationRole::Owner) {
                act.notify(tx, user, Message::EnforcementChanged { enforced })?;
            }
        }
        Ok(())
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Returns the members of the caller's organisation, oldest account first.
///
/// # Errors
/// Refuses a caller without an organisation, and one who does not administer it.
pub async fn members(ctx: &Ctx, caller: Caller) -> Result<Vec<Member>> {
    let id = administered(&caller.user)?;
    let users = ctx.read(move |tx| organisations::members(tx, id)).await?;
    Ok(users.into_iter().map(Member::from).collect())
}

/// Returns the organisation that this user administers.
fn administered(user: &User) -> Result<OrganisationId> {
    let (Some(id), Some(role)) = (user.organisation_id, user.organisation_role) else {
        return Err(Refusal::NoOrganisation.into());
    };
    match role.administers() {
        true => Ok(id),
        false => Err(Refusal::Forbidden.into()),
    }
}
