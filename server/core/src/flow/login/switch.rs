//! Switches a sign-in to another method.

use crate::app::Ctx;
use crate::factor;
use crate::factor::sent_code::Sending;
use crate::flow::delivery::Delivery;
use crate::flow::{Act, Question, challenge, sms};
use crate::model::audit::Event;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::source::Source;
use crate::model::{Refusal, Result, Secret};
use crate::outcome::WaitingChallenge;
use crate::store::{Tx, challenges, factors};

/// A challenge, and the method to switch it to.
pub struct Switch {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The method.
    pub method: FactorKind,
    /// The address that the call came from.
    pub source: Source,
}

/// Switches a sign-in, or the second step before a new password, to another method. If the method's codes are
/// sent, the switch sends one, unless the last code sent was of this method: that code still works.
///
/// # Errors
/// Refuses a method that is not on or is locked, and a challenge that is over.
pub async fn switch(ctx: &Ctx, command: Switch) -> Result<WaitingChallenge> {
    let act = Act::begin(ctx, command.source);
    let question = challenge::find_without_session(ctx, &act, &command.mfa_token).await?;
    let method = command.method;
    judge_switch(&act, &question, method)?;
    let sending = challenge::sending(ctx, &act, question.challenge.id);
    ctx.write(move |tx| switch_to(tx, &act, &question, method, &sending))
        .await?;
    ctx.nudge_courier();
    Ok(WaitingChallenge {
        mfa_token: command.mfa_token,
        method,
        // It was sent now, or before for this sign-in.
        sent: factor::channel(method).is_some(),
    })
}

/// Checks that the challenge may be switched to this method.
fn judge_switch(act: &Act, question: &Question, method: FactorKind) -> Result<()> {
    question.judge_tries(act)?;
    if question.demanded.is_empty() {
        return Err(Refusal::MfaNotEnabled.into());
    }
    question.judge_method(method)?;
    let purpose = question.challenge.purpose;
    if purpose == Purpose::PasswordReset && question.attempts.locked(act.policy()) {
        return Err(Refusal::MfaMethodLocked.into());
    }
    let phone = sms::phone_on(&question.factors);
    let delivery = Delivery::of(
        act,
        method.into(),
        purpose,
        &question.user,
        phone.as_deref(),
    );
    match delivery.is_none() && factor::channel(method).is_some() {
        true => Err(Refusal::MfaMethodNotEnabled.into()),
        false => Ok(()),
    }
}

/// Switches the challenge, and sends a code if the method has codes that are sent.
fn switch_to(
    tx: &mut Tx,
    act: &Act,
    question: &Question,
    method: FactorKind,
    sending: &Sending,
) -> Result<()> {
    let (user_id, waiting) = (question.user.id, &question.challenge);
    if factors::attempts(tx, user_id, method)?.locked(act.policy()) {
        return act.refuse_limited(tx, user_id, Refusal::MfaMethodLocked);
    }
    // A code that was sent by another method does not count.
    let sends = factor::channel(method).is_some() && !question.has_code_of(method);
    // The first code of another method is sent at once, since the person cannot use the other one.
    if sends && waiting.last_sent_at.is_some() && waiting.resends > 0 {
        judge_pace(tx, act, question)?;
    }
    let done = match sends {
        true => challenge::send(tx, act, question, method.into(), sending)?,
        false => challenges::switch(tx, waiting, method)?,
    };
    if !done {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    let word = Some(method.as_str());
    act.audit(tx, user_id, Event::MethodSwitched, word)
}

/// Refuses another code while the wait between resends lasts, or if no resends are left. It counts for all
/// methods together.
fn judge_pace(tx: &mut Tx, act: &Act, question: &Question) -> Result<()> {
    let wait = match question.challenge.resends_remaining(act.policy()) {
        0 => question.challenge.expires_at.seconds_after(act.now).max(1),
        _some => question.challenge.resend_wait(act.policy(), act.now),
    };
    if wait > 0 {
        let refusal = Refusal::TooManyRequests { retry_after: wait };
        return act.refuse_limited(tx, question.user.id, refusal);
    }
    Ok(())
}
