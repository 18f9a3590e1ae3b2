//! Answers a challenge: a try is taken first, then the answer is judged. What follows from a right answer
//! happens in the write that uses the challenge up.

mod in_session;
mod passkey;

use crate::app::Ctx;
use crate::factor::{Code, Expected, Fit, Verdict, recovery};
use crate::flow::challenge::Seen;
use crate::flow::{Act, MailOf};
use crate::model::audit::Event;
use crate::model::challenge::Challenge;
use crate::model::code_set::CodeSet;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{CodeSetKind, Counted, FactorKind, FactorState, Purpose};
use crate::model::notice::Message;
use crate::model::refusal::extra::Reason;
use crate::model::{Refusal, Result, Secret};
use crate::store::{Tx, challenges, code_sets, factors};

use in_session::Count;
pub use passkey::tell_of_copy;

/// The answer to a challenge.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A code of the challenge's method, or one that stands in for it.
    Code(Secret<String>),
    /// A passkey's answer to the options of a WebAuthn ceremony.
    Credential(serde_json::Value),
}

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
    pub seen: Seen,
    /// The answer.
    pub answer: Answer,
    /// What may stand in for the method.
    pub terms: Terms,
    /// The factors that may answer it.
    pub candidates: Vec<Factor>,
}

/// How a challenge was answered.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// The method of the right answer.
    pub method: FactorKind,
    /// How many codes are left, if a recovery or scratch code was used.
    pub remaining: Option<u32>,
}

/// A try that was taken.
struct Reserved {
    attempts_remaining: u32,
    /// The counter of the method; `None` if the session counts instead.
    counter: Option<FactorAttempts>,
    /// The count of the session, if the session counts.
    in_session: Option<Count>,
    /// The counter of a second method that the same code could have been meant for.
    also: Option<FactorAttempts>,
}

/// Judges the answer to a challenge. `before` runs first in every write, and refuses what no right answer can
/// change. `then` runs in the write that uses the challenge up.
///
/// # Errors
/// Refuses a wrong answer, a used one, and one without a try left. A try that was taken stays taken. Also
/// refuses whatever `before` and `then` refuse.
pub async fn settle<T, B, F>(
    ctx: &Ctx,
    act: &Act,
    attempt: Attempt,
    before: B,
    then: F,
) -> Result<T>
where
    T: Send + 'static,
    B: Fn(&mut Tx, &Act, &Seen) -> Result<()> + Clone + Send + 'static,
    F: Fn(&mut Tx, &Act, &Seen, &Settled) -> Result<T> + Send + 'static,
{
    let Attempt {
        seen,
        answer,
        terms,
        candidates,
    } = attempt;
    let code = match answer {
        Answer::Code(code) => code,
        Answer::Credential(answer) => {
            return passkey::by_passkey(ctx, act, seen, answer, candidates, before, then).await;
        }
    };
    let by_policy = candidates.is_empty() && seen.demanded.contains(&seen.challenge.kind);
    let by_account =
        seen.challenge.purpose == Purpose::Action && seen.challenge.kind == FactorKind::Email;
    let expected = Expected::of(
        &act.vault,
        &seen.with_own_code(),
        candidates,
        by_policy || by_account,
    )?;
    let typed = Code::typed(&code);
    // Eight digits may be a scratch code or a code that was sent. The latter is checked first.
    let stand_in = recovery::looks_like(&code, terms.scratch)
        .filter(|kind| match kind {
            CodeSetKind::Recovery => terms.recovery,
            CodeSetKind::Scratch => terms.scratch && seen.may_have_scratch_codes(),
        })
        .filter(|_| !expected.is_sent(&typed, act.policy(), act.now));
    if let Some(kind) = stand_in {
        return stand_in_code(ctx, act, seen, &code, kind, before, then).await;
    }
    let act = act.clone();
    let fit = expected.fit(&typed, act.policy(), act.now);
    ctx.write(move |tx| {
        before(tx, &act, &seen)?;
        let method = seen.challenge.kind;
        let settled = Settled {
            method,
            remaining: None,
        };
        if fit.is_any() && seen.settle_at_once(tx, &act, &expected, &fit)? {
            return then(tx, &act, &seen, &settled);
        }
        let reserved = seen.reserve(tx, &act, method)?;
        let attempts_remaining = reserved.attempts_remaining;
        let (event, refusal) = match expected.accept(tx, &fit, act.now)? {
            Verdict::Right => return seen.used_up(tx, &act, settled, &then),
            Verdict::Wrong => {
                let offset = match terms.tell_clock {
                    true => expected.clock_offset(tx, &typed, act.now)?,
                    false => None,
                };
                let refusal = match offset {
                    Some(offset_seconds) => Refusal::AuthenticatorClockOff {
                        attempts_remaining,
                        offset_seconds,
                    },
                    None => Refusal::InvalidMfaCode { attempts_remaining },
                };
                (Event::CodeWrong, refusal)
            }
            Verdict::Used { retry_after } => (
                Event::CodeReused,
                Refusal::UsedMfaCode {
                    reason: Reason::AlreadyUsed,
                    attempts_remaining,
                    retry_after,
                },
            ),
        };
        seen.failed(tx, &act, method, event, &reserved)?;
        Err(refusal.into())
    })
    .await
}

