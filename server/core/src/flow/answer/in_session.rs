//! Counts wrong answers to what a session began. At the tenth in a row, the session ends.

use crate::flow::{Act, MailCause, Question};
use crate::model::audit::Event;
use crate::model::kinds::{AnswerKind, Purpose};
use crate::model::notice::Message;
use crate::model::user::User;
use crate::model::{Refusal, Result, SessionId};
use crate::store::{Tx, limits, sessions};

/// The wrong answers in a row that end a session: those of two challenges. A guess is right at most once in
/// 333,333 times, and each further session costs a whole sign-in.
const MOST: u32 = 10;

const NAME: &str = "wrong_answers_of_session";

/// The count of a session's wrong answers for one method. Named acts have a count of their own, so that a
/// right answer to one does not reset the guesses at another.
pub(in crate::flow) struct Count {
    session: SessionId,
    subject: Vec<u8>,
}

impl Count {
    /// Returns the count for answers by `method` to this challenge; `None` if no session began it. Only
    /// sign-ins, set-ups and new passwords use the counters of the methods: a stolen session must not stop its
    /// owner from signing in.
    pub(super) fn of(question: &Question, method: AnswerKind) -> Option<Self> {
        let purpose = question.challenge.purpose;
        let session = question.challenge.session_id?;
        if MailCause::of(purpose) != MailCause::Session {
            return None;
        }
        let what = match purpose {
            Purpose::Action => "action",
            Purpose::Setup
            | Purpose::Login
            | Purpose::Disable
            | Purpose::StepUp
            | Purpose::PasswordReset => method.as_str(),
        };
        let subject = [session.as_bytes().as_slice(), what.as_bytes()].concat();
        Some(Self { session, subject })
    }

    /// Returns the count for codes that prove a new address.
    pub(in crate::flow) fn of_new_address(session: SessionId) -> Self {
        let subject = [session.as_bytes().as_slice(), b"new address"].concat();
        Self { session, subject }
    }
}

/// Takes a try of the session.
///
/// # Errors
/// Refuses if the session has none left.
pub(in crate::flow) fn take_try(tx: &mut Tx, act: &Act, count: &Count) -> Result<()> {
    // Kept for as long as the session may live. It is no window, so a clock that goes back does not begin a
    // new one.
    let kept_until = act
        .now
        .plus_seconds(i64::from(act.policy().session_seconds));
    match limits::count_up(tx, &count.subject, NAME, MOST, kept_until)? {
        true => Ok(()),
        // The answer was sent at the same time as the tenth wrong one.
        false => Err(Refusal::MfaTokenInvalid.into()),
    }
}

/// Gives back a try that was not compared.
///
/// # Errors
/// Returns a fault if the database does not answer, as all functions below do.
pub(super) fn give_back(tx: &mut Tx, count: &Count) -> Result<()> {
    limits::give_back(tx, &count.subject, NAME)
}

/// Resets the count after a right answer.
pub(in crate::flow) fn begin_anew(tx: &mut Tx, count: &Count) -> Result<()> {
    limits::delete(tx, &count.subject, NAME)
}

/// Ends the session if this was its last try, and queues a notice.
pub(in crate::flow) fn failed(
    user: &User,
    tx: &mut Tx,
    act: &Act,
    method: AnswerKind,
    count: &Count,
) -> Result<()> {
    let used = limits::used(tx, &count.subject, NAME)?;
    if used < MOST || !sessions::end(tx, user.id, count.session, act.now)? {
        return Ok(());
    }
    let method = method.as_str().to_owned();
    act.audit(tx, user.id, Event::SessionGuessed, Some(&method))?;
    act.notify(tx, user, Message::SessionGuessed { method })
}
