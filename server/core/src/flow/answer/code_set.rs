//! Answers a challenge with a recovery or scratch code, which costs a slow hash: the first write takes the try,
//! then the hash is computed outside, and a second write uses the code up and goes on.

use crate::app::Ctx;
use crate::factor::{Code, recovery};
use crate::flow::Act;
use crate::flow::answer::tries::Try;
use crate::flow::answer::{Effect, RightAnswer, Trial};
use crate::flow::recovery::hash_try;
use crate::model::audit::Event;
use crate::model::code_set::CodeSet;
use crate::model::kinds::{AnswerKind, CodeSetKind};
use crate::model::notice::Message;
use crate::model::{Refusal, Result};
use crate::store::{Tx, code_sets, factors};

/// Judges a code by the set of its kind.
///
/// # Errors
/// Refuses a wrong or used code, one without a try left, and as busy if the hashing queue is full.
pub(super) async fn judge<E: Effect>(
    ctx: &Ctx,
    trial: Trial<E>,
    kind: CodeSetKind,
    code: &Code,
) -> Result<RightAnswer<E::Outcome>> {
    let (taken, set) = {
        let trial = trial.clone();
        ctx.write(move |tx| {
            trial.admit(tx)?;
            let taken = take(tx, &trial, kind)?;
            Ok((taken, trial.question.code_set(tx, kind)?))
        })
        .await?
    };
    // If there is no set, the same work is done, so that the time does not reveal it.
    let salt = set.as_ref().map_or(vec![0; 16], |set| set.salt.clone());
    let hash = match hash_try(ctx, &trial.act, &salt, code).await {
        Ok(hash) => hash,
        Err(error) => {
            // A code that was not compared is not a wrong code.
            ctx.write(move |tx| taken.give_back(tx, &trial.question))
                .await?;
            return Err(error);
        }
    };
    ctx.write(move |tx| {
        trial.admit(tx)?;
        match spend(tx, &trial.act, set.as_ref(), &hash)? {
            Some(left) => use_up(tx, &trial, kind, &taken, left),
            None => {
                let attempts_remaining = taken.attempts_remaining;
                let refusal = Refusal::InvalidMfaCode { attempts_remaining };
                trial.refuse_wrong(tx, &taken, Event::CodeWrong, refusal)
            }
        }
    })
    .await
}

/// Takes a try. Digits of a scratch code may be a guess at the code that was sent, so they count against that
/// method too. A locked method accepts no guesses, and a scratch code unlocks it.
fn take<E: Effect>(tx: &mut Tx, trial: &Trial<E>, kind: CodeSetKind) -> Result<Try> {
    let (act, question) = (&trial.act, &trial.question);
    let sent = factors::attempts(tx, question.user.id, question.challenge.kind)?;
    let guesses = kind == CodeSetKind::Scratch
        && question.sends_as_many_digits(act)
        && !sent.locked(act.policy());
    if guesses && let Err(refusal) = sent.judge(act.policy(), act.now) {
        return act.refuse_limited(tx, question.user.id, refusal);
    }
    let mut taken = Try::take(tx, act, question, kind.into())?;
    if guesses {
        taken.take_also(tx, act, question)?;
    }
    Ok(taken)
}

/// Uses the code with this hash up. Returns how many the set has left; `None` if it has no such code.
fn spend(tx: &mut Tx, act: &Act, set: Option<&CodeSet>, hash: &[u8; 32]) -> Result<Option<u32>> {
    match set {
        Some(set) if recovery::spend(tx, set, hash, act.now)? => {
            code_sets::unused(tx, set).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// Tells the owner of the code that was used, and goes on.
fn use_up<E: Effect>(
    tx: &mut Tx,
    trial: &Trial<E>,
    kind: CodeSetKind,
    taken: &Try,
    remaining: u32,
) -> Result<RightAnswer<E::Outcome>> {
    let (act, user) = (&trial.act, &trial.question.user);
    let method = AnswerKind::from(kind);
    act.audit(tx, user.id, Event::RecoveryCodeUsed, Some(method.as_str()))?;
    act.notify(tx, user, Message::RecoveryCodeUsed { remaining })?;
    taken.give_back_also(tx)?;
    trial.complete(tx, method, Some(remaining))
}
