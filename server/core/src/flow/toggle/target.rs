//! Whose account is changed, and who may change it.

use crate::app::Ctx;
use crate::flow::{Act, fresh};
use crate::model::factor::Factor;
use crate::model::kinds::{OrganisationRole, Role};
use crate::model::session::Caller;
use crate::model::user::User;
use crate::model::{Refusal, Result, UserId};
use crate::store::{Tx, factors, users};

/// The account that is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The caller's own.
    Own,
    /// The account with this number. Only administrators of the server may change it.
    Number(i64),
    /// The account with this id. Administrators of the server, and owners and administrators of the same
    /// organisation, may change it.
    Id(UserId),
}

/// The account that is changed, locked until the write ends.
pub struct LockedAccount {
    /// The user.
    pub user: User,
    /// The user's factors.
    pub factors: Vec<Factor>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
    /// Who changes it, if not the user.
    pub actor: Option<UserId>,
}

/// Locks the account that is changed, and checks that the caller may change it and has fresh proof.
///
/// # Errors
/// Refuses a caller who may not, one without fresh proof, and an account that does not exist.
pub fn hold(tx: &mut Tx, act: &Act, caller: &Caller, target: Target) -> Result<LockedAccount> {
    let caller = fresh::proved(tx, act, caller)?;
    let found = find(tx, &caller, target)?;
    let Some(user) = found else {
        return Ok(LockedAccount {
            user: caller.user,
            factors: caller.factors,
            enforced: caller.enforced,
            actor: None,
        });
    };
    fresh::judge_for_others(act, &caller)?;
    users::lock(tx, user.id)?;
    Ok(LockedAccount {
        factors: factors::of_user(tx, user.id)?,
        enforced: users::enforced(tx, &user)?,
        actor: Some(caller.user.id),
        user,
    })
}

/// Finds the other user that is meant; `None` if it is the caller.
fn find(tx: &mut Tx, caller: &Caller, target: Target) -> Result<Option<User>> {
    let administrator = caller.user.role == Role::Administrator;
    let user = match target {
        Target::Own => return Ok(None),
        Target::Number(number) if number == caller.user.number => return Ok(None),
        Target::Id(id) if id == caller.user.id => return Ok(None),
        Target::Number(number) if administrator => users::by_number(tx, number)?,
        Target::Number(_) => return Err(Refusal::Forbidden.into()),
        Target::Id(id) => {
            let manages = caller
                .user
                .organisation_role
                .is_some_and(OrganisationRole::administers);
            if !administrator && !manages {
                return Err(Refusal::Forbidden.into());
            }
            let same = |user: &User| user.organisation_id == caller.user.organisation_id;
            let found = users::find(tx, id)?.filter(|user| administrator || same(user));
            // A caller cannot act on users above them.
            let owner = Some(OrganisationRole::Owner);
            let above = |user: &User| {
                user.role == Role::Administrator
                    || (user.organisation_role == owner && caller.user.organisation_role != owner)
            };
            match found {
                Some(user) if !administrator && above(&user) => {
                    return Err(beyond(&user).into());
                }
                found => found,
            }
        }
    };
    user.ok_or(Refusal::UnknownUser.into()).map(Some)
}

/// Returns why a caller who administers an organisation may not act on this member.
const fn beyond(user: &User) -> Refusal {
    match user.role {
        Role::Administrator => Refusal::BeyondServerAdministrator,
        Role::User => Refusal::BeyondOwner,
    }
}

/// Returns another user's account, for an administrator with fresh proof who sets up a factor for them.
///
/// # Errors
/// Refuses a caller who may not, and an account that does not exist.
pub async fn other(
    ctx: &Ctx,
    act: &Act,
    caller: &Caller,
    target: Target,
) -> Result<(User, Vec<Factor>)> {
    let (act, caller) = (act.clone(), caller.clone());
    ctx.write(move |tx| {
        let Some(user) = find(tx, &caller, target)? else {
            return Ok((caller.user.clone(), caller.factors.clone()));
        };
        fresh::judge_for_others(&act, &caller)?;
        let factors = factors::of_user(tx, user.id)?;
        Ok((user, factors))
    })
    .await
}
