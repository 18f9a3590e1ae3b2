//! Codes that confirm a named act. They are sent to the user's own phone or mailbox, and work only in the
//! session that asked and for that act.

use crate::app::Ctx;
use crate::factor::Answer;
use crate::flow::answer::{Attempt, Effect, Terms, answer};
use crate::flow::challenge::{self, Opening};
use crate::flow::{Act, Question, fresh, sms};
use crate::model::audit::Event;
use crate::model::kinds::{AnswerKind, FactorKind, FactorState, Purpose};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::store::{Tx, challenges};

/// An act to confirm.
pub struct Send {
    /// The signed-in user.
    pub caller: Caller,
    /// The act, as the API names it.
    pub action: &'static str,
    /// The address that the call came from.
    pub source: Source,
}

/// Sends a code for an act: by SMS to the user's proved phone, otherwise by mail. An older code of this
/// session for the same act stops working.
///
/// # Errors
/// Refuses a user without phone and mailbox, and if a limit of mailed codes, of the network or of text
/// messages is used up.
pub async fn send(ctx: &Ctx, command: Send) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let draft = challenge::Draft::new(ctx, &act);
    let (caller, action) = (command.caller, command.action);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let user = &caller.user;
        let phone =
            sms::phone_on(&caller.factors).filter(|number| sms::can_send(&act, Some(number)));
        let kind = match (&phone, user.mailbox) {
            (Some(_), _) => FactorKind::Sms,
            (None, true) => FactorKind::Email,
            (None, false) => return Err(Refusal::MfaMethodUnavailable.into()),
        };
        for old in challenges::live(tx, user.id, act.now)? {
            let own = old.session_id == Some(caller.session.id);
            if own && old.purpose == Purpose::Action && old.action.as_deref() == Some(action) {
                challenges::spend(tx, user.id, old.id, act.now)?;
            }
        }
        let opening = Opening {
            session_id: Some(caller.session.id),
            phone,
            action: Some(action.to_owned()),
            ..Opening::new(Purpose::Action, kind.into(), act.policy().challenge_seconds)
        };
        draft.open(tx, &act, user, &opening)?;
        act.audit(tx, user.id, Event::ChallengeBegun, Some(action))
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// The code of an act.
pub struct Check {
    /// The signed-in user.
    pub caller: Caller,
    /// The act, as the API names it.
    pub action: &'static str,
    /// The code, as typed.
    pub code: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Judges the last code that was sent to this session for this act, and uses it up.
///
/// # Errors
/// Refuses if no code waits, a wrong code, and an answer without a try left.
pub async fn check(ctx: &Ctx, command: Check) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let action = command.action;
    let fits =
        move |one: &crate::model::challenge::Challenge| one.action.as_deref() == Some(action);
    let found = challenge::find_by_session(ctx, &act, &command.caller, Purpose::Action, fits).await;
    let question = found.map_err(|error| match error {
        Error::Refused(Refusal::MfaMethodNotConfigured) => Refusal::MfaTokenInvalid.into(),
        error => error,
    })?;
    question.judge_tries(&act)?;
    // A code by SMS counts while its phone is proved. The mailbox always counts.
    let candidates = question
        .factors
        .iter()
        .filter(|factor| factor.kind == FactorKind::Sms && factor.state != FactorState::Pending)
        .filter(|factor| question.challenge.kind == factor.kind.into())
        .cloned()
        .collect();
    let attempt = Attempt {
        question,
        answer: Answer::typed(&command.code),
        terms: Terms {
            recovery: false,
            scratch: false,
            tell_clock: false,
        },
        candidates,
    };
    let confirmation = Confirmation {
        caller: command.caller,
        action,
    };
    answer(ctx, &act, attempt, confirmation).await?;
    Ok(())
}

/// A right code confirms the act.
#[derive(Clone)]
struct Confirmation {
    caller: Caller,
    action: &'static str,
}

impl Effect for Confirmation {
    type Outcome = ();

    const NOTIFIES: bool = false;

    fn admit(&self, tx: &mut Tx, act: &Act, _question: &Question) -> Result<()> {
        fresh::hold(tx, act, &self.caller)?;
        Ok(())
    }

    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        _method: AnswerKind,
    ) -> Result<()> {
        let user_id = question.user.id;
        act.audit(tx, user_id, Event::ActionConfirmed, Some(self.action))
    }
}
