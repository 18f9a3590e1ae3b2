//! What follows when methods of an account go on or off, whichever flow did it.

use crate::factor;
use crate::flow::Act;
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on};
use crate::model::kinds::{CodeSetKind, FactorKind, FactorState};
use crate::model::notice::{Channel, Message};
use crate::model::user::User;
use crate::model::{Refusal, Result, SessionId, UserId};
use crate::store::{Tx, challenges, code_sets, factors, sessions};

/// Does what follows when a factor was turned on, and returns the factors after it. If it is the first, all
/// other sessions end, otherwise only those that never passed a second step (ASVS 7.4.3). The user gets a
/// notice.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn after_turning_on(
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
pub fn remove(
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
    let method = words(standing, &goes);
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
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn end_what_rested_on(
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
pub fn words(standing: &[Factor], goes: impl Fn(&Factor) -> bool) -> String {
    let mut each: Vec<&str> = Vec::new();
    for factor in standing.iter().filter(|factor| goes(factor)) {
        if !each.contains(&factor.kind.as_str()) {
            each.push(factor.kind.as_str());
        }
    }
    each.join(",")
}

/// Removes all factors, counters and codes of a user whose row is locked, and ends their challenges. Their sessions
/// end too, except `kept`: no second step is asked for now, so somebody with a stolen session must not be able to
/// enrol.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn remove_all(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    actor: Option<UserId>,
    kept: Option<SessionId>,
) -> Result<()> {
    factors::delete_all(tx, user.id)?;
    factors::reset_all_attempts(tx, user.id)?;
    code_sets::delete_all(tx, user.id)?;
    challenges::end_all(tx, user.id, act.now)?;
    sessions::end_others(tx, user.id, kept, act.now)?;
    act.audit_by(tx, user.id, actor, Event::MfaReset, None)?;
    act.notify(tx, user, Message::MfaReset)
}
