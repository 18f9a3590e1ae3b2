//! Setting up a factor: begun with the password, in force only once a code proved it.

use crate::app::Ctx;
use crate::factor::{Code, Expected, totp};
use crate::flow::challenge::{self, Opening, Seen};
use crate::flow::{Act, password};
use crate::model::audit::Event;
use crate::model::factor::{Factor, kinds_on};
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{FactorId, Refusal, Result, Secret};
use crate::outcome::{FactorChanged, SetupBegun};
use crate::store::{Tx, factors, sessions, users};
use crate::vault::Place;

/// Which method, and the password typed again.
pub struct Begin {
    /// Who asks.
    pub caller: Caller,
    /// The method.
    pub method: FactorKind,
    /// The password as typed.
    pub password: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// Begins setting up a method. A set-up of the same method that was under way ends (P-39).
///
/// # Errors
/// Refuses a method that is on, a wrong password, and, once a factor is on, a session that did not
/// pass it lately (N-072).
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<SetupBegun> {
    let Begin {
        caller,
        method,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    if kinds_on(&caller.factors).contains(&method) {
        return Err(Refusal::MfaAlreadyEnabled.into());
    }
    if caller.factor_on() {
        let max_age = act.policy().fresh_for_factors_seconds;
        caller.session.judge_fresh(true, max_age, act.now)?;
    }
    let draft = challenge::Draft::new(ctx, &act);
    let factor_id: FactorId = ctx.chance.id(act.now);
    let secret = match method {
        FactorKind::Authenticator => Some(ctx.chance.totp_secret()),
        FactorKind::Email
        | FactorKind::Sms
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => None,
    };
    let sealed_secret = match &secret {
        Some(secret) => {
            let place = Place::factor_secret(caller.user.id, factor_id);
            Some(
                act.vault
                    .seal(&place, ctx.chance.nonce(), secret.expose())?,
            )
        }
        None => None,
    };
    let factor = Factor {
        sealed_secret,
        ..Factor::pending(caller.user.id, factor_id, method, act.now)
    };
    let (user, token) = (caller.user.clone(), draft.token(caller.user.id));
    password::confirmed(ctx, &act, &user, password, move |tx, act| {
        factors::delete(tx, factor.user_id, method, FactorState::Pending)?;
        factors::insert(tx, &factor)?;
        let opening = Opening {
            purpose: Purpose::Setup,
            kind: method,
            factor_id: Some(factor.id),
            session_id: Some(caller.session.id),
            seconds: act.policy().enrolment_seconds,
        };
        draft.open(tx, act, &caller.user, &opening)?;
        act.audit(tx, factor.user_id, Event::SetupBegun, Some(method.as_str()))
    })
    .await?;
    ctx.nudge_courier();
    begun(&act, &user.email, token, secret)
}

fn begun(
    act: &Act,
    email: &str,
    mfa_token: Secret<String>,
    secret: Option<Secret<Vec<u8>>>,
) -> Result<SetupBegun> {
    let Some(secret) = secret else {
        return Ok(SetupBegun::Email { mfa_token });
    };
    let printed = totp::provision(&secret, &act.settings.issuer_name, email)?;
    Ok(SetupBegun::Authenticator {
        mfa_token,
        secret: printed.secret,
        otpauth_url: printed.otpauth_url,
        qr_code: printed.qr_code,
    })
}

/// A challenge and its code.
pub struct Verify {
    /// The challenge.
    pub mfa_token: Secret<String>,
    /// The code as typed.
    pub code: Secret<String>,
    /// Whose bearer came along, if one did.
    pub caller: Option<Caller>,
    /// Where it came from.
    pub source: Source,
}

/// Judges the code, and turns the factor on.
///
/// # Errors
/// Refuses what is wrong with the challenge or the code.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<FactorChanged> {
    let act = Act::begin(ctx, command.source);
    let seen = challenge::look(ctx, &act, &command.mfa_token, Some(Purpose::Setup)).await?;
    seen.judge_caller(command.caller.as_ref())?;
    let method = seen.challenge.kind;
    let pending = match seen.about() {
        Some(factor) if factor.state == FactorState::Pending => factor,
        Some(_) => return Err(Refusal::MfaAlreadyEnabled.into()),
        None => return Err(gone(method).into()),
    };
    let expected = Expected::of(&ctx.vault, &seen.challenge, vec![pending.clone()])?;
    let code = Code::typed(&command.code);
    let changed = {
        let act = act.clone();
        ctx.write(move |tx| {
            // Sign-ins with the password alone are waited for, so that their sessions are seen below.
            users::lock(tx, seen.user.id)?;
            let session = seen.beginner(tx, &act)?;
            let on = kinds_on(&factors::of_user(tx, seen.user.id)?);
            if !on.is_empty() && !session.second_step() {
                // A factor went on since this began: from then on only who passed it may add one (N-072).
                return Err(Refusal::MfaTokenInvalid.into());
            }
            seen.answer(tx, &act, &expected, &code)?;
            turn_on(tx, &act, &seen, &pending)
        })
        .await
    };
    ctx.nudge_courier();
    changed
}

/// What is missing when a factor being set up is gone.
const fn gone(method: FactorKind) -> Refusal {
    match method {
        FactorKind::Authenticator => Refusal::AuthenticatorNotConfigured,
        FactorKind::Email
        | FactorKind::Sms
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => Refusal::MfaTokenInvalid,
    }
}

fn turn_on(tx: &mut Tx, act: &Act, seen: &Seen, pending: &Factor) -> Result<FactorChanged> {
    let user_id = seen.user.id;
    let method = pending.kind;
    let before = kinds_on(&factors::of_user(tx, user_id)?);
    if before.contains(&method) {
        return Err(Refusal::MfaAlreadyEnabled.into());
    }
    if !factors::enable(tx, user_id, pending.id, act.now)? {
        return Err(gone(method).into());
    }
    factors::reset_attempts(tx, user_id, method)?;
    if before.is_empty() {
        // Sessions that never saw a second factor end, but not the one that just turned it on (N-011).
        sessions::end_others(tx, user_id, seen.challenge.session_id, act.now)?;
    }
    act.audit(tx, user_id, Event::FactorEnabled, Some(method.as_str()))?;
    let told = Message::FactorEnabled {
        method: method.as_str().to_owned(),
    };
    act.notify(tx, &seen.user, told)?;
    Ok(FactorChanged {
        method,
        methods: kinds_on(&factors::of_user(tx, user_id)?),
        at: act.now,
    })
}
