//! Signing in: the password first, then the second factor if one is on.

use crate::app::Ctx;
use crate::factor::{Code, Expected};
use crate::flow::challenge::{self, Opening, Seen};
use crate::flow::{Act, password, session};
use crate::model::audit::Event;
use crate::model::factor::kinds_on;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Refusal, Result, Secret};
use crate::outcome::{LoggedIn, MfaRequired, SignedIn, Waiting};
use crate::store::{Tx, challenges, factors, users};

/// An address and a password.
pub struct Begin {
    /// The address as typed.
    pub email: String,
    /// The password as typed.
    pub password: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// What the write after a right password did.
enum Begun {
    Opened(Box<session::Opened>),
    Challenged {
        user: Box<User>,
        methods: Vec<FactorKind>,
        method: FactorKind,
    },
}

/// Judges the password, and begins a session or a challenge.
///
/// # Errors
/// Refuses an unknown address, a wrong password and a disabled account alike.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<LoggedIn> {
    let act = Act::begin(ctx, command.source);
    let checked = password::check(ctx, &act, &command.email, command.password).await?;
    let session_draft = session::Draft::new(ctx, &act);
    let challenge_draft = challenge::Draft::new(ctx, &act);
    let begun = {
        let (act, session_draft, challenge_draft) =
            (act.clone(), session_draft.clone(), challenge_draft.clone());
        ctx.write(move |tx| {
            let Some(user) = checked.user.clone() else {
                checked.wrong(tx, &act)?;
                return Err(Refusal::InvalidCredentials.into());
            };
            checked.right(tx)?;
            // A factor that is going on at this moment is waited for: its sign-in asks for it, or its
            // turning on sees this session and ends it.
            users::lock(tx, user.id)?;
            let factors = factors::of_user(tx, user.id)?;
            let methods = kinds_on(&factors);
            let Some(method) = first_method(tx, &act, &user, &methods)? else {
                let opened = session_draft.open(tx, &act, user, factors, Proof::Password)?;
                return Ok(Begun::Opened(Box::new(opened)));
            };
            challenge_draft.open(tx, &act, &user, &Opening::login(&act, method))?;
            act.audit(tx, user.id, Event::ChallengeBegun, Some(method.as_str()))?;
            Ok(Begun::Challenged {
                user: Box::new(user),
                methods,
                method,
            })
        })
        .await?
    };
    match begun {
        Begun::Opened(opened) => Ok(LoggedIn::Session(Box::new(
            session_draft.sign(&act, *opened)?,
        ))),
        Begun::Challenged {
            user,
            methods,
            method,
        } => {
            ctx.nudge_courier();
            Ok(LoggedIn::Challenge(MfaRequired {
                mfa_token: challenge_draft.token(user.id),
                method,
                methods,
            }))
        }
    }
}

/// The method a sign-in starts with: the authenticator if it is on, else what is; one that is
/// stopped (P-15) only if there is no other, since it stays demanded all the same.
fn first_method(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    methods: &[FactorKind],
) -> Result<Option<FactorKind>> {
    let in_order = [FactorKind::Authenticator, FactorKind::Email];
    let mut first = None;
    for method in in_order.into_iter().filter(|kind| methods.contains(kind)) {
        if !factors::attempts(tx, user.id, method)?.locked(act.policy()) {
            return Ok(Some(method));
        }
        first = first.or(Some(method));
    }
    Ok(first)
}

impl Opening {
    fn login(act: &Act, kind: FactorKind) -> Self {
        Self {
            purpose: Purpose::Login,
            kind,
            factor_id: None,
            session_id: None,
            seconds: act.policy().challenge_seconds,
        }
    }
}

/// A challenge and the method it should wait for.
pub struct Switch {
    /// The challenge.
    pub mfa_token: Secret<String>,
    /// The method.
    pub method: FactorKind,
    /// Where it came from.
    pub source: Source,
}

/// Lets a sign-in wait for another method. The first switch to e-mail mails a code; a later one does
/// not, as the code already sent still fits.
///
/// # Errors
/// Refuses a method that is not on or is stopped, and a challenge that is over.
pub async fn switch(ctx: &Ctx, command: Switch) -> Result<Waiting> {
    let act = Act::begin(ctx, command.source);
    let seen = challenge::look(ctx, &act, &command.mfa_token, Some(Purpose::Login)).await?;
    seen.judge_tries(&act)?;
    let methods = kinds_on(&seen.factors);
    if methods.is_empty() {
        return Err(Refusal::MfaNotEnabled.into());
    }
    if !methods.contains(&command.method) {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    let (method, code) = (command.method, ctx.chance.code(act.policy().code_digits));
    ctx.write(move |tx| {
        if factors::attempts(tx, seen.user.id, method)?.locked(act.policy()) {
            return act.refuse_limited(tx, seen.user.id, Refusal::MfaMethodLocked);
        }
        let done = match method {
            FactorKind::Email if seen.challenge.last_sent_at.is_none() => {
                challenge::send(tx, &act, &seen, &code)?
            }
            FactorKind::Email
            | FactorKind::Authenticator
            | FactorKind::Sms
            | FactorKind::Passkey
            | FactorKind::RecoveryCode
            | FactorKind::ScratchCode => challenges::switch(tx, &seen.challenge, method)?,
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
    })
}

/// A challenge and its code.
pub struct Verify {
    /// The challenge.
    pub mfa_token: Secret<String>,
    /// The code as typed.
    pub code: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// Judges the code, and begins the session.
///
/// # Errors
/// Refuses what is wrong with the challenge or the code.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<SignedIn> {
    let act = Act::begin(ctx, command.source);
    let seen = challenge::look(ctx, &act, &command.mfa_token, Some(Purpose::Login)).await?;
    let on = seen.on();
    if on.is_empty() {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    let expected = Expected::of(&ctx.vault, &seen.challenge, on)?;
    let code = Code::typed(&command.code);
    let draft = session::Draft::new(ctx, &act);
    let opened = {
        let (act, draft) = (act.clone(), draft.clone());
        ctx.write(move |tx| {
            seen.answer(tx, &act, &expected, &code)?;
            let method = seen.challenge.kind;
            factors::reset_attempts(tx, seen.user.id, method)?;
            lift_stops(tx, &act, &seen)?;
            draft.open(
                tx,
                &act,
                seen.user.clone(),
                seen.factors.clone(),
                Proof::PasswordAnd(method),
            )
        })
        .await
    };
    // A refusal may have queued a notice.
    draft.sign(&act, opened.inspect_err(|_| ctx.nudge_courier())?)
}

/// Another factor that fits lifts the stop of those that were stopped (P-15): they may be tried
/// again, at the pace of P-14.
fn lift_stops(tx: &mut Tx, act: &Act, seen: &Seen) -> Result<()> {
    let others = kinds_on(&seen.factors);
    for kind in others
        .into_iter()
        .filter(|kind| *kind != seen.challenge.kind)
    {
        let counter = factors::attempts(tx, seen.user.id, kind)?;
        if counter.locked(act.policy()) {
            let mut lifted = counter;
            lifted.failures = act.policy().soft_limit.cast_signed();
            factors::reserve(tx, &counter, &lifted)?;
        }
    }
    Ok(())
}
