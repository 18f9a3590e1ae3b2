//! Signing in: first the password, then the second factor if one is on or demanded.

use std::sync::Arc;

use crate::app::Ctx;
use crate::factor::{self, Answer};
use crate::flow::answer::{Attempt, Effect, Terms, answer};
use crate::flow::challenge::{self, Opening};
use crate::flow::delivery::Delivery;
use crate::flow::{Act, Question, demand, password, session, sms};
use crate::model::audit::Event;
use crate::model::demand::Demand;
use crate::model::factor::{Factor, ORDER, primary};
use crate::model::kinds::{AnswerKind, CodeSetKind, FactorKind, Purpose};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Refusal, Result, Secret, UserId};
use crate::outcome::{LoginResult, Person, SessionTokens, SignInChallenge};
use crate::store::{Tx, factors};

mod switch;

pub use switch::{Switch, switch};

/// What an API supports of a second step.
#[derive(Clone, Copy, Debug)]
pub struct SecondStepSupport {
    /// The methods that its requests can carry.
    pub methods: &'static [FactorKind],
    /// Whether a code is sent when the sign-in begins. If not, the client asks for it.
    pub sends: bool,
}

/// A name and a password to sign in with.
pub struct Begin {
    /// The address, or the name of a user without a mailbox, as typed.
    pub name: String,
    /// The password, as typed.
    pub password: Secret<String>,
    /// What the API supports.
    pub carries: SecondStepSupport,
    /// The address that the call came from.
    pub source: Source,
}

/// What the write after a right password did.
enum FirstStep {
    Done(Box<session::UnsignedSession>),
    Challenge(Box<SecondStep>),
}

struct SecondStep {
    user: User,
    demanded: Demand,
    method: AnswerKind,
    opened: challenge::NewChallenge,
}

/// What a right password begins, drawn before the write: one of the two.
#[derive(Clone)]
struct Drafts {
    session: session::Draft,
    challenge: challenge::Draft,
}

impl Drafts {
    fn first_step(
        &self,
        tx: &mut Tx,
        act: &Act,
        user: User,
        carries: SecondStepSupport,
    ) -> Result<FirstStep> {
        let factors = factors::of_user(tx, user.id)?;
        let demanded = demand::of(tx, &user, &factors)?;
        if demanded.is_empty() {
            let opened = self
                .session
                .open(tx, act, user, &factors, Proof::Password)?;
            return Ok(FirstStep::Done(Box::new(opened)));
        }
        let purpose = Purpose::Login;
        let method = first_method(tx, act, &user, &factors, &demanded, carries, purpose)?;
        let opening = opening(act, method, &factors, carries);
        let opened = self.challenge.open(tx, act, &user, &opening)?;
        act.audit(tx, user.id, Event::ChallengeBegun, Some(method.as_str()))?;
        Ok(FirstStep::Challenge(Box::new(SecondStep {
            user,
            demanded,
            method,
            opened,
        })))
    }
}

/// Judges the password, and begins a session or a challenge.
///
/// # Errors
/// Refuses an unknown name, a wrong password and a disabled account, all with the same answer.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<LoginResult> {
    let act = Act::begin(ctx, command.source);
    let checked = Arc::new(password::check(ctx, &act, &command.name, command.password).await?);
    let drafts = Drafts {
        session: session::Draft::new(ctx, &act),
        challenge: challenge::Draft::new(ctx, &act),
    };
    let carries = command.carries;
    let step = {
        let (act, checked, drafts) = (act.clone(), Arc::clone(&checked), drafts.clone());
        ctx.write(move |tx| {
            // This waits for a factor that is being turned on right now. Either this sign-in asks for it, or
            // turning it on finds this session and ends it. A password change is waited for, too.
            match checked.judge(tx, &act)? {
                Some(user) => drafts.first_step(tx, &act, user, carries),
                None => Err(Refusal::InvalidCredentials.into()),
            }
        })
        .await?
    };
    checked.renew(ctx, &act).await;
    match step {
        FirstStep::Done(opened) => {
            let signed_in = drafts.session.sign(&act, &opened)?;
            Ok(LoginResult::Session(Box::new(signed_in)))
        }
        FirstStep::Challenge(second) => {
            ctx.nudge_courier();
            Ok(LoginResult::Challenge(Box::new(SignInChallenge {
                mfa_token: drafts.challenge.token(second.user.id),
                method: second.method,
                methods: second.demanded.to_vec(),
                unsent: second.opened.unsent,
                expires_at: second.opened.expires_at,
                person: Person::new(&second.user, second.demanded),
            })))
        }
    }
}

