//! What becomes of factors that were proved: asked for, not asked for, removed, named, put first.
//!
//! Whatever lowers what sign-in asks for, or touches another user's account, needs fresh proof of the
//! caller's own session, by whichever API it comes.

mod target;

use crate::app::Ctx;
use crate::flow::{Act, demand, fresh};
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on, starting};
use crate::model::kinds::{CodeSetKind, FactorKind, FactorState};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{FactorId, Refusal, Result, SessionId, UserId};
use crate::outcome::FactorChanged;
use crate::store::{Tx, challenges, code_sets, factors, sessions};

use target::hold;
pub use target::{Target, other};

/// A caller, and whose account it is about.
pub struct Toggle {
    /// Who asks.
    pub caller: Caller,
    /// Whose account.
    pub target: Target,
    /// Where it came from.
    pub source: Source,
}

/// Which factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of this kind.
    Kind(FactorKind),
    /// This one.
    Factor(FactorId),
    /// All.
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

/// Has sign-in ask again for a method that was proved: its old proof does not count for the caller, since
/// the device may be lost.
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

/// Has sign-in ask for the mailbox, which is proved already: the same as [`enable`], and adding a
/// factor where it never was one.
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
    // While a policy has sign-in ask for the mailbox, sessions that passed it saw a second step.
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

/// What follows when a factor went on: every other session ends if nothing was asked for before, else
/// those that never saw a second step (ASVS 7.4.3); and the user is told. The factors as they are then.
///
/// # Errors
/// A fault when the database does not answer.
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
        // Sessions from before a policy demanded a second step.
        false => sessions::end_weak(tx, user.id, by, act.now)?,
    }
    let method = kind.as_str();
    act.audit_by(tx, user.id, actor, Event::FactorEnabled, Some(method))?;
    let method = method.to_owned();
    act.notify(tx, user, Message::FactorEnabled { method })?;
    factors::of_user(tx, user.id)
}

/// Has sign-in no longer ask for factors that stay proved.
///
/// # Errors
/// Refuses a caller without fresh proof, factors that are not on, and the last one where a policy
/// demands it.
pub async fn pause(ctx: &Ctx, command: Toggle, which: Which) -> Result<Vec<FactorKind>> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    let left = ctx
        .write(move |tx| {
            let held = hold(tx, &act, &caller, target)?;
            let goes = |factor: &Factor| factor.state == FactorState::On && which.is(factor);
            if !held.factors.iter().any(goes) {
                return match which {
                    // A policy has sign-in ask for the mailbox all the same.
                    Which::All | Which::Kind(FactorKind::Email)
                        if held.enforced
                            && held.user.mailbox
                            && kinds_on(&held.factors).is_empty() =>
                    {
                        Err(Refusal::MfaEnforced.into())
                    }
                    // Nothing is asked for already.
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

/// Removes factors that were proved.
///
/// # Errors
/// Refuses a caller without fresh proof, a factor that is not there, and the last one where a policy
/// demands it.
pub async fn remove(ctx: &Ctx, command: Toggle, which: Which) -> Result<Vec<FactorKind>> {
    let act = Act::begin(ctx, command.source);
    let (caller, target) = (command.caller, command.target);
    let left = ctx
        .write(move |tx| {
            let held = hold(tx, &act, &caller, target)?;
            let goes = |factor: &Factor| which.is(factor);
            judge_last(held.enforced, &held.factors, goes)?;
            if which == Which::Kind(FactorKind::Authenticator) {
                code_sets::delete_kind(tx, held.user.id, CodeSetKind::Scratch)?;
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

/// Removes everything that a user could prove themselves with beside the password: factors and codes;
/// what waits for them ends. While a policy demands a second factor, an owner or administrator may do
/// this for a member, whose proved mailbox takes its place; nobody for themselves.
///
/// # Errors
/// Refuses a caller without fresh proof, and one who may not.
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
        // Nothing is asked for now: who was in with a stolen session must not be the one to enrol.
        let own = held.actor.is_none().then_some(caller.session.id);
        sessions::end_others(tx, user_id, own, act.now)?;
        act.audit_by(tx, user_id, held.actor, Event::MfaReset, None)?;
        act.notify(tx, &held.user, Message::MfaReset)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Has sign-in start with a factor, or with the first of its kind.
///
/// # Errors
/// Refuses a caller without fresh proof, and a factor that is not on.
pub async fn choose_primary(ctx: &Ctx, command: Toggle, which: Which) -> Result<Factor> {
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
        Ok(Factor {
            is_primary: true,
            ..chosen.clone()
        })
    })
    .await
}

/// Gives a factor another name.
///
/// # Errors
/// Refuses a caller without fresh proof, a factor that is not there, and a name that another one of its
/// kind has.
pub async fn rename(ctx: &Ctx, command: Toggle, id: FactorId, name: String) -> Result<Factor> {
    let act = Act::begin(ctx, command.source);
    let caller = command.caller;
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
        Ok(Factor {
            name: Some(name.clone()),
            is_primary: first,
            ..factor.clone()
        })
    })
    .await
}

/// Judges whether what goes leaves a factor on where a policy demands one.
///
/// # Errors
/// Refuses when it would be the last.
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

/// Forgets the factors that go, and tells their owner; those that are left.
///
/// # Errors
/// A fault when the database does not answer.
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
    if !left
        .iter()
        .any(|factor| factor.kind == FactorKind::Authenticator)
    {
        // Scratch codes came with an authenticator, and go with the last one.
        code_sets::delete_kind(tx, user.id, CodeSetKind::Scratch)?;
    }
    end_what_rested_on(tx, act, user.id, actor, &left)?;
    Ok(left)
}

/// Ends what rested on the methods that went: with the last one all sets of codes and all that waits for
/// a second step, so that none of it comes back with the next one; and where somebody else did it, the
/// user's sessions, one of which may be why.
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

/// Ends what waits for a code of a phone that goes: one that is on its way to it answers nothing, nor
/// does one that was sent to it before the sign-in was switched to another method. What waits for other
/// methods is judged by the factors that stand when the answer comes.
///
/// # Errors
/// A fault when the database does not answer.
pub fn end_challenges(
    tx: &mut Tx,
    act: &Act,
    user_id: UserId,
    standing: &[Factor],
    goes: impl Fn(&Factor) -> bool,
) -> Result<()> {
    let phone = |factor: &Factor| factor.kind == FactorKind::Sms && goes(factor);
    if standing.iter().any(phone) {
        challenges::end_of_texts(tx, user_id, act.now)?;
    }
    Ok(())
}

/// The words of the methods that go, each once.
fn methods_of(standing: &[Factor], goes: impl Fn(&Factor) -> bool) -> String {
    let mut words: Vec<&str> = Vec::new();
    for factor in standing.iter().filter(|factor| goes(factor)) {
        if !words.contains(&factor.kind.as_str()) {
            words.push(factor.kind.as_str());
        }
    }
    words.join(",")
}
