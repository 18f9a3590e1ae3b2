//! Whose account an act concerns, and who may act on it: one rule for every API.

use crate::app::Ctx;
use crate::flow::{Act, fresh};
use crate::model::demand::Demand;
use crate::model::factor::Factor;
use crate::model::kinds::{OrganisationRole, Role};
use crate::model::session::Caller;
use crate::model::user::User;
use crate::model::{Refusal, Result, UserId};
use crate::store::{Tx, factors, users};

/// The account that an act concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The caller's own.
    Own,
    /// The account with this number. Only administrators of the server may act on another user's.
    Number(i64),
    /// The account with this id. Administrators of the server, and owners and administrators of the same
    /// organisation, may act on another user's.
    Id(UserId),
}

/// An account that the caller may act on.
#[derive(Clone, Debug)]
pub struct TargetAccount {
    /// The user.
    pub user: User,
    /// The user's factors, whatever their state.
    pub factors: Vec<Factor>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
    /// Who acts on it, if not the user.
    pub actor: Option<UserId>,
}

impl TargetAccount {
    /// Returns what sign-in asks of the user.
    pub fn demanded(&self) -> Demand {
        Demand::of(&self.user, &self.factors, self.enforced)
    }
}

/// Finds the account, for reading or before slow work. It may change until the write.
///
/// # Errors
/// Refuses a caller who may not act on it, whether or not it exists, and an account that does not exist.
pub async fn find(ctx: &Ctx, caller: &Caller, target: Target) -> Result<TargetAccount> {
    let caller = caller.clone();
    ctx.read(move |tx| read(tx, &caller, target)).await
}

/// Locks the account until the write ends, and checks that the caller may act on it. `caller` was read and locked
/// in this write, and their proof was judged as far as the act on their own account needs it.
///
/// # Errors
/// As [`find`]. For another user's account, also refuses a caller without fresh proof.
pub fn lock(tx: &mut Tx, act: &Act, caller: &Caller, target: Target) -> Result<TargetAccount> {
    if let Some(user) = other(tx, caller, target)? {
        fresh::judge_for_others(act, caller)?;
        users::lock(tx, user.id)?;
    }
    // The other user is read again, since their role may have changed before the lock.
    read(tx, caller, target)
}

fn read(tx: &mut Tx, caller: &Caller, target: Target) -> Result<TargetAccount> {
    let Some(user) = other(tx, caller, target)? else {
        return Ok(TargetAccount {
            user: caller.user.clone(),
            factors: caller.factors.clone(),
            enforced: caller.enforced,
            actor: None,
        });
    };
    Ok(TargetAccount {
        factors: factors::of_user(tx, user.id)?,
        enforced: users::enforced(tx, &user)?,
        actor: Some(caller.user.id),
        user,
    })
}

/// Finds the other user that is meant, and checks that the caller may act on them; `None` if it is the caller.
fn other(tx: &mut Tx, caller: &Caller, target: Target) -> Result<Option<User>> {
    let user = match target {
        Target::Own => return Ok(None),
        Target::Number(number) if number == caller.user.number => return Ok(None),
        Target::Id(id) if id == caller.user.id => return Ok(None),
        Target::Number(number) => {
            caller.judge_administrator()?;
            users::by_number(tx, number)?
        }
        Target::Id(id) => match caller.user.role {
            Role::Administrator => users::find(tx, id)?,
            Role::User => member(tx, caller, id)?,
        },
    };
    user.ok_or(Refusal::UnknownUser.into()).map(Some)
}

/// Finds a member of the organisation that the caller administers. The caller cannot act on users above them.
fn member(tx: &mut Tx, caller: &Caller, id: UserId) -> Result<Option<User>> {
    let owner = Some(OrganisationRole::Owner);
    let role = caller.user.organisation_role;
    if !role.is_some_and(OrganisationRole::administers) {
        return Err(Refusal::Forbidden.into());
    }
    let organisation = caller.user.organisation_id;
    let found = users::find(tx, id)?.filter(|user| user.organisation_id == organisation);
    match found {
        Some(user) if user.role == Role::Administrator => {
            Err(Refusal::BeyondServerAdministrator.into())
        }
        Some(user) if user.organisation_role == owner && role != owner => {
            Err(Refusal::BeyondOwner.into())
        }
        found => Ok(found),
    }
}
