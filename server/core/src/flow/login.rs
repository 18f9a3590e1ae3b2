//! Signing in: first the password, then the second factor if one is on or demanded.

use std::sync::Arc;

use crate::app::Ctx;
use crate::factor::{Code, Expected};
use crate::flow::challenge::{self, Opening, Seen};
use crate::flow::settle::{Answer, Attempt, Settled, Terms, settle};
use crate::flow::{Act, MailOf, demand, password, session, sms};
use crate::model::audit::Event;
use crate::model::factor::{Factor, ORDER, primary};
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Refusal, Result, Secret, UserId};
use crate::outcome::{LoggedIn, MfaRequired, SignedIn, Waiting};
use crate::store::{Tx, challenges, factors};

/// What an API supports of a second step.
#[derive(Clone, Copy, Debug)]
pub struct Carries {
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
    pub carries: Carries,
    /// The address that the call came from.
    pub source: Source,
}

/// What the write after a right password did.
enum Begun {
    Opened(Box<session::Opened>),
    Challenged(Box<Challenged>),
}

struct Challenged {
    user: User,
    factors: Vec<Factor>,
    methods: Vec<FactorKind>,
    method: FactorKind,
    opened: challenge::Opened,
}

/// Judges the password, and begins a session or a challenge.
///
/// # Errors
/// Refuses an unknown name, a wrong password and a disabled account, all with the same answer.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<LoggedIn> {
    let act = Act::begin(ctx, command.source);
    let checked = Arc::new(password::check(ctx, &act, &command.name, command.password).await?);
    let session_draft = session::Draft::new(ctx, &act);
    let challenge_draft = challenge::Draft::new(ctx, &act);
    let carries = command.carries;
    let begun = {
        let (act, checked) = (act.clone(), Arc::clone(&checked));
        let (session_draft, challenge_draft) = (session_draft.clone(), challenge_draft.clone());
        ctx.write(move |tx| {
            // This waits for a factor that is being turned on right now. Either this sign-in asks for it, or
            // turning it on finds this session and ends it. A password change is waited for, too.
            let Some(user) = checked.judge(tx, &act)? else {
                return Err(Refusal::InvalidCredentials.into());
            };
            let factors = factors::of_user(tx, user.id)?;
            let methods = demand::methods(tx, &user, &factors)?;
            if methods.is_empty() {
                let opened = session_draft.open(tx, &act, user, factors, Proof::Password)?;
                return Ok(Begun::Opened(Box::new(opened)));
            }
            let method = first_method(tx, &act, &user, &factors, &methods, carries, MailOf::Owner)?;
            let opening = opening(&act, method, &factors, carries);
            let opened = challenge_draft.open(tx, &act, &user, &opening)?;
            act.audit(tx, user.id, Event::ChallengeBegun, Some(method.as_str()))?;
            Ok(Begun::Challenged(Box::new(Challenged {
                user,
                factors,
                methods,
                method,
                opened,
            })))
        })
        .await?
    };
    checked.renew(ctx, &act).await;
    match begun {
        Begun::Opened(opened) => Ok(LoggedIn::Session(Box::new(
            session_draft.sign(&act, &opened)?,
        ))),
        Begun::Challenged(begun) => {
            ctx.nudge_courier();
            Ok(LoggedIn::Challenge(Box::new(MfaRequired {
                mfa_token: challenge_draft.token(begun.user.id),
                method: begun.method,
                methods: begun.methods,
                unsent: begun.opened.unsent,
                expires_at: begun.opened.expires_at,
                person: session::person(&begun.user, &begun.factors).while_enforced(true),
            })))
        }
    }
}

