//! The methods of an account: listed, turned on or off for sign-in, removed, renamed, chosen as the first.
//!
//! Every change that weakens sign-in, or that concerns another user's account, needs fresh proof of the
//! caller's own session, in every API.

pub(super) mod effects;

use crate::app::Ctx;
use crate::factor;
use crate::flow::target::{self, Target, TargetAccount};
use crate::flow::{Act, demand, fresh};
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on, starting};
use crate::model::kinds::{CodeSetKind, FactorKind, FactorState};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{FactorId, Refusal, Result};
use crate::outcome::{FactorChange, MethodList, MethodView};
use crate::store::{Tx, code_sets, factors};

/// Who changes a factor, and in which account.
pub struct Change {
    /// The signed-in user.
    pub caller: Caller,
    /// The account that is changed.
    pub target: Target,
    /// The address that the call came from.
    pub source: Source,
}

impl Change {
    /// Makes the command for the caller's own account.
    pub const fn own(caller: Caller, source: Source) -> Self {
        Self {
            caller,
            target: Target::Own,
            source,
        }
    }
}

/// Which factors to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All factors of this method.
    Kind(FactorKind),
    /// The factor with this id.
    Factor(FactorId),
    /// All factors.
    All,
}

impl Which {
    fn is(self, factor: &Factor) -> bool {
        match self {
            Self::Kind(kind) => factor.kind == kind,
            Self::Factor(id) => factor.id == id,
            Self::All => true,
        }
    }
}

/// Returns the proved factors, and how many recovery codes are left.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn list(ctx: &Ctx, caller: Caller) -> Result<MethodList> {
    let user_id = caller.user.id;
    ctx.read(move |tx| {
        let mut all = factors::of_user(tx, user_id)?;
        // A factor that is only being set up is not a method yet, and may never become one.
        all.retain(|factor| factor.state != FactorState::Pending);
        // If the owner chose none, sign-in still starts with one of them.
        let first = starting(&all).map(|factor| factor.id);
        for factor in &mut all {
            factor.is_primary = Some(factor.id) == first;
        }
        let codes = code_sets::live(tx, user_id, CodeSetKind::Recovery)?;
        Ok(MethodList {
            factors: all.into_iter().map(MethodView::from).collect(),
            recovery_codes_remaining: code_sets::remaining(tx, user_id, CodeSetKind::Recovery)?,
            recovery_codes_made_at: codes.map(|set| set.created_at),
            demanded: caller.demanded().into_methods(),
            enforced: caller.enforced,
        })
    })
    .await
}

/// Locks the account that is changed, once the caller is known to have fresh proof and to be allowed to change it.
fn hold(tx: &mut Tx, act: &Act, caller: &Caller, target: Target) -> Result<TargetAccount> {
    let caller = fresh::proved(tx, act, caller)?;
    target::lock(tx, act, &caller, target)
}

/// Makes sign-in ask again for a method that was proved earlier. That earlier proof is not fresh proof of the
/// caller, since the device may be lost.
///
/// # Errors
/// Refuses a method that was never proved, and a session without fresh proof.
pub async fn enable(ctx: &Ctx, command: Change, kind: FactorKind) -> Result<FactorChange> {
    let act = Act::begin(ctx, command.source);
    let caller = command.caller;
    let changed = ctx
        .write(move |tx| {
            let caller = fresh::hold(tx, &act, &caller)?;
            switch_on(tx, &act, &caller, kind)
        })
        .await?;
    ctx.nudge_courier();
    Ok(changed)
}

