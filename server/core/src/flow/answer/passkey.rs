//! Answers a challenge with a passkey. The state of the ceremony is taken together with the try, so that no
//! answer is judged twice. The answer is judged outside any write, and a second write stores its counter and
//! goes on.

use serde_json::Value;

use crate::app::Ctx;
use crate::factor::passkey::{Judgement, Key, NewPasskey, PasskeyUse, RelyingParty, in_time};
use crate::flow::answer::tries::Try;
use crate::flow::answer::{Effect, RightAnswer, Trial};
use crate::flow::{Act, Question};
use crate::model::audit::Event;
use crate::model::factor::Factor;
use crate::model::kinds::{AnswerKind, FactorKind, Purpose};
use crate::model::notice::Message;
use crate::model::passkey::Credential;
use crate::model::user::User;
use crate::model::{Refusal, Result};
use crate::store::{Tx, passkeys};

const METHOD: AnswerKind = AnswerKind::Method(FactorKind::Passkey);

/// What a passkey's answer proved.
#[derive(Clone)]
enum ProvedKey {
    /// A new passkey, for the factor that is set up.
    New(Box<Factor>, NewPasskey),
    /// A passkey that is on.
    Known(Box<PasskeyUse>),
}

/// Judges a passkey's answer to a challenge.
///
/// # Errors
/// Refuses a wrong answer, a used one, and one without a try left. A try that was taken stays taken.
pub(super) async fn judge<E: Effect>(
    ctx: &Ctx,
    trial: Trial<E>,
    answer: Value,
    candidates: Vec<Factor>,
) -> Result<RightAnswer<E::Outcome>> {
    let as_it_stands = Refusal::PasskeyRefused {
        attempts_remaining: trial
            .question
            .challenge
            .attempts_remaining(trial.act.policy()),
    };
    let Some(state) = ceremony(&trial.act, &trial.question) else {
        // No ceremony waits: none was begun, or it was answered, or it has expired. There is nothing to
        // guess.
        trial.question.judge_tries(&trial.act)?;
        return Err(as_it_stands.into());
    };
    let party = RelyingParty::of(&trial.act.settings, as_it_stands)?;
    let taken = {
        let trial = trial.clone();
        ctx.write(move |tx| take(tx, &trial)).await?
    };
    let judged = compare(&party, &trial.question, candidates, &state, answer)?;
    ctx.write(move |tx| {
        trial.admit(tx)?;
        match event(tx, &trial.act, &trial.question.user, &judged)? {
            None => trial.complete(tx, METHOD, None),
            Some(event) => refuse(tx, &trial, event, &taken),
        }
    })
    .await
}

/// Returns the state of the ceremony that waits for an answer.
fn ceremony(act: &Act, question: &Question) -> Option<String> {
    let state = question.challenge.ceremony.clone();
    state.filter(|state| question.challenge.kind == METHOD && in_time(state, act.now))
}

/// Takes the try, and the state with it.
fn take<E: Effect>(tx: &mut Tx, trial: &Trial<E>) -> Result<Try> {
    trial.admit(tx)?;
    let taken = Try::take(tx, &trial.act, &trial.question, METHOD)?;
    match passkeys::take_of_challenge(tx, &trial.question.challenge)? {
        true => Ok(taken),
        false => refuse(tx, trial, Event::CodeReused, &taken),
    }
}

fn compare(
    party: &RelyingParty,
    question: &Question,
    mut candidates: Vec<Factor>,
    state: &str,
    answer: Value,
) -> Result<Judgement<ProvedKey>> {
    if question.challenge.purpose == Purpose::Setup {
        let Some(pending) = candidates.pop() else {
            return Ok(Judgement::Wrong);
        };
        let judged = party.finish_registration(state, answer)?;
        return Ok(judged.map(|new| ProvedKey::New(Box::new(pending), new)));
    }
    let keys = Key::read_all(candidates)?;
    let judged = party.finish_assertion(question.user.id, keys, state, answer)?;
    Ok(judged.map(|used| ProvedKey::Known(Box::new(used))))
}

/// Stores what a right answer proved. Returns the event to record if it is refused.
fn event(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    judged: &Judgement<ProvedKey>,
) -> Result<Option<Event>> {
    let event = match judged {
        Judgement::Right(proved) => keep(tx, act, proved)?,
        Judgement::Wrong => Some(Event::CodeWrong),
        Judgement::RolledBack => Some(Event::PasskeyRolledBack),
    };
    if event == Some(Event::PasskeyRolledBack) {
        tell_of_copy(tx, act, user)?;
    }
    Ok(event)
}

/// Stores what an answer proved. Returns the event to record if this is no longer possible.
fn keep(tx: &mut Tx, act: &Act, proved: &ProvedKey) -> Result<Option<Event>> {
    match proved {
        ProvedKey::New(factor, new) => {
            let credential = Credential {
                credential_id: new.credential_id.clone(),
                user_id: factor.user_id,
                factor_id: factor.id,
            };
            // Refuses an id that another factor has already, of any user. Ids are all that tells passkeys
            // apart.
            let ours = passkeys::claim(tx, &credential)?
                && passkeys::fill(tx, factor, &new.credential, new.sign_count)?;
            Ok((!ours).then_some(Event::CodeReused))
        }
        ProvedKey::Known(used) => {
            let kept =
                passkeys::keep_use(tx, &used.factor, &used.credential, used.sign_count, act.now)?;
            Ok((!kept).then_some(Event::PasskeyRolledBack))
        }
    }
}

/// Queues a notice that the passkey may have been copied.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn tell_of_copy(tx: &mut Tx, act: &Act, user: &User) -> Result<()> {
    act.notify(tx, user, Message::PasskeyRolledBack)
}

/// Records a refused passkey, and refuses.
fn refuse<E: Effect, T>(tx: &mut Tx, trial: &Trial<E>, event: Event, taken: &Try) -> Result<T> {
    let attempts_remaining = taken.attempts_remaining;
    trial.refuse_wrong(
        tx,
        taken,
        event,
        Refusal::PasskeyRefused { attempts_remaining },
    )
}