/// Returns the method that a sign-in starts with: the chosen one if the API supports it, otherwise the first
/// in [`ORDER`] that it supports. A method whose code cannot be sent now is used only if there is no other.
/// The same holds for a locked method, since sign-in still demands it. If the API supports none of them, the
/// method is a recovery code: the second step is never left out.
pub(super) fn first_method(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    factors: &[Factor],
    demanded: &[FactorKind],
    carries: Carries,
    whose: MailOf,
) -> Result<FactorKind> {
    let chosen = primary(factors).map(|factor| factor.kind);
    let (mut unsent, mut stopped) = (None, None);
    for method in chosen.into_iter().chain(ORDER) {
        if !demanded.contains(&method) || !carries.methods.contains(&method) {
            continue;
        }
        if method == FactorKind::Sms && !sms::can_send(act, challenge::phone_on(factors).as_deref())
        {
            continue;
        }
        if factors::attempts(tx, user.id, method)?.locked(act.policy()) {
            stopped = stopped.or(Some(method));
        } else if carries.sends && used_up(tx, act, user, factors, method, whose)? {
            unsent = unsent.or(Some(method));
        } else {
            return Ok(method);
        }
    }
    Ok(unsent.or(stopped).unwrap_or(FactorKind::RecoveryCode))
}

/// Whether this method's codes are sent, and none may be sent now.
fn used_up(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    factors: &[Factor],
    method: FactorKind,
    whose: MailOf,
) -> Result<bool> {
    let of_account = match method {
        FactorKind::Email => act.code_mails_used_up(tx, user.id, whose)?,
        FactorKind::Sms => {
            let phone = challenge::phone_on(factors).unwrap_or_default();
            act.sms_wait(tx, user.id, &phone, whose)? > 0
        }
        FactorKind::Authenticator
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => return Ok(false),
    };
    Ok(of_account || act.mail_calls_used_up(tx, whose)? || act.has_no_room(tx, whose, method)?)
}

fn opening(act: &Act, kind: FactorKind, factors: &[Factor], carries: Carries) -> Opening {
    Opening {
        phone: challenge::phone_on(factors),
        sends: carries.sends,
        even_unsent: true,
        ..Opening::new(Purpose::Login, kind, act.policy().challenge_seconds)
    }
}

/// A challenge, and the method to switch it to.
pub struct Switch {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The method.
    pub method: FactorKind,
    /// The address that the call came from.
    pub source: Source,
}