/// Makes sign-in ask for the mailbox, as [`enable`] does. The mailbox is proved already, so a factor is added
/// if there is none.
///
/// # Errors
/// Refuses an account without a mailbox, and a session without fresh proof.
pub async fn enable_mailbox(ctx: &Ctx, command: Change) -> Result<FactorChange> {
    let act = Act::begin(ctx, command.source);
    let caller = command.caller;
    let id: FactorId = ctx.chance.id(act.now);
    let changed = ctx
        .write(move |tx| {
            let caller = fresh::hold(tx, &act, &caller)?;
            if !caller.user.mailbox {
                return Err(Refusal::MfaMethodUnavailable.into());
            }
            let proved = |factor: &Factor| {
                factor.kind == FactorKind::Email && factor.state != FactorState::Pending
            };
            if !caller.factors.iter().any(proved) {
                fresh::judge(&act, &caller)?;
                let user_id = caller.user.id;
                factors::delete(tx, user_id, FactorKind::Email, FactorState::Pending)?;
                let mailbox = Factor {
                    state: FactorState::Ready,
                    ..Factor::pending(user_id, id, FactorKind::Email, act.now)
                };
                factors::insert(tx, &mailbox)?;
            }
            switch_on(tx, &act, &caller, FactorKind::Email)
        })
        .await?;
    ctx.nudge_courier();
    Ok(changed)
}

fn switch_on(tx: &mut Tx, act: &Act, caller: &Caller, kind: FactorKind) -> Result<FactorChange> {
    let user_id = caller.user.id;
    let standing = factors::of_user(tx, user_id)?;
    let of = |state| {
        let fits = move |factor: &&Factor| factor.kind == kind && factor.state == state;
        standing.iter().filter(fits)
    };
    let answer = |on: &[Factor]| FactorChange {
        method: kind,
        methods: kinds_on(on),
        at: act.now,
    };
    let ready: Vec<FactorId> = of(FactorState::Ready).map(|factor| factor.id).collect();
    if ready.is_empty() {
        return match of(FactorState::On).next() {
            Some(_) => Ok(answer(&standing)),
            None => Err(Refusal::MfaMethodNotConfigured.into()),
        };
    }
    fresh::judge(act, caller)?;
    // If a policy made sign-in ask for the mailbox, sessions that passed it had a second step.
    let first = demand::of(tx, &caller.user, &standing)?.is_empty();
    for id in ready {
        factors::set_state(tx, user_id, id, FactorState::On, act.now)?;
    }
    if first {
        fresh::go_on(tx, &caller.session)?;
    }
    let by = Some(caller.session.id);
    let on = effects::after_turning_on(tx, act, &caller.user, kind, first, by, None)?;
    Ok(answer(&on))
}

/// Makes sign-in no longer ask for some factors. They stay proved.
///
/// # Errors
/// Refuses a caller without fresh proof, factors that are not on, and the last factor if a policy demands
/// one.
pub async fn pause(ctx: &Ctx, command: Change, which: Which) -> Result<Vec<FactorKind>> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    let left = ctx
        .write(move |tx| {
            let held = hold(tx, &act, &caller, target)?;
            let goes = |factor: &Factor| factor.state == FactorState::On && which.is(factor);
            if !held.factors.iter().any(goes) {
                return match which {
                    // Because of a policy, sign-in asks for the mailbox anyway.
                    Which::All | Which::Kind(FactorKind::Email)
                        if held.demanded().contains(&FactorKind::Email) =>
                    {
                        Err(Refusal::MfaEnforced.into())
                    }
                    // No method is on already.
                    Which::All => Ok(kinds_on(&held.factors)),
                    Which::Kind(_) | Which::Factor(_) => Err(Refusal::MfaMethodNotEnabled.into()),
                };
            }
            effects::judge_last(held.enforced, &held.factors, goes)?;
            for factor in held.factors.iter().filter(|factor| goes(factor)) {
                factors::set_state(tx, held.user.id, factor.id, FactorState::Ready, act.now)?;
            }
            let (user, actor) = (&held.user, held.actor);
            effects::end_challenges(tx, &act, user.id, &held.factors, goes)?;
            let method = effects::words(&held.factors, goes);
            act.audit_by(tx, user.id, actor, Event::FactorPaused, Some(&method))?;
            act.notify(tx, user, Message::FactorPaused { method })?;
            let left = factors::of_user(tx, user.id)?;
            effects::end_what_rested_on(tx, &act, user.id, actor, &left)?;
            Ok(kinds_on(&left))
        })
        .await?;
    ctx.nudge_courier();
    Ok(left)
}

