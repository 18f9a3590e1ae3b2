//! Sending a code again. Each time it is a new code, and the old one stops working (ASVS 6.6.2).

use crate::app::Ctx;
use crate::factor::sent_code::Sending;
use crate::flow::session::{self, Sender};
use crate::flow::{Act, MailCause, Question, challenge, login};
use crate::model::audit::Event;
use crate::model::challenge::Challenge;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::outcome::ResentCode;
use crate::store::Tx;

/// A challenge whose code did not arrive.
pub struct Resend {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The method whose code to send, if the API says it. If not, the one the challenge waits for.
    pub method: Option<FactorKind>,
    /// The address that the call came from.
    pub source: Source,
}

/// Sends a new code.
///
/// # Errors
/// Refuses while the wait between resends lasts, if no resends are left, if a limit of sent codes is used up,
/// and for methods whose codes are not sent.
pub async fn resend(ctx: &Ctx, command: Resend) -> Result<ResentCode> {
    resend_for(ctx, command, None).await
}

/// Does the same for a challenge that must have this purpose.
///
/// # Errors
/// As [`resend`]. Also refuses a challenge for another purpose.
pub async fn resend_for(
    ctx: &Ctx,
    command: Resend,
    purpose: Option<Purpose>,
) -> Result<ResentCode> {
    let act = Act::begin(ctx, command.source);
    let question = challenge::find(ctx, &act, &command.mfa_token, purpose).await?;
    let question = match command.method {
        Some(method) => challenge::switch(ctx, question, method).await?,
        None => question,
    };
    let sends = question.sends(&act);
    let Some(method) = question.challenge.kind.method().filter(|_| sends) else {
        return Err(Refusal::ResendOnlyForEmail.into());
    };
    let (resends_remaining, retry_after) = again(ctx, act, question).await?;
    Ok(ResentCode {
        mfa_token: command.mfa_token,
        method,
        resends_remaining,
        retry_after,
    })
}

/// Mails the link and the code that the sender of a bearer waits for: those of a mailbox set-up that their
/// session began, or those of their sign-in. While the wait between resends lasts, nothing is sent.
///
/// # Errors
/// As [`resend`], in the words for a bearer. Also refuses a caller without such a set-up, and a sign-in that
/// cannot be finished by mail.
pub async fn link(ctx: &Ctx, sender: Sender, source: Source) -> Result<()> {
    match sender {
        Sender::Caller(caller) => link_of_setup(ctx, *caller, source).await,
        Sender::Pending(pending) => {
            link_of_login(ctx, pending.mfa_token, source)
                .await
                .map_err(|error| match error {
                    // Nothing is demanded any more, so no method can finish the sign-in.
                    Error::Refused(Refusal::MfaNotEnabled) => Refusal::MfaMethodNotEnabled.into(),
                    error => session::as_bearer(error),
                })
        }
    }
}

/// Mails the link and the code of a sign-in, for APIs whose sign-in sends no mail at its start. The sign-in
/// then waits for them. While the wait between resends lasts, nothing is sent, since the last mail still
/// works.
///
/// # Errors
/// As [`resend`] and [`login::switch`], except for the wait between resends.
async fn link_of_login(ctx: &Ctx, mfa_token: Secret<String>, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let question = challenge::find(ctx, &act, &mfa_token, Some(Purpose::Login)).await?;
    question.judge_method(FactorKind::Email)?;
    if question.challenge.kind == FactorKind::Email.into()
        && question.has_code_of(FactorKind::Email)
    {
        if question.attempts.locked(act.policy()) {
            return Err(Refusal::MfaMethodLocked.into());
        }
        return unless_fresh(again(ctx, act, question).await);
    }
    let switch = login::Switch {
        mfa_token,
        method: FactorKind::Email,
        source,
    };
    login::switch(ctx, switch).await.map(|_waiting| ())
}

/// Mails the link and the code of a mailbox set-up again, which the caller's session began. While the wait
/// between resends lasts, nothing is sent.
///
/// # Errors
/// As [`resend`]. Also refuses if no such set-up is under way.
async fn link_of_setup(ctx: &Ctx, caller: Caller, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let mailbox = |one: &Challenge| one.kind == FactorKind::Email.into();
    let question = challenge::find_by_session(ctx, &act, &caller, Purpose::Setup, mailbox).await?;
    unless_fresh(again(ctx, act, question).await)
}

fn unless_fresh(sent: Result<(u32, u32)>) -> Result<()> {
    match sent {
        Ok(_) | Err(Error::Refused(Refusal::ResendCooldown { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn again(ctx: &Ctx, act: Act, question: Question) -> Result<(u32, u32)> {
    question.judge_tries(&act)?;
    let sending = challenge::sending(ctx, &act, question.challenge.id);
    let told = ctx
        .write(move |tx| send_again(tx, &act, &question, &sending))
        .await?;
    ctx.nudge_courier();
    Ok(told)
}

fn send_again(
    tx: &mut Tx,
    act: &Act,
    question: &Question,
    sending: &Sending,
) -> Result<(u32, u32)> {
    let policy = act.policy();
    let user_id = question.user.id;
    // A sign-in may begin without a code. Then the first one is not a resend.
    let first = question.challenge.last_sent_at.is_none();
    if !first && question.challenge.resends_remaining(policy) == 0 {
        let whose = MailCause::of(question.challenge.purpose);
        let retry_after = act.code_mail_wait(tx, user_id, whose)?;
        return act.refuse_limited(tx, user_id, Refusal::MaxResendLimit { retry_after });
    }
    let wait = question.challenge.resend_wait(policy, act.now);
    if wait > 0 {
        return act.refuse_limited(tx, user_id, Refusal::ResendCooldown { retry_after: wait });
    }
    if !challenge::send(tx, act, question, question.challenge.kind, sending)? {
        // Another resend came first, a moment ago.
        let retry_after = question.challenge.cooldown(policy);
        return act.refuse_limited(tx, user_id, Refusal::ResendCooldown { retry_after });
    }
    act.audit(tx, user_id, Event::CodeResent, None)?;
    let mut sent = question.challenge.clone();
    sent.resends += i32::from(!first);
    Ok((sent.resends_remaining(policy), sent.cooldown(policy)))
}
