//! Answers a challenge: a try is taken first, then the answer is judged. What a right answer brings about
//! happens in the write that uses the challenge up.

mod code_set;
pub(super) mod in_session;
mod passkey;
mod tries;

use crate::app::Ctx;
use crate::factor::{Answer, Expectation, Fit, Verdict};
use crate::flow::{Act, Question};
use crate::model::audit::Event;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{AnswerKind, CodeSetKind};
use crate::model::refusal::extra::Reason;
use crate::model::{Refusal, Result};
use crate::store::{Tx, challenges, factors};

pub use passkey::tell_of_copy;
use tries::Try;

/// What may stand in for the challenge's method, and what a refusal may say.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whether a recovery code may stand in.
    pub recovery: bool,
    /// Whether one of Veeam's scratch codes may stand in: from the factor being set up, otherwise from the
    /// set that counts.
    pub scratch: bool,
    /// Whether a refusal may say that the device's clock is wrong. Only signed-in users may learn that a code
    /// fits another time.
    pub tell_clock: bool,
}

/// A challenge, its answer, and what may answer it.
pub struct Attempt {
    /// The challenge.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// What may stand in for the method.
    pub terms: Terms,
    /// The factors that may answer it.
    pub candidates: Vec<Factor>,
}

/// What a right answer brings about. Each purpose of challenges has one.
pub trait Effect: Clone + Send + 'static {
    /// What the caller gets of it.
    type Outcome: Send + 'static;

    /// Whether it queues a message.
    const NOTIFIES: bool;

    /// Runs first in every write, before a try is taken.
    ///
    /// # Errors
    /// Refuses what does not depend on the answer.
    fn admit(&self, tx: &mut Tx, act: &Act, question: &Question) -> Result<()>;

    /// Runs in the write that uses the challenge up. `method` is that of the right answer.
    ///
    /// # Errors
    /// Refuses what has become impossible. The challenge stays used up.
    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        method: AnswerKind,
    ) -> Result<Self::Outcome>;
}

/// A right answer, and what it brought about.
pub struct RightAnswer<T> {
    /// What it brought about.
    pub outcome: T,
    /// How many codes are left, if a recovery or scratch code was used.
    pub codes_left: Option<u32>,
}

/// A challenge that is being answered, and what a right answer brings about.
#[derive(Clone)]
struct Trial<E> {
    act: Act,
    question: Question,
    effect: E,
}

/// Judges the answer to a challenge, and applies `effect` if it is right.
///
/// # Errors
/// Refuses a wrong answer, a used one, and one without a try left. A try that was taken stays taken. Also
/// refuses whatever `effect` refuses.
pub async fn answer<E: Effect>(
    ctx: &Ctx,
    act: &Act,
    attempt: Attempt,
    effect: E,
) -> Result<RightAnswer<E::Outcome>> {
    let judged = judge(ctx, act, attempt, effect).await;
    // A wrong answer may have queued a notice. A recovery code always has.
    let quiet = |right: &RightAnswer<_>| !E::NOTIFIES && right.codes_left.is_none();
    if !judged.as_ref().is_ok_and(quiet) {
        ctx.nudge_courier();
    }
    judged
}

/// Decides what the answer is, and how it is judged.
async fn judge<E: Effect>(
    ctx: &Ctx,
    act: &Act,
    attempt: Attempt,
    effect: E,
) -> Result<RightAnswer<E::Outcome>> {
    let Attempt {
        question,
        answer,
        terms,
        candidates,
    } = attempt;
    let stands_in = match &answer {
        Answer::RecoveryCode(_) => terms.recovery,
        Answer::ScratchCode(_) => terms.scratch && question.is_for_scratch_codes(act, &answer),
        Answer::Link(_) | Answer::Code(_) | Answer::Passkey(_) => false,
    };
    let trial = Trial {
        act: act.clone(),
        question,
        effect,
    };
    match answer {
        Answer::Passkey(answer) => passkey::judge(ctx, trial, answer, candidates).await,
        Answer::RecoveryCode(code) if stands_in => {
            code_set::judge(ctx, trial, CodeSetKind::Recovery, &code).await
        }
        Answer::ScratchCode(code) if stands_in => {
            code_set::judge(ctx, trial, CodeSetKind::Scratch, &code).await
        }
        Answer::Link(_) | Answer::RecoveryCode(_) | Answer::ScratchCode(_) | Answer::Code(_) => {
            judge_typed(ctx, trial, answer, candidates, terms).await
        }
    }
}

