//! A challenge as it was read, with all that its answer is judged by.

use std::borrow::Cow;

use crate::factor::sent_code::SentCode;
use crate::factor::{self, Answer, ComparisonInput, Expectation, Nothing, recovery};
use crate::flow::delivery::Delivery;
use crate::flow::{Act, fresh, sms};
use crate::model::challenge::Challenge;
use crate::model::code_set::CodeSet;
use crate::model::demand::Demand;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{AnswerKind, CodeSetKind, Counted, FactorKind, FactorState, Purpose};
use crate::model::notice::Channel;
use crate::model::session::{Caller, Session};
use crate::model::user::User;
use crate::model::{Refusal, Result};
use crate::store::{QuestionRows, Tx, code_sets, factors, sessions};

/// A challenge as it was read, with all that its answer is judged by.
#[derive(Clone)]
pub struct Question {
    /// The challenge.
    pub challenge: Challenge,
    /// The user who must answer.
    pub user: User,
    /// The user's factors.
    pub factors: Vec<Factor>,
    /// The counter that a wrong answer by the method it waits for counts in.
    pub attempts: FactorAttempts,
    /// The counters of all methods that were tried.
    pub counters: Vec<FactorAttempts>,
    /// The methods that this step accepts.
    pub demanded: Demand,
}

impl Question {
    /// Puts it together; `enforced` tells whether the user's organisation demands a second factor.
    ///
    /// # Errors
    /// Refuses if the account can no longer be used.
    pub fn of(rows: QuestionRows, enforced: bool) -> Result<Self> {
        let QuestionRows {
            challenge,
            user,
            factors,
            counters,
        } = rows;
        if !user.active() {
            return Err(Refusal::UserNotFound.into());
        }
        let counted = Counted::of(challenge.purpose, challenge.kind);
        let same_kind = |counter: &&FactorAttempts| counter.kind == counted;
        let attempts = counters.iter().find(same_kind).copied();
        Ok(Self {
            attempts: attempts.unwrap_or(FactorAttempts::none(user.id, counted)),
            counters,
            demanded: Demand::of(&user, &factors, enforced).for_purpose(challenge.purpose),
            factors,
            challenge,
            user,
        })
    }

    /// Returns what a wrong answer by this method counts for.
    pub fn counted(&self, method: AnswerKind) -> Counted {
        Counted::of(self.challenge.purpose, method)
    }