/// Removes proved factors.
///
/// # Errors
/// Refuses a caller without fresh proof, a factor that does not exist, and the last factor if a policy
/// demands one.
pub async fn remove(ctx: &Ctx, command: Change, which: Which) -> Result<Vec<FactorKind>> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    let left = ctx
        .write(move |tx| {
            let held = hold(tx, &act, &caller, target)?;
            let goes = |factor: &Factor| which.is(factor);
            effects::judge_last(held.enforced, &held.factors, goes)?;
            if let Which::Kind(kind) = which
                && let Some(codes) = factor::of(kind).own_codes()
            {
                code_sets::delete_kind(tx, held.user.id, codes)?;
            }
            if !held.factors.iter().any(goes) {
                return match which {
                    Which::Factor(_) => Err(Refusal::FactorNotFound.into()),
                    Which::Kind(_) | Which::All => Ok(kinds_on(&held.factors)),
                };
            }
            let left = effects::remove(tx, &act, &held.user, held.actor, &held.factors, goes)?;
            Ok(kinds_on(&left))
        })
        .await?;
    ctx.nudge_courier();
    Ok(left)
}

/// Removes all factors and codes of a user, and ends the challenges that wait for them. If a policy demands a
/// second factor, users cannot do this for themselves. An owner or administrator can do it for a member, for
/// whom sign-in then asks for the mailbox.
///
/// # Errors
/// Refuses a caller without fresh proof, and one who may not act on this account.
pub async fn reset(ctx: &Ctx, command: Change) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    ctx.write(move |tx| {
        let held = hold(tx, &act, &caller, target)?;
        if held.actor.is_none() {
            effects::judge_last(held.enforced, &held.factors, |_| true)?;
        }
        let own = held.actor.is_none().then_some(caller.session.id);
        effects::remove_all(tx, &act, &held.user, held.actor, own)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Chooses the factor that sign-in starts with, or the first one of its method.
///
/// # Errors
/// Refuses a caller without fresh proof, and a factor that is not on.
pub async fn choose_primary(ctx: &Ctx, command: Change, which: Which) -> Result<MethodView> {
    let act = Act::begin(ctx, command.source);
    let caller = command.caller;
    ctx.write(move |tx| {
        let caller = fresh::proved(tx, &act, &caller)?;
        let found = caller.factors.iter().find(|factor| which.is(factor));
        let on = caller
            .factors
            .iter()
            .find(|factor| which.is(factor) && factor.state == FactorState::On);
        let chosen = match (on, found, which) {
            (Some(factor), _, _) => factor,
            (None, None, Which::Factor(_)) => return Err(Refusal::FactorNotFound.into()),
            (None, _, _) => return Err(Refusal::MfaMethodNotEnabled.into()),
        };
        factors::set_primary(tx, caller.user.id, chosen.id)?;
        let method = Some(chosen.kind.as_str());
        act.audit(tx, caller.user.id, Event::PrimaryChosen, method)?;
        Ok(MethodView {
            primary: true,
            ..chosen.clone().into()
        })
    })
    .await
}

/// A new name for a factor.
pub struct Rename {
    /// The signed-in user.
    pub caller: Caller,
    /// The factor.
    pub id: FactorId,
    /// Its new name.
    pub name: String,
    /// The address that the call came from.
    pub source: Source,
}

/// Gives a factor another name.
///
/// # Errors
/// Refuses a caller without fresh proof, a factor that does not exist, and a name that another factor of the
/// same method has.
pub async fn rename(ctx: &Ctx, command: Rename) -> Result<MethodView> {
    let Rename {
        caller,
        id,
        name,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let caller = fresh::proved(tx, &act, &caller)?;
        let found = caller.factors.iter().find(|factor| factor.id == id);
        let factor = found.ok_or(Refusal::FactorNotFound)?;
        let same = |other: &&Factor| {
            other.id != id && other.kind == factor.kind && other.name.as_ref() == Some(&name)
        };
        if caller.factors.iter().any(|other| same(&other)) {
            return Err(Refusal::NameTaken.into());
        }
        factors::rename(tx, caller.user.id, id, &name)?;
        let method = Some(factor.kind.as_str());
        act.audit(tx, caller.user.id, Event::FactorRenamed, method)?;
        let first = starting(&caller.factors).is_some_and(|first| first.id == id);
        Ok(MethodView {
            name: Some(name.clone()),
            primary: first,
            ..factor.clone().into()
        })
    })
    .await
}