/// Judges a code of the challenge's method, or the link that went with one. It is compared outside the write.
async fn judge_typed<E: Effect>(
    ctx: &Ctx,
    trial: Trial<E>,
    answer: Answer,
    candidates: Vec<Factor>,
    terms: Terms,
) -> Result<RightAnswer<E::Outcome>> {
    let expected = trial.question.expected(&trial.act, candidates)?;
    let fit = expected.fit(&answer, trial.act.policy(), trial.act.now);
    let method = trial.question.challenge.kind;
    ctx.write(move |tx| {
        let act = &trial.act;
        trial.admit(tx)?;
        if fit.is_any() && trial.use_up_at_once(tx, expected.as_ref(), &fit)? {
            return trial.apply(tx, method, None);
        }
        let taken = Try::take(tx, act, &trial.question, method)?;
        match expected.accept(tx, &fit, act.now)? {
            Verdict::Right => trial.complete(tx, method, None),
            Verdict::Wrong => {
                let offset = match answer.code().filter(|_| terms.tell_clock) {
                    Some(code) => expected.clock_offset(tx, code, act.now)?,
                    None => None,
                };
                let refusal = wrong_code(taken.attempts_remaining, offset);
                trial.refuse_wrong(tx, &taken, Event::CodeWrong, refusal)
            }
            Verdict::Used { retry_after } => {
                let refusal = Refusal::UsedMfaCode {
                    reason: Reason::AlreadyUsed,
                    attempts_remaining: taken.attempts_remaining,
                    retry_after,
                };
                trial.refuse_wrong(tx, &taken, Event::CodeReused, refusal)
            }
        }
    })
    .await
}

/// Returns the refusal of a wrong code. `offset` is how many seconds the device's clock is ahead, if the code is
/// right for that time.
const fn wrong_code(attempts_remaining: u32, offset: Option<i32>) -> Refusal {
    match offset {
        Some(offset_seconds) => Refusal::AuthenticatorClockOff {
            attempts_remaining,
            offset_seconds,
        },
        None => Refusal::InvalidMfaCode { attempts_remaining },
    }
}

impl<E: Effect> Trial<E> {
    fn admit(&self, tx: &mut Tx) -> Result<()> {
        self.effect.admit(tx, &self.act, &self.question)
    }

    /// Takes a try for a right code, uses the challenge up and resets the method's counter, each row in one
    /// statement. Returns `false`, with nothing changed, if anything is against it. [`Try::take`] then finds
    /// the reason.
    fn use_up_at_once(&self, tx: &mut Tx, expected: &dyn Expectation, fit: &Fit) -> Result<bool> {
        let (act, question) = (&self.act, &self.question);
        let method = question.challenge.kind;
        if in_session::Count::of(question, method).is_some() || !question.is_open(act) {
            return Ok(false);
        }
        let tries = act.policy().tries_per_challenge;
        // The order is that of [`Try::take`], so that two writes never wait for each other.
        if !challenges::take_and_spend(tx, &question.challenge, tries, act.now)? {
            return Ok(false);
        }
        let anew = FactorAttempts::none(question.user.id, question.counted(method));
        if factors::replace(tx, &question.attempts, &anew)? {
            if expected.accept(tx, fit, act.now)? == Verdict::Right {
                return Ok(true);
            }
            factors::replace(tx, &anew, &question.attempts)?;
        }
        challenges::take_back(tx, &question.challenge)?;
        Ok(false)
    }

    /// Records a wrong answer, and refuses it.
    fn refuse_wrong<T>(
        &self,
        tx: &mut Tx,
        taken: &Try,
        event: Event,
        refusal: Refusal,
    ) -> Result<T> {
        taken.failed(tx, &self.act, &self.question, event)?;
        Err(refusal.into())
    }

    /// Uses the challenge up, resets the method's counter, and applies the effect.
    fn complete(
        &self,
        tx: &mut Tx,
        method: AnswerKind,
        codes_left: Option<u32>,
    ) -> Result<RightAnswer<E::Outcome>> {
        let question = &self.question;
        let (user_id, id) = (question.user.id, question.challenge.id);
        if !challenges::spend(tx, user_id, id, self.act.now)? {
            return Err(Refusal::MfaTokenInvalid.into());
        }
        factors::reset_attempts(tx, user_id, question.counted(method))?;
        if let Some(count) = in_session::Count::of(question, method) {
            in_session::begin_anew(tx, &count)?;
        }
        self.apply(tx, method, codes_left)
    }

    fn apply(
        &self,
        tx: &mut Tx,
        method: AnswerKind,
        codes_left: Option<u32>,
    ) -> Result<RightAnswer<E::Outcome>> {
        let outcome = self.effect.apply(tx, &self.act, &self.question, method)?;
        Ok(RightAnswer {
            outcome,
            codes_left,
        })
    }
}
