//! Proving a factor that is set up: it is on from then on.

use crate::app::Ctx;
use crate::factor::{self, Answer, Method};
use crate::flow::answer::{Attempt, Effect, Terms, answer};
use crate::flow::methods::effects;
use crate::flow::setup::REPLACES;
use crate::flow::{Act, Question, challenge, demand, fresh};
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, kinds_on};
use crate::model::kinds::{AnswerKind, FactorKind, FactorState, Purpose};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Refusal, Result, Secret};
use crate::outcome::FactorChange;
use crate::store::{Tx, code_sets, factors, users};

/// Which set-up is to be proved.
pub enum By {
    /// The one of this reference.
    Token(Secret<String>),
    /// The newest of this method that the caller's session began.
    Session(FactorKind),
    /// The one of the mailed link, which is the answer.
    Link,
}

/// A set-up and its proof.
pub struct Verify {
    /// Which set-up.
    pub by: By,
    /// The proof.
    pub answer: Answer,
    /// Whether a scratch code that came with it is enough as proof.
    pub scratch: bool,
    /// The caller, if a bearer token was sent.
    pub caller: Option<Caller>,
    /// The address that the call came from.
    pub source: Source,
}

/// Judges the proof, and turns the factor on.
///
/// # Errors
/// Refuses a challenge that is over or of another session, and a wrong proof.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<FactorChange> {
    let act = Act::begin(ctx, command.source);
    // The person who opens a mailed link may not be the one who began the set-up.
    let by_beginner = !matches!(command.by, By::Link);
    let caller = command.caller.as_ref();
    let question = find(ctx, &act, command.by, &command.answer, caller).await?;
    let helper = question.judge_set_up_caller(&act, caller)?;
    let method = question.challenge.kind;
    let factor = match question.about() {
        Some(factor) if factor.state == FactorState::Pending => factor,
        Some(_) => return Err(Refusal::MfaAlreadyEnabled.into()),
        None => return Err(gone(method).into()),
    };
    let attempt = Attempt {
        question,
        answer: command.answer,
        terms: Terms {
            recovery: false,
            scratch: command.scratch,
            tell_clock: true,
        },
        candidates: vec![factor.clone()],
    };
    let set_up = SetUp {
        factor,
        helper,
        by_beginner,
    };
    Ok(answer(ctx, &act, attempt, set_up).await?.outcome)
}

/// A right answer turns the factor on.
#[derive(Clone)]
struct SetUp {
    /// The factor that is proved.
    factor: Factor,
    /// Who proves it, if no session of the user began it.
    helper: Option<Caller>,
    /// Whether the one who began it proves it.
    by_beginner: bool,
}

impl Effect for SetUp {
    type Outcome = FactorChange;

    const NOTIFIES: bool = true;

    fn admit(&self, tx: &mut Tx, act: &Act, question: &Question) -> Result<()> {
        // This waits for sign-ins with the password alone, so that their sessions are found below.
        users::lock(tx, question.user.id)?;
        if let Some(helper) = &self.helper {
            let helper = fresh::proved(tx, act, helper)?;
            return match helper.user.id == question.user.id {
                true => Ok(()),
                false => fresh::judge_administrator(act, &helper),
            };
        }
        let session = question.beginner(tx, act)?;
        let asked = !demand::now(tx, &question.user)?.is_empty();
        // Proof that was fresh when the set-up began counts until it ends. If a factor was turned on since
        // then, this session must have passed it (NIST SP 800-63B-4 §4.1.2).
        let (begun, max_age) = (
            question.challenge.created_at,
            act.policy().fresh_for_factors_seconds,
        );
        match session.proved_since(asked, begun, max_age, act.now) {
            true => Ok(()),
            false => Err(Refusal::MfaTokenInvalid.into()),
        }
    }

    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        _method: AnswerKind,
    ) -> Result<FactorChange> {
        let standing = factors::of_user(tx, question.user.id)?;
        let first = self.replace(tx, act, question, &standing)?;
        self.enable(tx, act, question, first)
    }
}

async fn find(
    ctx: &Ctx,
    act: &Act,
    by: By,
    answer: &Answer,
    caller: Option<&Caller>,
) -> Result<Question> {
    match (by, caller) {
        (By::Token(token), _) => {
            challenge::find_to_answer(ctx, act, &token, Purpose::Setup, answer).await
        }
        (By::Link, _) => {
            let Answer::Link(link) = answer else {
                return Err(Refusal::MfaTokenInvalid.into());
            };
            let question = challenge::find_by_link(ctx, act, link).await?;
            question.challenge.judge(Purpose::Setup, act.now)?;
            challenge::extend(ctx, question).await
        }
        (By::Session(method), Some(caller)) => {
            let fits = move |one: &Challenge| one.kind == method.into();
            challenge::find_by_session(ctx, act, caller, Purpose::Setup, fits).await
        }
        (By::Session(_), None) => Err(Refusal::TokenInvalid { sent: false }.into()),
    }
}

/// Returns the refusal for a factor whose set-up no longer exists.
fn gone(kind: AnswerKind) -> Refusal {
    let method = kind.method().map(factor::of);
    method.map_or(Refusal::MfaTokenInvalid, Method::gone)
}

impl SetUp {
    /// Turns the factor on, and removes those that it replaces. Returns whether it is the first.
    fn replace(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        standing: &[Factor],
    ) -> Result<bool> {
        let (user_id, method) = (question.user.id, self.factor.kind);
        let replaces = question.challenge.action.as_deref() == Some(REPLACES);
        let name = &self.factor.name;
        let alike =
            |other: &Factor| other.kind == method && (other.name == *name || name.is_none());
        let on = |other: &&Factor| other.state == FactorState::On;
        if !replaces && standing.iter().filter(on).any(&alike) {
            return Err(Refusal::MfaAlreadyEnabled.into());
        }
        // The new factor comes first, since a refusal commits what was written before it.
        if !factors::enable(tx, user_id, self.factor.id, act.now)? {
            return Err(gone(method.into()).into());
        }
        let goes = |other: &Factor| match other.state {
            FactorState::Pending => false,
            FactorState::On => replaces && other.kind == method,
            FactorState::Ready => alike(other) || (replaces && other.kind == method),
        };
        for other in standing.iter().filter(|other| goes(other)) {
            factors::delete_one(tx, user_id, other.id)?;
        }
        effects::end_challenges(tx, act, user_id, standing, goes)?;
        // If a policy made sign-in ask for the mailbox, sessions that passed it had a second step.
        Ok(demand::of(tx, &question.user, standing)?.is_empty())
    }

    /// Lets its codes count, and ends sessions that never passed a second step (ASVS 7.4.3).
    fn enable(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        first: bool,
    ) -> Result<FactorChange> {
        let (user, method) = (&question.user, self.factor.kind);
        let session = question.challenge.session_id;
        if first && self.by_beginner && session.is_some() {
            let beginner = question.beginner(tx, act)?;
            fresh::go_on(tx, &beginner)?;
        }
        factors::reset_attempts(tx, user.id, method)?;
        code_sets::make_live(tx, user.id, self.factor.id, act.now)?;
        let helper = self.helper.as_ref().map(|helper| helper.user.id);
        let actor = helper.filter(|id| *id != user.id);
        let on = effects::after_turning_on(tx, act, user, method, first, session, actor)?;
        Ok(FactorChange {
            method,
            methods: kinds_on(&on),
            at: act.now,
        })
    }
}
