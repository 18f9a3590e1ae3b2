//! Fresh proof: what acts that change who can sign in ask of the caller's own session, whatever the
//! API (NIST SP 800-63B-4 §4.1.2).

use crate::flow::{Act, demand};
use crate::model::factor::Factor;
use crate::model::session::{Caller, Session};
use crate::model::user::User;
use crate::model::{Refusal, Result};
use crate::store::{Tx, factors, sessions, users};

/// Judges whether the caller's session gave fresh proof: a second step passed in it while sign-in
/// asks for one, else a password typed in it; at most five minutes ago.
///
/// # Errors
/// Refuses an older or weaker session, with the age that would do (RFC 9470).
pub fn judge(act: &Act, caller: &Caller) -> Result<()> {
    let max_age = act.policy().fresh_for_factors_seconds;
    let (session, asked) = (&caller.session, caller.factor_on());
    Ok(session.judge_proved(asked, max_age, act.now)?)
}

/// The same for acts on other people's accounts: while sign-in asks for a method, the session has to have
/// passed one, as the session that only turned its account's first one on has not.
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

/// Holds the caller's account until the write ends, and reads again what they were when the request
/// came in: a factor that went on meanwhile, or a session that ended, counts.
///
/// # Errors
/// Refuses a session that has ended since.
pub fn hold(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<Caller> {
    let invalid = || Refusal::TokenInvalid { sent: true };
    let user_id = caller.user.id;
    users::lock(tx, user_id)?;
    let session = sessions::find(tx, user_id, caller.session.id)?.ok_or_else(invalid)?;
    session.judge(act.policy(), act.now)?;
    let user = users::find(tx, user_id)?
        .filter(User::active)
        .ok_or_else(invalid)?;
    let factors = factors::of_user(tx, user_id)?;
    let enforced = users::enforced(tx, &user)?;
    Ok(Caller {
        user,
        session,
        factors,
        enforced,
    })
}

/// Both: holds the caller's account, and judges whether their session gave fresh proof.
///
/// # Errors
/// As [`hold`] and [`judge`].
pub fn proved(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<Caller> {
    let caller = hold(tx, act, caller)?;
    judge(act, &caller)?;
    Ok(caller)
}

/// Remembers that the caller's session gave fresh proof by the password, typed and found right now.
///
/// # Errors
/// Refuses a session that has ended since.
pub fn keep_password(tx: &mut Tx, act: &Act, caller: &Caller) -> Result<()> {
    match sessions::lift(tx, &caller.session.with_password(act.now))? {
        true => Ok(()),
        false => Err(Refusal::TokenInvalid { sent: true }.into()),
    }
}

/// Lets the session that turned its account's first method on go on without signing in anew, for what is
/// left of the five minutes since its password was typed: only somebody who knew the password can
/// be there, and what they proved is no older.
///
/// # Errors
/// Refuses a session that has ended since.
pub fn go_on(tx: &mut Tx, session: &Session) -> Result<()> {
    // One that passed a second step of old is told apart from this one by just that: it steps up instead.
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

/// The factors of `factors` that prove the person in this session: a factor that was added since does
/// only if the session had given fresh proof then, so that nobody proves themselves by what they added.
pub fn trusted(act: &Act, session: &Session, factors: &[Factor]) -> Vec<Factor> {
    let policy = act.policy();
    // Set-up ends with its codes or with its link, whichever lives longer.
    let set_up = i64::from(policy.enrolment_seconds.max(policy.magic_link_seconds));
    let trusts = |factor: &&Factor| {
        let added = factor.enabled_at.unwrap_or(factor.created_at);
        // One that went on long after its set-up was switched on again, in one step.
        let begun = match factor.created_at.plus_seconds(set_up) >= added {
            true => factor.created_at,
            false => added,
        };
        session.trusts(begun, added, policy.fresh_for_factors_seconds, act.now)
    };
    factors.iter().filter(trusts).cloned().collect()
}

/// Which methods sign-in asks this user for, as the write sees them.
///
/// # Errors
/// A fault when the database does not answer.
pub fn demanded_now(tx: &mut Tx, user: &User) -> Result<Vec<crate::model::kinds::FactorKind>> {
    let factors = factors::of_user(tx, user.id)?;
    demand::methods(tx, user, &factors)
}