/// Returns the method that a sign-in starts with: the chosen one if the API supports it, otherwise the first
/// in [`ORDER`] that it supports. If no other is left, it is one whose code cannot be sent now, and only then a
/// locked one: sign-in still demands that. If the API supports none of them, the method is a recovery code. So
/// the second step is never left out.
pub(super) fn first_method(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    factors: &[Factor],
    demanded: &[FactorKind],
    carries: SecondStepSupport,
    purpose: Purpose,
) -> Result<AnswerKind> {
    let chosen = primary(factors).map(|factor| factor.kind);
    let phone = sms::phone_on(factors);
    let (mut unsent, mut stopped) = (None, None);
    for method in chosen.into_iter().chain(ORDER.iter().copied()) {
        if !demanded.contains(&method) || !carries.methods.contains(&method) {
            continue;
        }
        let delivery = Delivery::of(act, method.into(), purpose, user, phone.as_deref());
        if delivery.is_none() && factor::channel(method).is_some() {
            continue;
        }
        if factors::attempts(tx, user.id, method)?.locked(act.policy()) {
            stopped = stopped.or(Some(method));
        } else if let Some(delivery) = delivery.filter(|_| carries.sends)
            && delivery.is_used_up(tx, act)?
        {
            unsent = unsent.or(Some(method));
        } else {
            return Ok(method.into());
        }
    }
    let second = unsent.or(stopped).map(AnswerKind::Method);
    Ok(second.unwrap_or(AnswerKind::CodeSet(CodeSetKind::Recovery)))
}

fn opening(act: &Act, kind: AnswerKind, factors: &[Factor], carries: SecondStepSupport) -> Opening {
    Opening {
        phone: sms::phone_on(factors),
        sends: carries.sends,
        even_unsent: true,
        ..Opening::new(Purpose::Login, kind, act.policy().challenge_seconds)
    }
}

/// A challenge and its answer.
pub struct Verify {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The answer.
    pub answer: Answer,
    /// The method of the answer, if the API says it. If not, the one the challenge waits for.
    pub method: Option<FactorKind>,
    /// Whether the API accepts Veeam's scratch codes.
    pub scratch: bool,
    /// The address that the call came from.
    pub source: Source,
}

/// Judges the answer, and begins the session.
///
/// # Errors
/// Refuses a challenge that is over, and a wrong answer.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<SessionTokens> {
    let act = Act::begin(ctx, command.source);
    let (token, purpose) = (&command.mfa_token, Purpose::Login);
    let found = challenge::find_to_answer(ctx, &act, token, purpose, &command.answer).await?;
    let question = match command.method {
        Some(method) => challenge::switch(ctx, found, method).await?,
        None => found,
    };
    question.judge_answerable()?;
    let draft = session::Draft::new(ctx, &act);
    if let Some(opened) = enter(ctx, &act, &question, &command.answer, &draft).await? {
        return draft.sign(&act, &opened);
    }
    let attempt = Attempt {
        candidates: question.on(),
        question,
        answer: command.answer,
        terms: Terms {
            recovery: true,
            scratch: command.scratch,
            tell_clock: false,
        },
    };
    let sign_in = SignIn {
        draft: draft.clone(),
    };
    let right = answer(ctx, &act, attempt, sign_in).await?;
    Ok(SessionTokens {
        recovery_codes_remaining: right.codes_left,
        ..draft.sign(&act, &right.outcome)?
    })
}

/// The short way, which nearly every sign-in takes: a right code of an authenticator app begins the session in one
/// write. Returns `None` if this is not possible, for whatever reason. Then [`answer`] judges the code again.
async fn enter(
    ctx: &Ctx,
    act: &Act,
    question: &Question,
    answer: &Answer,
    draft: &session::Draft,
) -> Result<Option<session::UnsignedSession>> {
    let of_app = question.challenge.kind == FactorKind::Authenticator.into();
    // A counter that does not exist yet is made by the longer way.
    let counted = question.counters.contains(&question.attempts);
    let as_usual = counted && !question.has_stopped_methods(act) && question.is_open(act);
    if answer.code().is_none() || !of_app || !as_usual {
        return Ok(None);
    }
    let expected = question.expected(act, question.on())?;
    let fit = expected.fit(answer, act.policy(), act.now);
    let Some((factor, step)) = expected.only(&fit) else {
        return Ok(None);
    };
    let right = session::RightCode {
        question,
        factor,
        step,
    };
    draft.enter(ctx, act, right).await
}

/// A right answer begins a session.
#[derive(Clone)]
struct SignIn {
    draft: session::Draft,
}

impl Effect for SignIn {
    type Outcome = session::UnsignedSession;

    const NOTIFIES: bool = false;

    fn admit(&self, _tx: &mut Tx, _act: &Act, _question: &Question) -> Result<()> {
        Ok(())
    }

    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        method: AnswerKind,
    ) -> Result<session::UnsignedSession> {
        if question.has_stopped_methods(act) {
            lift_stops(tx, act, question.user.id)?;
        }
        let proof = Proof::PasswordAnd(method);
        let (user, factors) = (question.user.clone(), &question.factors);
        self.draft.open(tx, act, user, factors, proof)
    }
}

/// Unlocks all locked methods, and new passwords, after a right answer by another one. They accept tries
/// again, with waits between wrong codes. The counter of the method that was right is reset elsewhere.
pub(super) fn lift_stops(tx: &mut Tx, act: &Act, user_id: UserId) -> Result<()> {
    for counter in factors::stopped(tx, user_id, act.policy().hard_limit)? {
        let mut lifted = counter;
        lifted.failures = act.policy().soft_limit.cast_signed();
        let first = i64::from(act.policy().wait_first_seconds);
        lifted.next_try_at = counter.next_try_at.min(act.now.plus_seconds(first));
        factors::reserve(tx, &counter, &lifted)?;
    }
    Ok(())
}
