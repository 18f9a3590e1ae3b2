//! Turning a method off: begun with the password, finished with a code of the method.

use crate::app::Ctx;
use crate::factor::Answer;
use crate::flow::answer::{Attempt, Effect, Terms, answer};
use crate::flow::challenge::{self, Opening};
use crate::flow::methods::effects;
use crate::flow::{Act, Question, password, sms};
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on};
use crate::model::kinds::{AnswerKind, FactorKind, FactorState, Purpose};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{FactorId, Refusal, Result, Secret};
use crate::outcome::{FactorChange, WaitingChallenge};
use crate::store::{Tx, factors, users};

/// What to turn off, and the password typed again.
pub struct Begin {
    /// The signed-in user.
    pub caller: Caller,
    /// The method.
    pub method: FactorKind,
    /// One of several factors of this method. Without it, all of them.
    pub factor_id: Option<FactorId>,
    /// The password, as typed.
    pub password: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Begins to turn a method off. If its codes are sent, one is sent.
///
/// # Errors
/// Refuses a method that is not on, the last one if a policy demands it, and a wrong password.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<WaitingChallenge> {
    let Begin {
        caller,
        method,
        factor_id,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    judge(&caller, method, factor_id)?;
    let draft = challenge::Draft::new(ctx, &act);
    let (user, mfa_token) = (caller.user.clone(), draft.token(caller.user.id));
    let begun = password::confirmed(ctx, &act, &user, password, move |tx, act| {
        let opening = Opening {
            factor_id,
            session_id: Some(caller.session.id),
            phone: sms::phone_on(&caller.factors),
            ..Opening::new(
                Purpose::Disable,
                method.into(),
                act.policy().challenge_seconds,
            )
        };
        let opened = draft.open(tx, act, &caller.user, &opening)?;
        let word = Some(method.as_str());
        act.audit(tx, caller.user.id, Event::DisableBegun, word)?;
        Ok(opened.sent)
    });
    let sent = begun.await?;
    ctx.nudge_courier();
    Ok(WaitingChallenge {
        mfa_token,
        method,
        sent,
    })
}

/// Checks that the method, or the factor of it, is on and may be turned off.
fn judge(caller: &Caller, method: FactorKind, factor_id: Option<FactorId>) -> Result<()> {
    let methods = kinds_on(&caller.factors);
    if methods.is_empty() {
        return match caller.demanded().contains(&method) {
            // Because of a policy, sign-in asks for the mailbox anyway.
            true => Err(Refusal::MfaEnforced.into()),
            false => Err(Refusal::MfaNotEnabled.into()),
        };
    }
    if !methods.contains(&method) {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    let goes = |factor: &Factor| goes(factor, method, factor_id);
    if !caller.factors.iter().any(goes) {
        return Err(Refusal::FactorNotFound.into());
    }
    effects::judge_last(caller.enforced, &caller.factors, goes)
}

/// Whether turning off this method, or this factor of it, removes `factor`.
fn goes(factor: &Factor, method: FactorKind, factor_id: Option<FactorId>) -> bool {
    factor.state == FactorState::On
        && factor.kind == method
        && factor_id.is_none_or(|id| id == factor.id)
}

/// A challenge and its answer.
pub struct Verify {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The answer.
    pub answer: Answer,
    /// The caller, if a bearer token was sent.
    pub caller: Option<Caller>,
    /// The address that the call came from.
    pub source: Source,
}

/// Judges the answer, and removes the factor. Also returns how many recovery codes are left, if one was used.
///
/// # Errors
/// Refuses a challenge that is over or of another session, and a wrong answer.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<(FactorChange, Option<u32>)> {
    let act = Act::begin(ctx, command.source);
    let purpose = Purpose::Disable;
    let token = &command.mfa_token;
    let question = challenge::find_to_answer(ctx, &act, token, purpose, &command.answer).await?;
    question.judge_caller(command.caller.as_ref())?;
    let candidates = question.on();
    if candidates.is_empty() {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    let attempt = Attempt {
        question,
        answer: command.answer,
        terms: Terms {
            recovery: true,
            scratch: false,
            tell_clock: true,
        },
        candidates,
    };
    let right = answer(ctx, &act, attempt, TurnOff).await?;
    Ok((right.outcome, right.codes_left))
}

/// A right answer turns the method, or the factor, off.
#[derive(Clone)]
struct TurnOff;

impl Effect for TurnOff {
    type Outcome = FactorChange;

    const NOTIFIES: bool = true;

    fn admit(&self, tx: &mut Tx, act: &Act, question: &Question) -> Result<()> {
        question.beginner(tx, act)?;
        Ok(())
    }

    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        _method: AnswerKind,
    ) -> Result<FactorChange> {
        turn_off(tx, act, question)
    }
}

fn turn_off(tx: &mut Tx, act: &Act, question: &Question) -> Result<FactorChange> {
    let method = question.challenge.kind.method();
    let (user_id, method) = (
        question.user.id,
        method.ok_or(Refusal::MfaMethodNotEnabled)?,
    );
    users::lock(tx, user_id)?;
    factors::reset_attempts(tx, user_id, method)?;
    let standing = factors::of_user(tx, user_id)?;
    let goes = |factor: &Factor| goes(factor, method, question.challenge.factor_id);
    if !standing.iter().any(goes) {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    effects::judge_last(users::enforced(tx, &question.user)?, &standing, goes)?;
    let left = effects::remove(tx, act, &question.user, None, &standing, goes)?;
    Ok(FactorChange {
        method,
        methods: kinds_on(&left),
        at: act.now,
    })
}