/// Judges a recovery or scratch code, which costs a slow hash: the first write takes the try, then the hash
/// is computed outside, and a second write uses the code up and goes on.
async fn stand_in_code<T, B, F>(
    ctx: &Ctx,
    act: &Act,
    seen: Seen,
    code: &Secret<String>,
    kind: CodeSetKind,
    before: B,
    then: F,
) -> Result<T>
where
    T: Send + 'static,
    B: Fn(&mut Tx, &Act, &Seen) -> Result<()> + Clone + Send + 'static,
    F: Fn(&mut Tx, &Act, &Seen, &Settled) -> Result<T> + Send + 'static,
{
    let method = kind.method();
    let (reserved, set) = {
        let (act, seen, before) = (act.clone(), seen.clone(), before.clone());
        ctx.write(move |tx| {
            before(tx, &act, &seen)?;
            let sent = factors::attempts(tx, seen.user.id, seen.challenge.kind)?;
            // The digits may be a guess at the code that was sent, so they count against that method too. A
            // locked method accepts no guesses, and a scratch code unlocks it.
            let guesses = kind == CodeSetKind::Scratch
                && seen.sends_as_many_digits(&act)
                && !sent.locked(act.policy());
            if guesses && let Err(refusal) = sent.judge(act.policy(), act.now) {
                return act.refuse_limited(tx, seen.user.id, refusal);
            }
            let mut reserved = seen.reserve(tx, &act, method)?;
            if guesses && reserved.counter.is_some() {
                reserved.also = Some(seen.take_try(tx, &act, seen.challenge.kind)?);
            }
            Ok((reserved, seen.code_set(tx, kind)?))
        })
        .await?
    };
    // If there is no set, the same work is done, so that the time does not reveal it.
    let salt = set.as_ref().map_or(vec![0; 16], |set| set.salt.clone());
    let hash = match crate::flow::recovery::hash_try(ctx, act, &salt, code).await {
        Ok(hash) => hash,
        Err(error) => {
            // A code that was not compared is not a wrong code.
            ctx.write(move |tx| seen.give_back(tx, &reserved)).await?;
            return Err(error);
        }
    };
    let act = act.clone();
    ctx.write(move |tx| {
        before(tx, &act, &seen)?;
        let spent = match &set {
            Some(set) => recovery::spend(tx, set, &hash, act.now)?,
            None => false,
        };
        if !spent {
            seen.failed(tx, &act, method, Event::CodeWrong, &reserved)?;
            let attempts_remaining = reserved.attempts_remaining;
            return Err(Refusal::InvalidMfaCode { attempts_remaining }.into());
        }
        let remaining = match &set {
            Some(set) => code_sets::unused(tx, set)?,
            None => 0,
        };
        act.audit(
            tx,
            seen.user.id,
            Event::RecoveryCodeUsed,
            Some(method.as_str()),
        )?;
        act.notify(tx, &seen.user, Message::RecoveryCodeUsed { remaining })?;
        if let Some(also) = reserved.also {
            // The code was not meant for that method, so it is not a wrong one there.
            factors::reserve(tx, &also, &also.given_back())?;
        }
        let settled = Settled {
            method,
            remaining: Some(remaining),
        };
        seen.used_up(tx, &act, settled, &then)
    })
    .await
}

impl Seen {
    /// Returns the set that a code of this kind would belong to.
    fn code_set(&self, tx: &mut Tx, kind: CodeSetKind) -> Result<Option<CodeSet>> {
        match (self.challenge.purpose, self.challenge.factor_id) {
            (Purpose::Setup, Some(factor)) => {
                let set = code_sets::of_factor(tx, self.user.id, factor)?;
                Ok(set.filter(|set| set.kind == kind))
            }
            _not_set_up => code_sets::live(tx, self.user.id, kind),
        }
    }

    /// Returns the challenge, without the code if that was sent by another method. Then this method does not
    /// accept it.
    fn with_own_code(&self) -> Challenge {
        let mut challenge = self.challenge.clone();
        if challenge.purpose != Purpose::Action && !self.has_code_of(challenge.kind) {
            challenge.code_hash = None;
            challenge.link_hash = None;
        }
        challenge
    }