/// Switches a sign-in, or the second step before a new password, to another method. If the method's codes are sent, the switch sends one, unless the
/// last code sent was of this method: that code still works.
///
/// # Errors
/// Refuses a method that is not on or is locked, and a challenge that is over.
pub async fn switch(ctx: &Ctx, command: Switch) -> Result<Waiting> {
    let act = Act::begin(ctx, command.source);
    let seen = challenge::look_without_session(ctx, &act, &command.mfa_token).await?;
    seen.judge_tries(&act)?;
    if seen.demanded.is_empty() {
        return Err(Refusal::MfaNotEnabled.into());
    }
    seen.judge_method(command.method)?;
    if seen.challenge.purpose == Purpose::PasswordReset && seen.attempts.locked(act.policy()) {
        return Err(Refusal::MfaMethodLocked.into());
    }
    let (method, sending) = (
        command.method,
        challenge::sending(ctx, &act, seen.challenge.id),
    );
    if method == FactorKind::Sms
        && !sms::can_send(&act, challenge::phone_on(&seen.factors).as_deref())
    {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    ctx.write(move |tx| {
        if factors::attempts(tx, seen.user.id, method)?.locked(act.policy()) {
            return act.refuse_limited(tx, seen.user.id, Refusal::MfaMethodLocked);
        }
        // A code that was sent by another method does not count.
        let sends = method.is_sent() && !seen.has_code_of(method);
        // The first code of another method is sent at once, since the person cannot use the other one.
        if sends && seen.challenge.last_sent_at.is_some() && seen.challenge.resends > 0 {
            judge_pace(tx, &act, &seen)?;
        }
        let done = if sends {
            challenge::send(tx, &act, &seen, method, &sending)?
        } else {
            challenges::switch(tx, &seen.challenge, method)?
        };
        if !done {
            return Err(Refusal::MfaTokenInvalid.into());
        }
        act.audit(
            tx,
            seen.user.id,
            Event::MethodSwitched,
            Some(method.as_str()),
        )
    })
    .await?;
    ctx.nudge_courier();
    Ok(Waiting {
        mfa_token: command.mfa_token,
        method,
        // It was sent now, or before for this sign-in.
        sent: method.is_sent(),
    })
}

/// Refuses another code while the wait between resends lasts, or if no resends are left. It counts for all
/// methods together.
fn judge_pace(tx: &mut Tx, act: &Act, seen: &Seen) -> Result<()> {
    let wait = match seen.challenge.resends_remaining(act.policy()) {
        0 => seen.challenge.expires_at.seconds_after(act.now).max(1),
        _some => seen.challenge.resend_wait(act.policy(), act.now),
    };
    if wait > 0 {
        let refusal = Refusal::TooManyRequests { retry_after: wait };
        return act.refuse_limited(tx, seen.user.id, refusal);
    }
    Ok(())
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
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<SignedIn> {
    let act = Act::begin(ctx, command.source);
    let mut seen = challenge::look_to_answer(
        ctx,
        &act,
        &command.mfa_token,
        Purpose::Login,
        &command.answer,
    )
    .await?;
    if let Some(method) = command.method {
        seen = seen.waiting_for(ctx, method).await?;
    }
    let candidates = seen.on();
    seen.judge_answerable()?;
    let terms = Terms {
        recovery: true,
        scratch: command.scratch,
        tell_clock: false,
    };
    let draft = session::Draft::new(ctx, &act);
    if let Some(opened) = enter(ctx, &act, &seen, &command.answer, &draft).await? {
        return draft.sign(&act, &opened);
    }
    let then = {
        let draft = draft.clone();
        move |tx: &mut Tx, act: &Act, seen: &Seen, settled: &Settled| {
            if seen.has_stopped_methods(act) {
                lift_stops(tx, act, seen.user.id)?;
            }
            let proof = Proof::PasswordAnd(settled.method);
            let (user, factors) = (seen.user.clone(), seen.factors.clone());
            let opened = draft.open(tx, act, user, factors, proof)?;
            Ok((opened, settled.remaining))
        }
    };
    let before = |_tx: &mut Tx, _act: &Act, _seen: &Seen| Ok(());
    let settled = settle(
        ctx,
        &act,
        Attempt {
            seen,
            answer: command.answer,
            terms,
            candidates,
        },
        before,
        then,
    )
    .await;
    // The answer may have queued a notice, whether it was right or wrong.
    let (opened, remaining) = settled.inspect_err(|_| ctx.nudge_courier())?;
    if remaining.is_some() {
        ctx.nudge_courier();
    }
    Ok(SignedIn {
        recovery_codes_remaining: remaining,
        ..draft.sign(&act, &opened)?
    })
}

/// Begins the session of a right code of an authenticator at once, as nearly every sign-in does. Returns `None`
/// if anything is against it: [`settle`] then finds the reason.
async fn enter(
    ctx: &Ctx,
    act: &Act,
    seen: &Seen,
    answer: &Answer,
    draft: &session::Draft,
) -> Result<Option<session::Opened>> {
    let Answer::Code(code) = answer else {
        return Ok(None);
    };
    let of_app = seen.challenge.kind == FactorKind::Authenticator;
    // A counter that does not exist yet is made by the longer way.
    let counted = seen.counters.contains(&seen.attempts);
    let as_usual = counted && !seen.has_stopped_methods(act) && seen.may_settle_at_once(act);
    if !of_app || !as_usual {
        return Ok(None);
    }
    let expected = Expected::of(&act.vault, &seen.challenge, seen.on(), false)?;
    let fit = expected.fit(&Code::typed(code), act.policy(), act.now);
    let Some((factor, step)) = expected.only(&fit) else {
        return Ok(None);
    };
    draft
        .enter(ctx, act, session::RightCode { seen, factor, step })
        .await
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
