//! Step-up: the person gives fresh proof in an open session, which goes on (RFC 9470).

use crate::app::Ctx;
use crate::factor::{self, Answer, AnswerRequest};
use crate::flow::answer::{Attempt, Effect, Terms, answer};
use crate::flow::challenge::{self, Opening};
use crate::flow::{Act, Question, fresh, password, session, sms};
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on, starting};
use crate::model::kinds::{AnswerKind, CodeSetKind, FactorKind, Purpose};
use crate::model::session::{Caller, Proof, Session};
use crate::model::source::Source;
use crate::model::{Refusal, Result, Secret};
use crate::outcome::{LiftedSession, StepUpChallenge, StepUpResult};
use crate::store::{Tx, code_sets, factors, sessions, users};

/// How the caller wants to give fresh proof.
pub struct Begin {
    /// The signed-in user.
    pub caller: Caller,
    /// The method. Without it, the chosen one is used, or the first that is on.
    pub method: Option<FactorKind>,
    /// The password, if no second factor is on.
    pub password: Option<Secret<String>>,
    /// The address that the call came from.
    pub source: Source,
}

/// Begins a step-up. If sign-in asks for no second step, the password is enough at once. Otherwise a
/// challenge is opened.
///
/// # Errors
/// Refuses a missing or wrong password, a method that is not on, and one that was added since the session
/// began.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<StepUpResult> {
    let act = Act::begin(ctx, command.source);
    let caller = command.caller;
    let demanded = caller.demanded();
    let trusted = fresh::trusted(&act, &caller.session, &caller.factors);
    let provable = provable(&caller, &trusted, &demanded);
    let Some(method) = chosen(&caller, &provable, command.method, &demanded)? else {
        let password = command.password.ok_or_else(|| {
            Refusal::field("password", "Send the password: no second factor is on.")
        })?;
        return by_password(ctx, act, caller, password).await;
    };
    let draft = challenge::Draft::new(ctx, &act);
    let token = draft.token(caller.user.id);
    let asked = AnswerRequest {
        settings: &act.settings,
        purpose: Purpose::StepUp,
        now: act.now,
        ends: act
            .now
            .plus_seconds(i64::from(act.policy().challenge_seconds)),
        factors: &trusted,
    };
    let asked = factor::of(method).ask(&asked)?;
    let (options, ceremony) = asked.map(|asked| (asked.options, asked.state)).unzip();
    let begun = ctx.write(move |tx| open(tx, &act, &draft, &caller, method, ceremony.as_ref()));
    let sent = begun.await?;
    ctx.nudge_courier();
    Ok(StepUpResult::Challenge(StepUpChallenge {
        mfa_token: token,
        method,
        methods: provable,
        options,
        sent,
    }))
}

/// Opens the challenge. Returns whether a code was sent.
fn open(
    tx: &mut Tx,
    act: &Act,
    draft: &challenge::Draft,
    caller: &Caller,
    method: FactorKind,
    ceremony: Option<&String>,
) -> Result<bool> {
    let caller = fresh::hold(tx, act, caller)?;
    let user = &caller.user;
    if factors::attempts(tx, user.id, method)?.locked(act.policy()) {
        return act.refuse_limited(tx, user.id, Refusal::MfaMethodLocked);
    }
    let seconds = act.policy().challenge_seconds;
    let opening = Opening {
        session_id: Some(caller.session.id),
        phone: sms::phone_on(&fresh::trusted(act, &caller.session, &caller.factors)),
        ceremony: ceremony.cloned(),
        ..Opening::new(Purpose::StepUp, method.into(), seconds)
    };
    let opened = draft.open(tx, act, user, &opening)?;
    let word = Some(method.as_str());
    act.audit(tx, user.id, Event::StepUpBegun, word)?;
    Ok(opened.sent)
}

/// Returns the method to use; `None` if sign-in asks for no second step.
fn chosen(
    caller: &Caller,
    provable: &[FactorKind],
    asked: Option<FactorKind>,
    demanded: &[FactorKind],
) -> Result<Option<FactorKind>> {
    if demanded.is_empty() {
        return match asked {
            Some(_) => Err(Refusal::MfaNotEnabled.into()),
            None => Ok(None),
        };
    }
    match asked {
        Some(method) if !demanded.contains(&method) => Err(Refusal::MfaMethodNotEnabled.into()),
        Some(method) if provable.contains(&method) => Ok(Some(method)),
        Some(_) => Err(Refusal::MfaMethodTooNew.into()),
        None => {
            let first = starting(&caller.factors).map(|factor| factor.kind);
            let first = first.filter(|first| provable.contains(first));
            let method = first.or_else(|| provable.first().copied());
            method.ok_or(Refusal::MfaMethodTooNew.into()).map(Some)
        }
    }
}

