//! Changes to proved factors: turned on or off for sign-in, removed, renamed, chosen as the first.
//!
//! Every change that weakens sign-in, or that concerns another user's account, needs fresh proof of the
//! caller's own session, in every API.

mod target;

use crate::app::Ctx;
use crate::factor;
use crate::flow::{Act, demand, fresh};
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on, starting};
use crate::model::kinds::{CodeSetKind, FactorKind, FactorState};
use crate::model::notice::{Channel, Message};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{FactorId, Refusal, Result, SessionId, UserId};
use crate::outcome::{FactorChanged, MethodView};
use crate::store::{Tx, challenges, code_sets, factors, sessions};

use target::hold;
pub use target::{Target, other};

/// Who changes a factor, and in which account.
pub struct Toggle {
    /// The signed-in user.
    pub caller: Caller,
    /// The account that is changed.
    pub target: Target,
    /// The address that the call came from.
    pub source: Source,
}

impl Toggle {
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

/// Makes sign-in ask again for a method that was proved earlier. That earlier proof is not fresh proof of the
/// caller, since the device may be lost.
///
/// # Errors
/// Refuses a method that was never proved, and a session without fresh proof.
pub async fn enable(ctx: &Ctx, command: Toggle, kind: FactorKind) -> Result<FactorChanged> {
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
pub async fn enable_mailbox(ctx: &Ctx, command: Toggle) -> Result<FactorChanged> {
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

fn switch_on(tx: &mut Tx, act: &Act, caller: &Caller, kind: FactorKind) -> Result<FactorChanged> {
    let user_id = caller.user.id;
    let standing = factors::of_user(tx, user_id)?;
    let of = |state| {
        let fits = move |factor: &&Factor| factor.kind == kind && factor.state == state;
        standing.iter().filter(fits)
    };
    let answer = |on: &[Factor]| FactorChanged {
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
    let first = demand::methods(tx, &caller.user, &standing)?.is_empty();
    for id in ready {
        factors::set_state(tx, user_id, id, FactorState::On, act.now)?;
    }
    if first {
        fresh::go_on(tx, &caller.session)?;
    }
    let by = Some(caller.session.id);
    let on = turned_on(tx, act, &caller.user, kind, first, by, None)?;
    Ok(answer(&on))
}

/// Does what follows when a factor was turned on, and returns the factors after it. If it is the first, all
/// other sessions end, otherwise only those that never passed a second step (ASVS 7.4.3). The user gets a
/// notice.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn turned_on(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    kind: FactorKind,
    first: bool,
    by: Option<SessionId>,
    actor: Option<UserId>,
) -> Result<Vec<Factor>> {
    match first {
        true => sessions::end_others(tx, user.id, by, act.now)?,
        // Such sessions began before a policy demanded a second step.
        false => sessions::end_weak(tx, user.id, by, act.now)?,
    }
    let method = kind.as_str();
    act.audit_by(tx, user.id, actor, Event::FactorEnabled, Some(method))?;
    let method = method.to_owned();
    act.notify(tx, user, Message::FactorEnabled { method })?;
    factors::of_user(tx, user.id)
}

/// Makes sign-in no longer ask for some factors. They stay proved.
///
/// # Errors
/// Refuses a caller without fresh proof, factors that are not on, and the last factor if a policy demands
/// one.
pub async fn pause(ctx: &Ctx, command: Toggle, which: Which) -> Result<Vec<FactorKind>> {
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
                        if held.enforced
                            && held.user.mailbox
                            && kinds_on(&held.factors).is_empty() =>
                    {
                        Err(Refusal::MfaEnforced.into())
                    }
                    // No method is on already.
                    Which::All => Ok(kinds_on(&held.factors)),
                    Which::Kind(_) | Which::Factor(_) => Err(Refusal::MfaMethodNotEnabled.into()),
                };
            }
            judge_last(held.enforced, &held.factors, goes)?;
            for factor in held.factors.iter().filter(|factor| goes(factor)) {
                factors::set_state(tx, held.user.id, factor.id, FactorState::Ready, act.now)?;
            }
            let (user, actor) = (&held.user, held.actor);
            end_challenges(tx, &act, user.id, &held.factors, goes)?;
            let method = methods_of(&held.factors, goes);
            act.audit_by(tx, user.id, actor, Event::FactorPaused, Some(&method))?;
            act.notify(tx, user, Message::FactorPaused { method })?;
            let left = factors::of_user(tx, user.id)?;
            end_what_rested_on(tx, &act, user.id, actor, &left)?;
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
pub async fn remove(ctx: &Ctx, command: Toggle, which: Which) -> Result<Vec<FactorKind>> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    let left = ctx
        .write(move |tx| {
            let held = hold(tx, &act, &caller, target)?;
            let goes = |factor: &Factor| which.is(factor);
            judge_last(held.enforced, &held.factors, goes)?;
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
            let left = removed(tx, &act, &held.user, held.actor, &held.factors, goes)?;
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
pub async fn reset(ctx: &Ctx, command: Toggle) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    ctx.write(move |tx| {
        let held = hold(tx, &act, &caller, target)?;
        if held.actor.is_none() {
            judge_last(held.enforced, &held.factors, |_| true)?;
        }
        let user_id = held.user.id;
        factors::delete_all(tx, user_id)?;
        factors::reset_all_attempts(tx, user_id)?;
        code_sets::delete_all(tx, user_id)?;
        challenges::end_all(tx, user_id, act.now)?;
        // No second step is asked for now, so somebody with a stolen session must not be able to enrol.
        let own = held.actor.is_none().then_some(caller.session.id);
        sessions::end_others(tx, user_id, own, act.now)?;
        act.audit_by(tx, user_id, held.actor, Event::MfaReset, None)?;
        act.notify(tx, &held.user, Message::MfaReset)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Chooses the factor that sign-in starts with, or the first one of its method.
///
/// # Errors
/// Refuses a caller without fresh proof, and a factor that is not on.
pub async fn choose_primary(ctx: &Ctx, command: Toggle, which: Which) -> Result<MethodView> {
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

/// Checks that a factor stays on if a policy demands one.
///
/// # Errors
/// Refuses if the last one would go.
pub fn judge_last(
    enforced: bool,
    standing: &[Factor],
    goes: impl Fn(&Factor) -> bool,
) -> Result<()> {
    let on = |factor: &&Factor| factor.state == FactorState::On;
    let takes_one = standing.iter().filter(on).any(&goes);
    let leaves_one = standing.iter().filter(on).any(|factor| !goes(factor));
    if enforced && takes_one && !leaves_one {
        return Err(Refusal::MfaEnforced.into());
    }
    Ok(())
}

/// Deletes the factors that `goes` selects, notifies their owner, and returns those that are left.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn removed(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    actor: Option<UserId>,
    standing: &[Factor],
    goes: impl Fn(&Factor) -> bool,
) -> Result<Vec<Factor>> {
    for factor in standing.iter().filter(|factor| goes(factor)) {
        factors::delete_one(tx, user.id, factor.id)?;
    }
    let method = methods_of(standing, &goes);
    act.audit_by(tx, user.id, actor, Event::FactorDisabled, Some(&method))?;
    act.notify(tx, user, Message::FactorDisabled { method })?;
    end_challenges(tx, act, user.id, standing, goes)?;
    let left = factors::of_user(tx, user.id)?;
    let scratch = CodeSetKind::Scratch;
    if !left
        .iter()
        .any(|factor| factor::has_own_codes(factor, scratch))
    {
        // Scratch codes belong to an authenticator, and are deleted with the last one.
        code_sets::delete_kind(tx, user.id, scratch)?;
    }
    end_what_rested_on(tx, act, user.id, actor, &left)?;
    Ok(left)
}

/// Ends what depended on the factors that are gone. With the last one, all code sets and challenges end, so
/// that none of them works again with the next factor. If somebody else removed them, the user's sessions end
/// too, since one of them may be the reason.
fn end_what_rested_on(
    tx: &mut Tx,
    act: &Act,
    user_id: UserId,
    actor: Option<UserId>,
    left: &[Factor],
) -> Result<()> {
    if kinds_on(left).is_empty() {
        code_sets::delete_all(tx, user_id)?;
        challenges::end_all(tx, user_id, act.now)?;
    }
    if actor.is_some() {
        sessions::end_others(tx, user_id, None, act.now)?;
    }
    Ok(())
}

/// Ends challenges for a phone that is removed: a code that is on its way to it no longer works. Nor does a
/// code that was sent there before its sign-in was switched to another method. Challenges for other methods
/// are judged by the factors that exist when the answer comes.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn end_challenges(
    tx: &mut Tx,
    act: &Act,
    user_id: UserId,
    standing: &[Factor],
    goes: impl Fn(&Factor) -> bool,
) -> Result<()> {
    let phone =
        |factor: &Factor| factor::channel(factor.kind) == Some(Channel::Text) && goes(factor);
    if standing.iter().any(phone) {
        challenges::end_of_texts(tx, user_id, act.now)?;
    }
    Ok(())
}

/// Returns the words of the selected methods, each once, separated by commas.
fn methods_of(standing: &[Factor], goes: impl Fn(&Factor) -> bool) -> String {
    let mut words: Vec<&str> = Vec::new();
    for factor in standing.iter().filter(|factor| goes(factor)) {
        if !words.contains(&factor.kind.as_str()) {
            words.push(factor.kind.as_str());
        }
    }
    words.join(",")
}
