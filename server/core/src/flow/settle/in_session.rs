//! Wrong answers to what a session began: they count for the session, which ends at the tenth in a row.

use crate::flow::Act;
use crate::flow::challenge::Seen;
use crate::model::audit::Event;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::notice::Message;
use crate::model::{Refusal, Result, SessionId};
use crate::store::{Tx, limits, sessions};

/// Wrong answers in a row that a session may give: two challenges' worth. A guess is right once in 333,333
/// times, and each further session costs a whole sign-in.
const MOST: u32 = 10;

const NAME: &str = "wrong_answers_of_session";

/// What wrong answers count by: the session and the method, and named acts apart. A right answer of one
/// clears no guesses at another.
pub(super) struct Count {
    session: SessionId,
    subject: Vec<u8>,
}

impl Count {
    /// What an answer by `method` to a challenge of this purpose counts by.
    pub(super) fn of(session: SessionId, purpose: Purpose, method: FactorKind) -> Self {
        let what = match purpose {
            Purpose::Action => "action",
            Purpose::Setup | Purpose::Login | Purpose::Disable | Purpose::StepUp => method.as_str(),
        };
        let subject = [session.as_bytes().as_slice(), what.as_bytes()].concat();
        Self { session, subject }
    }
}

/// Takes a try of the session.
///
/// # Errors
/// Refuses when the session has none left.
pub(super) fn take_try(tx: &mut Tx, act: &Act, count: &Count) -> Result<()> {
    // As long as the session may live. It is no window: a clock that goes back begins no new one.
    let kept_until = act
        .now
        .plus_seconds(i64::from(act.policy().session_seconds));
    match limits::count_up(tx, &count.subject, NAME, MOST, kept_until)? {
        true => Ok(()),
        // Answers that were sent at once with the tenth.
        false => Err(Refusal::MfaTokenInvalid.into()),
    }
}

/// Gives a try back that was not compared.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub(super) fn give_back(tx: &mut Tx, count: &Count) -> Result<()> {
    limits::give_back(tx, &count.subject, NAME)
}

/// Begins the count anew after a right answer.
pub(super) fn begin_anew(tx: &mut Tx, count: &Count) -> Result<()> {
    limits::delete(tx, &count.subject, NAME)
}

/// Ends the session after its last try, and tells the user.
pub(super) fn failed(
    seen: &Seen,
    tx: &mut Tx,
    act: &Act,
    method: FactorKind,
    count: &Count,
) -> Result<()> {
    let used = limits::used(tx, &count.subject, NAME)?;
    if used < MOST || !sessions::end(tx, seen.user.id, count.session, act.now)? {
        return Ok(());
    }
    let method = method.as_str().to_owned();
    act.audit(tx, seen.user.id, Event::SessionGuessed, Some(&method))?;
    act.notify(tx, &seen.user, Message::SessionGuessed { method })
}