    /// Whether scratch codes count. They belong to an authenticator, and count while one is on or theirs is
    /// being proved.
    fn may_have_scratch_codes(&self) -> bool {
        let on = |factor: &Factor| {
            factor.kind == FactorKind::Authenticator && factor.state == FactorState::On
        };
        self.challenge.purpose == Purpose::Setup || self.factors.iter().any(on)
    }

    /// Whether the code that was sent has as many digits as a scratch code.
    fn sends_as_many_digits(&self, act: &Act) -> bool {
        self.challenge.kind.is_sent() && act.policy().code_digits == recovery::SCRATCH_DIGITS
    }

    /// Checks that the challenge has a try left.
    ///
    /// # Errors
    /// Refuses if it has none. If the method waits, the refusal says for how long.
    pub fn judge_tries(&self, act: &Act) -> Result<()> {
        if self.challenge.attempts_remaining(act.policy()) == 0 {
            return Err(exhausted(act, &self.attempts).into());
        }
        Ok(())
    }

    /// Takes a try for a right code, uses the challenge up and resets the method's counter, each row in one
    /// statement. Returns `false`, with nothing changed, if anything is against it. [`Self::reserve`] then
    /// finds the reason.
    fn settle_at_once(
        &self,
        tx: &mut Tx,
        act: &Act,
        expected: &Expected,
        fit: &Fit,
    ) -> Result<bool> {
        let method = self.challenge.kind;
        if self.count_in_session(method).is_some() || !self.may_settle_at_once(act) {
            return Ok(false);
        }
        let tries = act.policy().tries_per_challenge;
        // The order is that of [`Self::reserve`], so that two writes never wait for each other.
        if !challenges::take_and_spend(tx, &self.challenge, tries, act.now)? {
            return Ok(false);
        }
        let anew = FactorAttempts::none(self.user.id, self.counted(method));
        if factors::replace(tx, &self.attempts, &anew)? {
            if expected.accept(tx, fit, act.now)? == Verdict::Right {
                return Ok(true);
            }
            factors::replace(tx, &anew, &self.attempts)?;
        }
        challenges::take_back(tx, &self.challenge)?;
        Ok(false)
    }

    /// Whether nothing that was read is against a right answer.
    pub(super) fn may_settle_at_once(&self, act: &Act) -> bool {
        self.attempts.kind == self.counted(self.challenge.kind)
            && !self.is_locked(act, self.challenge.kind)
            && self.attempts.judge(act.policy(), act.now).is_ok()
            // Without a try left, nothing may be compared. The extra statement for a right code would reveal
            // it by its time.
            && self.challenge.attempts_remaining(act.policy()) > 0
    }

    /// Takes a try: first from the challenge, then from the method's counter or the session.
    fn reserve(&self, tx: &mut Tx, act: &Act, method: FactorKind) -> Result<Reserved> {
        let tries = act.policy().tries_per_challenge;
        // While the method waits or is locked, no code costs a try of the challenge, right or wrong.
        // Otherwise the tries left would tell them apart.
        self.judge_pace(tx, act, method)?;
        let Some(taken) = challenges::reserve(tx, &self.challenge, tries, act.now)? else {
            return Err(self.over(tx, act)?.into());
        };
        let in_session = self.count_in_session(method);
        let counter = match &in_session {
            Some(count) => {
                in_session::take_try(tx, act, count)?;
                None
            }
            None => Some(self.take_try(tx, act, method)?),
        };
        Ok(Reserved {
            attempts_remaining: tries.saturating_sub(taken.unsigned_abs()),
            counter,
            in_session,
            also: None,
        })
    }

    /// Whether the method was locked when it was read, by what counts for it elsewhere. A method that is locked at
    /// sign-in does not answer before a new password either.
    fn is_locked(&self, act: &Act, method: FactorKind) -> bool {
        let of_method = |counter: &&FactorAttempts| counter.kind == method.into();
        let counter = self.counters.iter().find(of_method);
        self.challenge.purpose == Purpose::PasswordReset
            && counter.is_some_and(|counter| counter.locked(act.policy()))
    }

    /// Refuses while the method waits or is locked.
    fn judge_pace(&self, tx: &mut Tx, act: &Act, method: FactorKind) -> Result<()> {
        if self.is_locked(act, method) {
            return act.refuse_limited(tx, self.user.id, Refusal::MfaMethodLocked);
        }
        let counted = self.counted(method);
        let counter = match self.attempts.kind == counted {
            true => self.attempts,
            false => factors::attempts(tx, self.user.id, counted)?,
        };
        match counter.judge(act.policy(), act.now) {
            Ok(()) => Ok(()),
            Err(refusal) => act.refuse_limited(tx, self.user.id, refusal),
        }
    }

    /// Gives back a try that was not compared.
    fn give_back(&self, tx: &mut Tx, reserved: &Reserved) -> Result<()> {
        challenges::give_back(tx, &self.challenge)?;
        if let Some(count) = &reserved.in_session {
            in_session::give_back(tx, count)?;
        }
        for counter in [reserved.counter, reserved.also].into_iter().flatten() {
            factors::reserve(tx, &counter, &counter.given_back())?;
        }
        Ok(())
    }

