//! Fresh proof: what acts that change who can sign in ask of the caller's own session, whatever the
//! API (P-33, N-072).

use crate::flow::{Act, demand};
use crate::model::session::Caller;
use crate::model::user::User;
use crate::model::{Refusal, Result};
use crate::store::{Tx, factors, sessions, users};

/// Judges whether the caller's session gave fresh proof: a second step passed in it while sign-in
/// asks for one, else a password typed in it; at most five minutes ago (P-33).
///
/// # Errors
/// Refuses an older or weaker session, with the age that would do (RFC 9470).
pub fn judge(act: &Act, caller: &Caller) -> Result<()> {
    let max_age = act.policy().fresh_for_factors_seconds;
    let (session, asked) = (&caller.session, caller.factor_on());
    Ok(session.judge_proved(asked, max_age, act.now)?)
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

/// What adding or replacing a factor asks: nothing more than the session while sign-in asks for no
/// second step, and fresh proof from then on.
///
/// # Errors
/// As [`judge`].
pub fn judge_adding(act: &Act, caller: &Caller) -> Result<()> {
    if caller.demanded().is_empty() {
        return Ok(());
    }
    judge(act, caller)
}

/// Which methods sign-in asks this user for, as the write sees them.
///
/// # Errors
/// A fault when the database does not answer.
pub fn demanded_now(tx: &mut Tx, user: &User) -> Result<Vec<crate::model::kinds::FactorKind>> {
    let factors = factors::of_user(tx, user.id)?;
    demand::methods(tx, user, &factors)
}