/// Returns the methods that sign-in accepts and that can prove the person in this session: those with a
/// factor in `trusted`, and the mailbox if a policy demands it and no factor is on.
fn provable(caller: &Caller, trusted: &[Factor], demanded: &[FactorKind]) -> Vec<FactorKind> {
    let counting = kinds_on(trusted);
    let by_policy = kinds_on(&caller.factors).is_empty();
    let counts = |kind: &&FactorKind| counting.contains(kind) || by_policy;
    demanded.iter().filter(counts).copied().collect()
}

async fn by_password(
    ctx: &Ctx,
    act: Act,
    caller: Caller,
    password: Secret<String>,
) -> Result<StepUpResult> {
    let user = caller.user.clone();
    let lifted = password::confirmed(ctx, &act, &user, password, move |tx, act| {
        let caller = fresh::hold(tx, act, &caller)?;
        if !caller.demanded().is_empty() {
            // A factor was turned on meanwhile, so the password is no longer enough.
            let max_age = act.policy().fresh_for_factors_seconds;
            return Err(Refusal::InsufficientUserAuthentication { max_age }.into());
        }
        lift(tx, act, &caller.session, Proof::Password)
    })
    .await?;
    let stepped_up = signed(ctx, &act, &lifted, None)?;
    Ok(StepUpResult::Lifted(Box::new(stepped_up)))
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

/// Judges the answer, and gives fresh proof to the session that asked.
///
/// # Errors
/// Refuses a challenge that is over or of another session, a wrong answer, and a session that has ended.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<LiftedSession> {
    let act = Act::begin(ctx, command.source);
    let purpose = Purpose::StepUp;
    let token = &command.mfa_token;
    let question = challenge::find_to_answer(ctx, &act, token, purpose, &command.answer).await?;
    question.judge_caller(command.caller.as_ref())?;
    question.judge_answerable()?;
    let (candidates, recovery) = what_counts(ctx, &act, &question).await?;
    let attempt = Attempt {
        question,
        answer: command.answer,
        terms: Terms {
            recovery,
            scratch: false,
            tell_clock: true,
        },
        candidates,
    };
    let right = answer(ctx, &act, attempt, StepUp).await?;
    signed(ctx, &act, &right.outcome, right.codes_left)
}

/// A right answer gives fresh proof to the session that asked.
#[derive(Clone)]
struct StepUp;

impl Effect for StepUp {
    type Outcome = Session;

    const NOTIFIES: bool = false;

    fn admit(&self, tx: &mut Tx, act: &Act, question: &Question) -> Result<()> {
        users::lock(tx, question.user.id)?;
        question.beginner(tx, act)?;
        Ok(())
    }

    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        method: AnswerKind,
    ) -> Result<Session> {
        let session = question.beginner(tx, act)?;
        lift(tx, act, &session, Proof::PasswordAnd(method))
    }
}

/// Returns the factors of the challenge's method that can prove the person in the session that began it, and
/// whether its recovery codes can. They can if they existed when the session began, or if it had fresh proof
/// when they were added.
async fn what_counts(ctx: &Ctx, act: &Act, question: &Question) -> Result<(Vec<Factor>, bool)> {
    let (on, user_id) = (question.on(), question.user.id);
    let (found, act) = (question.clone(), act.clone());
    let (trusted, recovery) = ctx
        .read(move |tx| {
            let session = found.beginner(tx, &act)?;
            let max_age = act.policy().fresh_for_factors_seconds;
            let codes = code_sets::live(tx, user_id, CodeSetKind::Recovery)?;
            let recovery = codes.is_none_or(|set| {
                session.trusts(
                    set.created_at,
                    set.live_at.unwrap_or(set.created_at),
                    max_age,
                    act.now,
                )
            });
            Ok((fresh::trusted(&act, &session, &found.on()), recovery))
        })
        .await?;
    match trusted.is_empty() && !on.is_empty() {
        true => Err(Refusal::MfaMethodTooNew.into()),
        false => Ok((trusted, recovery)),
    }
}

/// Gives the session this proof, and returns it as it is then.
fn lift(tx: &mut Tx, act: &Act, session: &Session, proof: Proof) -> Result<Session> {
    let lifted = session.lifted(proof, act.now);
    if !sessions::lift(tx, &lifted)? {
        return Err(Refusal::TokenInvalid { sent: true }.into());
    }
    act.audit(tx, session.user_id, Event::SteppedUp, Some(&lifted.amr))?;
    Ok(lifted)
}

fn signed(
    ctx: &Ctx,
    act: &Act,
    lifted: &Session,
    recovery_codes_remaining: Option<u32>,
) -> Result<LiftedSession> {
    let token_id = ctx.chance.id::<()>(act.now).uuid();
    let access = session::access_token(act, lifted, token_id)?;
    Ok(LiftedSession {
        access_token: access.token,
        expires_in: access.expires_at.seconds_after(act.now),
        acr: lifted.acr,
        auth_time: lifted.auth_time,
        recovery_codes_remaining,
    })
}
