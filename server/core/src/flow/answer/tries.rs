//! A try at a challenge: taken before the answer is judged, so that guesses sent at the same time all count.

use crate::flow::answer::in_session::{self, Count};
use crate::flow::question::exhausted;
use crate::flow::{Act, Question};
use crate::model::audit::Event;
use crate::model::factor::FactorAttempts;
use crate::model::kinds::{AnswerKind, Counted, Purpose};
use crate::model::notice::Message;
use crate::model::{Refusal, Result};
use crate::store::{Tx, challenges, factors};

/// A try that was taken.
pub(super) struct Try {
    /// The tries that the challenge has left.
    pub attempts_remaining: u32,
    /// The method of the answer.
    method: AnswerKind,
    /// The counter of the method; `None` if the session counts instead.
    counter: Option<FactorAttempts>,
    /// The count of the session, if the session counts.
    in_session: Option<Count>,
    /// The counter of a second method that the same code could have been meant for.
    also: Option<FactorAttempts>,
}

impl Try {
    /// Takes a try: first from the challenge, then from the method's counter or the session.
    ///
    /// # Errors
    /// Refuses if the challenge has none left or is over, and while the method waits or is locked.
    pub(super) fn take(
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        method: AnswerKind,
    ) -> Result<Self> {
        let tries = act.policy().tries_per_challenge;
        // While the method waits or is locked, no code costs a try of the challenge, right or wrong.
        // Otherwise the tries left would tell them apart.
        judge_pace(tx, act, question, method)?;
        let Some(taken) = challenges::reserve(tx, &question.challenge, tries, act.now)? else {
            return Err(over(tx, act, question)?.into());
        };
        let in_session = Count::of(question, method);
        let counter = match &in_session {
            Some(count) => {
                in_session::take_try(tx, act, count)?;
                None
            }
            None => Some(count_up(tx, act, question, method)?),
        };
        Ok(Self {
            attempts_remaining: tries.saturating_sub(taken.unsigned_abs()),
            method,
            counter,
            in_session,
            also: None,
        })
    }

    /// Takes a try from the counter of the challenge's method too, which the same code could have been meant
    /// for.
    ///
    /// # Errors
    /// Refuses while that method waits or is locked.
    pub(super) fn take_also(&mut self, tx: &mut Tx, act: &Act, question: &Question) -> Result<()> {
        if self.counter.is_some() {
            self.also = Some(count_up(tx, act, question, question.challenge.kind)?);
        }
        Ok(())
    }

    /// Gives back a try that was not compared.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub(super) fn give_back(&self, tx: &mut Tx, question: &Question) -> Result<()> {
        challenges::give_back(tx, &question.challenge)?;
        if let Some(count) = &self.in_session {
            in_session::give_back(tx, count)?;
        }
        for counter in [self.counter, self.also].into_iter().flatten() {
            factors::reserve(tx, &counter, &counter.given_back())?;
        }
        Ok(())
    }

    /// Gives back what [`Self::take_also`] took: the code was not meant for that method, so it is not a wrong
    /// one there.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub(super) fn give_back_also(&self, tx: &mut Tx) -> Result<()> {
        if let Some(also) = self.also {
            factors::reserve(tx, &also, &also.given_back())?;
        }
        Ok(())
    }

    /// Records a wrong answer. The user gets a notice if a sign-in with a right password used up its tries
    /// (ASVS 6.3.5) or if a new password did, and if the method or new passwords are now locked.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub(super) fn failed(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        event: Event,
    ) -> Result<()> {
        let user = &question.user;
        let word = self.method.as_str();
        act.audit(tx, user.id, event, Some(word))?;
        if let Some(count) = &self.in_session {
            return in_session::failed(&question.user, tx, act, self.method, count);
        }
        if let Some(counter) = self.locked(act) {
            let method = counter.kind.as_str().to_owned();
            act.audit(tx, user.id, Event::FactorLocked, Some(&method))?;
            let message = match counter.kind {
                Counted::NewPassword => Message::ResetLocked,
                _method => Message::FactorLocked { method },
            };
            return act.notify(tx, user, message);
        }
        if self.attempts_remaining > 0 {
            return Ok(());
        }
        let method = word.to_owned();
        match question.challenge.purpose {
            Purpose::Login => act.notify(tx, user, Message::WrongCodes { method }),
            Purpose::PasswordReset => act.notify(tx, user, Message::ResetWrongCodes { method }),
            Purpose::Setup | Purpose::Disable | Purpose::StepUp | Purpose::Action => Ok(()),
        }
    }

    /// Returns the counter that this try locked.
    fn locked(&self, act: &Act) -> Option<FactorAttempts> {
        let locked = |counter: &FactorAttempts| counter.locked(act.policy());
        [self.counter, self.also].into_iter().flatten().find(locked)
    }
}

/// Refuses while the method waits or is locked.
fn judge_pace(tx: &mut Tx, act: &Act, question: &Question, method: AnswerKind) -> Result<()> {
    if question.is_locked(act, method) {
        return act.refuse_limited(tx, question.user.id, Refusal::MfaMethodLocked);
    }
    let counter = question.counter(tx, method)?;
    match counter.judge(act.policy(), act.now) {
        Ok(()) => Ok(()),
        Err(refusal) => act.refuse_limited(tx, question.user.id, refusal),
    }
}

/// Takes a try from the method's counter, or refuses.
fn count_up(
    tx: &mut Tx,
    act: &Act,
    question: &Question,
    method: AnswerKind,
) -> Result<FactorAttempts> {
    let mut before = question.counter(tx, method)?;
    loop {
        if let Err(refusal) = before.judge(act.policy(), act.now) {
            return act.refuse_limited(tx, question.user.id, refusal);
        }
        let after = before.after_try(act.policy(), act.now);
        if factors::reserve(tx, &before, &after)? {
            return Ok(after);
        }
        before = factors::attempts(tx, question.user.id, question.counted(method))?;
    }
}

/// Returns why no try could be taken: the challenge or its tries were used meanwhile, or it has expired.
fn over(tx: &mut Tx, act: &Act, question: &Question) -> Result<Refusal> {
    let now_there = challenges::find(tx, question.user.id, question.challenge.id)?;
    let Some(challenge) = now_there.filter(|found| found.kind == question.challenge.kind) else {
        return Ok(Refusal::MfaTokenInvalid);
    };
    if let Err(refusal) = challenge.judge_alive(act.now) {
        return Ok(refusal);
    }
    let counted = question.counted(challenge.kind);
    let counter = factors::attempts(tx, question.user.id, counted)?;
    act.refuse_limited(tx, question.user.id, exhausted(act, &counter))
}