    /// Returns the session's count of wrong answers, if the session began the challenge. Only sign-ins and
    /// set-ups use the counters of the methods: a stolen session must not stop its owner from signing in.
    fn count_in_session(&self, method: FactorKind) -> Option<Count> {
        let purpose = self.challenge.purpose;
        let id = self.challenge.session_id;
        id.filter(|_| MailOf::of(purpose) == MailOf::Session)
            .map(|id| Count::of(id, purpose, method))
    }

    /// Takes a try from the method's counter, or refuses.
    fn take_try(&self, tx: &mut Tx, act: &Act, method: FactorKind) -> Result<FactorAttempts> {
        let counted = self.counted(method);
        let mut seen = match self.attempts.kind == counted {
            true => self.attempts,
            false => factors::attempts(tx, self.user.id, counted)?,
        };
        loop {
            if let Err(refusal) = seen.judge(act.policy(), act.now) {
                return act.refuse_limited(tx, self.user.id, refusal);
            }
            let after = seen.after_try(act.policy(), act.now);
            if factors::reserve(tx, &seen, &after)? {
                return Ok(after);
            }
            seen = factors::attempts(tx, self.user.id, counted)?;
        }
    }

    /// Uses the challenge up, resets the method's counter, and runs `then`.
    fn used_up<T>(
        &self,
        tx: &mut Tx,
        act: &Act,
        settled: Settled,
        then: &impl Fn(&mut Tx, &Act, &Self, &Settled) -> Result<T>,
    ) -> Result<T> {
        if !challenges::spend(tx, self.user.id, self.challenge.id, act.now)? {
            return Err(Refusal::MfaTokenInvalid.into());
        }
        factors::reset_attempts(tx, self.user.id, self.counted(settled.method))?;
        if let Some(count) = self.count_in_session(settled.method) {
            in_session::begin_anew(tx, &count)?;
        }
        then(tx, act, self, &settled)
    }

    /// Returns why no try could be taken: the challenge or its tries were used meanwhile, or it has expired.
    fn over(&self, tx: &mut Tx, act: &Act) -> Result<Refusal> {
        let now_there = challenges::find(tx, self.user.id, self.challenge.id)?;
        let Some(challenge) = now_there.filter(|found| found.kind == self.challenge.kind) else {
            return Ok(Refusal::MfaTokenInvalid);
        };
        if let Err(refusal) = challenge.judge_alive(act.now) {
            return Ok(refusal);
        }
        let counted = self.counted(challenge.kind);
        let counter = factors::attempts(tx, self.user.id, counted)?;
        act.refuse_limited(tx, self.user.id, exhausted(act, &counter))
    }

    /// Records a wrong answer. The user gets a notice if a sign-in with a right password used up its tries
    /// (ASVS 6.3.5) or if a new password did, and if the method or new passwords are now locked.
    fn failed(
        &self,
        tx: &mut Tx,
        act: &Act,
        method: FactorKind,
        event: Event,
        reserved: &Reserved,
    ) -> Result<()> {
        let word = method.as_str();
        act.audit(tx, self.user.id, event, Some(word))?;
        if let Some(count) = &reserved.in_session {
            return in_session::failed(self, tx, act, method, count);
        }
        let counters = [reserved.counter, reserved.also];
        let stopped = |counter: &FactorAttempts| counter.locked(act.policy());
        if let Some(counter) = counters.into_iter().flatten().find(stopped) {
            let method = counter.kind.as_str().to_owned();
            act.audit(tx, self.user.id, Event::FactorLocked, Some(&method))?;
            let message = match counter.kind {
                Counted::NewPassword => Message::ResetLocked,
                _method => Message::FactorLocked { method },
            };
            return act.notify(tx, &self.user, message);
        }
        if reserved.attempts_remaining > 0 {
            return Ok(());
        }
        let method = word.to_owned();
        match self.challenge.purpose {
            Purpose::Login => act.notify(tx, &self.user, Message::WrongCodes { method }),
            Purpose::PasswordReset => {
                act.notify(tx, &self.user, Message::ResetWrongCodes { method })
            }
            Purpose::Setup | Purpose::Disable | Purpose::StepUp | Purpose::Action => Ok(()),
        }
    }
}

/// Returns the refusal of a challenge without tries: a new one is accepted at once, or when the method's wait
/// is over.
fn exhausted(act: &Act, attempts: &FactorAttempts) -> Refusal {
    match attempts.wait(act.policy(), act.now) {
        0 => Refusal::MfaChallengeUsedUp { retry_after: 1 },
        retry_after => Refusal::TooManyMfaAttempts { retry_after },
    }
}
