//! Wrong answers to what a session began: they count for the session, which ends at the tenth in a row.

use crate::flow::Act;
use crate::flow::challenge::Seen;
use crate::model::audit::Event;
use crate::model::kinds::FactorKind;
use crate::model::notice::Message;
use crate::model::policy::Policy;
use crate::model::{Refusal, Result, SessionId};
use crate::store::limits::{self, Limit};
use crate::store::{Tx, factors, sessions};

/// Wrong answers in a row that a session may give: two challenges' worth. A guess is right once in 333,333
/// times, and each further session costs a whole sign-in.
const MOST: u32 = 10;

const NAME: &str = "wrong_answers_of_session";

fn limit(policy: &Policy) -> Limit {
    Limit {
        name: NAME,
        most: MOST,
        window_seconds: policy.session_seconds,
    }
}

/// Takes a try of the session; and refuses while the method waits or is stopped, as sign-ins are.
///
/// # Errors
/// Refuses when the session has no try left.
pub(super) fn take_try(
    seen: &Seen,
    tx: &mut Tx,
    act: &Act,
    method: FactorKind,
    session: SessionId,
) -> Result<()> {
    let counter = match seen.attempts.kind == method {
        true => seen.attempts,
        false => factors::attempts(tx, seen.user.id, method)?,
    };
    if let Err(refusal) = counter.judge(act.policy(), act.now) {
        return act.refuse_limited(tx, seen.user.id, refusal);
    }
    match limits::take(tx, session.as_bytes(), limit(act.policy()), act.now)? {
        None => Ok(()),
        // Answers that were sent at once with the tenth.
        Some(_) => Err(Refusal::MfaTokenInvalid.into()),
    }
}

/// Gives a try back that was not compared.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub(super) fn give_back(tx: &mut Tx, session: SessionId) -> Result<()> {
    limits::give_back(tx, session.as_bytes(), NAME)
}

/// Begins the count anew after a right answer.
pub(super) fn begin_anew(tx: &mut Tx, session: SessionId) -> Result<()> {
    limits::delete(tx, session.as_bytes(), NAME)
}

/// Ends the session after its last try, and tells the user.
pub(super) fn failed(
    seen: &Seen,
    tx: &mut Tx,
    act: &Act,
    method: FactorKind,
    session: SessionId,
) -> Result<()> {
    let standing = limits::standing_of(tx, session.as_bytes(), limit(act.policy()), act.now)?;
    if standing.left > 0 || !sessions::end(tx, seen.user.id, session, act.now)? {
        return Ok(());
    }
    let method = method.as_str().to_owned();
    act.audit(tx, seen.user.id, Event::SessionGuessed, Some(&method))?;
    act.notify(tx, &seen.user, Message::SessionGuessed { method })
}
