//! Fresh proof: what the caller's own session needs for acts that change who can sign in, in every API (NIST
//! SP 800-63B-4 §4.1.2).

use crate::flow::{Act, session};
use crate::model::factor::Factor;
use crate::model::session::{Caller, Session};
use crate::model::{Refusal, Result};
use crate::store::{Tx, sessions, users};

/// Checks that the caller's session has fresh proof: a second step if sign-in asks for one, otherwise the
/// password, at most `fresh_for_factors_seconds` ago.
///
/// # Errors
/// Refuses a session whose proof is older or weaker, and says which age is allowed (RFC 9470).
pub fn judge(act: &Act, caller: &Caller) -> Result<()> {
    let max_age = act.policy().fresh_for_factors_seconds;
    let (session, asked) = (&caller.session, caller.factor_on());
    Ok(session.judge_proved(asked, max_age, act.now)?)
}

/// Does the same for acts on other users' accounts. If sign-in asks for a method, the session must really
/// have passed one. The session that turned on its account's first method has not.
///
/// # Errors
/// As [`judge`].
pub fn judge_for_others(act: &Act, caller: &Caller) -> Result<()> {
    let max_age = act.policy().fresh_for_factors_seconds;
    if caller.factor_on() && !caller.session.passed_second_step() {
        return Err(Refusal::InsufficientUserAuthentication { max_age }.into());
    }
    judge(act, caller)
}

/// Checks that the caller may act on other users' accounts: an administrator of the server with fresh proof.
///
/// # Errors
/// Refuses everybody else, and as [`judge_for_others`].
pub fn judge_administrator(act: &Act, caller: &Caller) -> Result<()> {
    caller.judge_administrator()?;
    judge_for_others(act, caller)
}

/// Does what [`judge`] does, for acts that ask for the password as well. While sign-in asks for no second step,
/// that password is the proof.
///
/// # Errors
/// As [`judge`].
pub fn judge_beside_password(act: &Act, caller: &Caller) -> Result<()> {
    match caller.factor_on() {
        true => judge(act, caller),
        false => Ok(()),
    }
}

/// Locks the caller's account until the write ends, and reads it again. So a factor that was turned on
/// meanwhile, or a session that ended, counts.
///
/// # Errors
/// Refuses a session that has ended.
pub fn hold(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<Caller> {
    users::lock(tx, caller.user.id)?;
    session::read_caller(
        tx,
        act.policy(),
        act.now,
        (caller.user.id, caller.session.id),
    )
}

/// Does what [`hold`] and [`judge`] do.
///
/// # Errors
/// As [`hold`] and [`judge`].
pub fn proved(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<Caller> {
    let caller = hold(tx, act, caller)?;
    judge(act, &caller)?;
    Ok(caller)
}

/// Does what [`hold`] and [`judge_beside_password`] do.
///
/// # Errors
/// As [`hold`] and [`judge_beside_password`].
pub fn proved_beside_password(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<Caller> {
    let caller = hold(tx, act, caller)?;
    judge_beside_password(act, &caller)?;
    Ok(caller)
}

/// Stores that the caller's session gave fresh proof by the password, which was just found to be right.
///
/// # Errors
/// Refuses a session that has ended.
pub fn keep_password(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<()> {
    match sessions::lift(tx, &caller.session.with_password(act.now))? {
        true => Ok(()),
        false => Err(Refusal::TokenInvalid { sent: true }.into()),
    }
}

/// Lets the session that turned on its account's first method continue without a new sign-in, for what is
/// left of the five minutes since its password was typed. Only somebody who knew the password can be in this
/// session, and its proof does not become younger.
///
/// # Errors
/// Refuses a session that has ended.
pub fn go_on(tx: &mut Tx, session: &Session) -> Result<()> {
    // A session that passed a second step earlier is another case: it must step up.
    if session.passed_second_step() {
        return Ok(());
    }
    let lifted = Session {
        second_step_at: session.proved_at,
        ..session.clone()
    };
    match sessions::lift(tx, &lifted)? {
        true => Ok(()),
        false => Err(Refusal::TokenInvalid { sent: true }.into()),
    }
}

/// Returns those of `factors` that can prove the person in this session. A factor that was added later can
/// only if the session had fresh proof then, so that nobody proves themselves with a factor they added.
pub fn trusted(act: &Act, session: &Session, factors: &[Factor]) -> Vec<Factor> {
    let policy = act.policy();
    // A set-up lives as long as its codes or its link, whichever is longer.
    let set_up = i64::from(policy.enrolment_seconds.max(policy.magic_link_seconds));
    let trusts = |factor: &&Factor| {
        let added = factor.enabled_at.unwrap_or(factor.created_at);
        // A factor that was turned on long after its set-up was turned on again, in one step.
        let begun = match factor.created_at.plus_seconds(set_up) >= added {
            true => factor.created_at,
            false => added,
        };
        session.trusts(begun, added, policy.fresh_for_factors_seconds, act.now)
    };
    factors.iter().filter(trusts).cloned().collect()
}