    /// Returns the counter that a wrong answer by this method counts in.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn counter(&self, tx: &mut Tx, method: AnswerKind) -> Result<FactorAttempts> {
        let counted = self.counted(method);
        match self.attempts.kind == counted {
            true => Ok(self.attempts),
            false => factors::attempts(tx, self.user.id, counted),
        }
    }

    /// Whether any method of the user was locked when it was read.
    pub fn has_stopped_methods(&self, act: &Act) -> bool {
        self.counters
            .iter()
            .any(|counter| counter.locked(act.policy()))
    }

    /// Whether the method was locked when it was read, by what counts for it elsewhere. A method that is locked at
    /// sign-in does not answer before a new password either.
    pub fn is_locked(&self, act: &Act, method: AnswerKind) -> bool {
        let of_method = |counter: &&FactorAttempts| counter.kind == method.into();
        let counter = self.counters.iter().find(of_method);
        self.challenge.purpose == Purpose::PasswordReset
            && counter.is_some_and(|counter| counter.locked(act.policy()))
    }

    /// True if nothing that was read blocks a right answer.
    pub fn is_open(&self, act: &Act) -> bool {
        self.attempts.kind == self.counted(self.challenge.kind)
            && !self.is_locked(act, self.challenge.kind)
            && self.attempts.judge(act.policy(), act.now).is_ok()
            // Without a try left, nothing may be compared. The extra statement for a right code would reveal
            // it by its time.
            && self.challenge.attempts_remaining(act.policy()) > 0
    }

    /// Returns the factors that are on, of the method that the challenge waits for.
    pub fn on(&self) -> Vec<Factor> {
        let answers = |factor: &&Factor| {
            Some(factor.kind) == self.challenge.kind.method() && factor.state == FactorState::On
        };
        self.factors.iter().filter(answers).cloned().collect()
    }

    /// Returns the factor that is set up or turned off, if it still exists.
    pub fn about(&self) -> Option<Factor> {
        let id = self.challenge.factor_id?;
        self.factors.iter().find(|factor| factor.id == id).cloned()
    }

    /// Returns the number for this challenge's SMS: of the factor that is set up or turned off, otherwise of
    /// the proved one.
    pub fn phone(&self) -> Option<String> {
        let about = self.about().and_then(|factor| factor.target);
        about.or_else(|| sms::phone_on(&self.factors))
    }

    /// Whether the method has codes that are sent, and one can be sent now.
    pub fn sends(&self, act: &Act) -> bool {
        let (challenge, phone) = (&self.challenge, self.phone());
        let (method, purpose) = (challenge.kind, challenge.purpose);
        Delivery::of(act, method, purpose, &self.user, phone.as_deref()).is_some()
    }

    /// Whether the last code sent for it was of this method.
    pub fn has_code_of(&self, method: impl Into<AnswerKind>) -> bool {
        let sent = self.challenge.sent_by();
        sent.is_some() && sent == factor::channel(method)
    }

    /// Prepares what the answer is compared with, outside the write. `candidates` are the factors that may
    /// answer.
    ///
    /// # Errors
    /// Returns a fault if a secret cannot be unsealed.
    pub fn expected(&self, act: &Act, candidates: Vec<Factor>) -> Result<Box<dyn Expectation>> {
        let kind = self.challenge.kind;
        let Some(method) = kind.method() else {
            return Ok(Box::new(Nothing));
        };
        let by_policy = candidates.is_empty() && self.demanded.contains(&method);
        let by_account = self.challenge.purpose == Purpose::Action
            && factor::channel(kind) == Some(Channel::Mail);
        factor::of(method).expect(ComparisonInput {
            vault: &act.vault,
            challenge: &self.with_own_code(),
            candidates,
            by_policy: by_policy || by_account,
        })
    }

    /// Returns the challenge, without the code if that was sent by another method. Then this method does not
    /// accept it.
    fn with_own_code(&self) -> Cow<'_, Challenge> {
        let challenge = &self.challenge;
        let has_code = challenge.code_hash.is_some() || challenge.link_hash.is_some();
        let own = self.has_code_of(challenge.kind);
        let foreign = challenge.purpose != Purpose::Action && !own;
        if !has_code || !foreign {
            return Cow::Borrowed(challenge);
        }
        Cow::Owned(Challenge {
            code_hash: None,
            link_hash: None,
            ..challenge.clone()
        })
    }

    /// Whether a code with the form of a scratch code is one. Scratch codes belong to a method, and count while
    /// one of its factors is on or theirs is being proved. A code that was sent may have the same form. It is
    /// looked for first, before a try is taken.
    pub fn is_for_scratch_codes(&self, act: &Act, answer: &Answer) -> bool {
        let on = |factor: &Factor| {
            factor.state == FactorState::On && factor::has_own_codes(factor, CodeSetKind::Scratch)
        };
        let counts = self.challenge.purpose == Purpose::Setup || self.factors.iter().any(on);
        counts && !self.is_sent(act, answer)
    }

    fn is_sent(&self, act: &Act, answer: &Answer) -> bool {
        let sent = factor::channel(self.challenge.kind)
            .map(|channel| SentCode::of(&act.vault, &self.with_own_code(), channel));
        sent.is_some_and(|sent| sent.fits(answer, act.policy(), act.now))
    }

    /// Whether the code that was sent has as many digits as a scratch code.
    pub fn sends_as_many_digits(&self, act: &Act) -> bool {
        factor::channel(self.challenge.kind).is_some()
            && act.policy().code_digits == recovery::SCRATCH_DIGITS
    }

    /// Returns the set that a code of this kind would belong to.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn code_set(&self, tx: &mut Tx, kind: CodeSetKind) -> Result<Option<CodeSet>> {
        match (self.challenge.purpose, self.challenge.factor_id) {
            (Purpose::Setup, Some(factor)) => {
                let set = code_sets::of_factor(tx, self.user.id, factor)?;
                Ok(set.filter(|set| set.kind == kind))
            }
            _not_set_up => code_sets::live(tx, self.user.id, kind),
        }
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

    /// Checks that this method may finish the sign-in.
    ///
    /// # Errors
    /// Refuses a method that sign-in does not accept.
    pub fn judge_method(&self, method: FactorKind) -> Result<()> {
        if !self.demanded.contains(&method) {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        Ok(())
    }

    /// Checks that its method can still answer it. A recovery code always can while sign-in asks for a second
    /// step.
    ///
    /// # Errors
    /// Refuses a method that was turned off meanwhile.
    pub fn judge_answerable(&self) -> Result<()> {
        let stands = match self.challenge.kind {
            AnswerKind::Method(method) => self.demanded.contains(&method),
            AnswerKind::CodeSet(_) => !self.demanded.is_empty(),
        };
        if !stands {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        Ok(())
    }

    /// Checks that a bearer sent with the answer is of the session that began the challenge. No other session
    /// may finish it, even of the same user.
    ///
    /// # Errors
    /// Refuses a bearer of another session or another user.
    pub fn judge_caller(&self, caller: Option<&Caller>) -> Result<()> {
        let Some(caller) = caller else {
            return Ok(());
        };
        let begun_by = self.challenge.session_id;
        let same_session = begun_by.is_none_or(|id| id == caller.session.id);
        match caller.user.id == self.user.id && same_session {
            true => Ok(()),
            false => Err(Refusal::MfaTokenInvalid.into()),
        }
    }

    /// Checks who proves a set-up. It must be the user's own session. If an administrator began it, it may be
    /// the user or an administrator with fresh proof; that caller is returned.
    ///
    /// # Errors
    /// Refuses everybody else.
    pub fn judge_set_up_caller(
        &self,
        act: &Act,
        caller: Option<&Caller>,
    ) -> Result<Option<Caller>> {
        if self.challenge.session_id.is_some() {
            self.judge_caller(caller)?;
            return Ok(None);
        }
        let caller = caller.ok_or(Refusal::TokenInvalid { sent: false })?;
        if caller.user.id != self.user.id {
            fresh::judge_administrator(act, caller)?;
        }
        Ok(Some(caller.clone()))
    }

    /// Returns the session that began the challenge. A set-up or a turning off must not outlive its session.
    ///
    /// # Errors
    /// Refuses if the session has ended.
    pub fn beginner(&self, tx: &mut Tx, act: &Act) -> Result<Session> {
        let found = match self.challenge.session_id {
            Some(id) => sessions::find(tx, self.user.id, id)?,
            None => None,
        };
        let session = found.ok_or(Refusal::MfaTokenInvalid)?;
        match session.judge(act.policy(), act.now) {
            Ok(()) => Ok(session),
            Err(_) => Err(Refusal::MfaTokenInvalid.into()),
        }
    }
}

/// Returns the refusal of a challenge without tries: a new one is accepted at once, or when the method's wait
/// is over.
pub fn exhausted(act: &Act, attempts: &FactorAttempts) -> Refusal {
    match attempts.wait(act.policy(), act.now) {
        0 => Refusal::MfaChallengeUsedUp { retry_after: 1 },
        retry_after => Refusal::TooManyMfaAttempts { retry_after },
    }
}
