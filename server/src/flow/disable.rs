//! Turning a factor off: begun with the password, done with a code of the factor itself.

use crate::app::Ctx;
use crate::factor::{Code, Expected};
use crate::flow::challenge::{self, Opening, Seen};
use crate::flow::setup::Verify;
use crate::flow::{Act, password};
use crate::model::audit::Event;
use crate::model::factor::kinds_on;
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Refusal, Result, Secret};
use crate::outcome::{FactorChanged, Waiting};
use crate::store::{Tx, factors};

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

/// Begins turning a method off; e-mail gets a code.
///
/// # Errors
/// Refuses a method that is not on, and a wrong password.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<Waiting> {
    let Begin {
        caller,
        method,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    let methods = kinds_on(&caller.factors);
    if methods.is_empty() {
        return Err(Refusal::MfaNotEnabled.into());
    }
    if !methods.contains(&method) {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    let draft = challenge::Draft::new(ctx, &act);
    let (user, mfa_token) = (caller.user.clone(), draft.token(caller.user.id));
    password::confirmed(ctx, &act, &user, password, move |tx, act| {
        let opening = Opening {
            purpose: Purpose::Disable,
            kind: method,
            factor_id: None,
            session_id: Some(caller.session.id),
            seconds: act.policy().challenge_seconds,
        };
        draft.open(tx, act, &caller.user, &opening)?;
        act.audit(
            tx,
            caller.user.id,
            Event::DisableBegun,
            Some(method.as_str()),
        )
    })
    .await?;
    ctx.nudge_courier();
    Ok(Waiting { mfa_token, method })
}

/// Judges the code, and removes the factor.
///
/// # Errors
/// Refuses what is wrong with the challenge or the code.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<FactorChanged> {
    let act = Act::begin(ctx, command.source);
    let seen = challenge::look(ctx, &act, &command.mfa_token, Some(Purpose::Disable)).await?;
    seen.judge_caller(command.caller.as_ref())?;
    let on = seen.on();
    if on.is_empty() {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    let expected = Expected::of(&ctx.vault, &seen.challenge, on)?;
    let code = Code::typed(&command.code);
    let changed = {
        let act = act.clone();
        ctx.write(move |tx| {
            seen.beginner(tx, &act)?;
            seen.answer(tx, &act, &expected, &code)?;
            turn_off(tx, &act, &seen)
        })
        .await
    };
    ctx.nudge_courier();
    changed
}

fn turn_off(tx: &mut Tx, act: &Act, seen: &Seen) -> Result<FactorChanged> {
    let user_id = seen.user.id;
    let method = seen.challenge.kind;
    factors::reset_attempts(tx, user_id, method)?;
    if factors::delete(tx, user_id, method, FactorState::On)? == 0 {
        return Err(Refusal::MfaMethodNotEnabled.into());
    }
    act.audit(tx, user_id, Event::FactorDisabled, Some(method.as_str()))?;
    let told = Message::FactorDisabled {
        method: method.as_str().to_owned(),
    };
    act.notify(tx, &seen.user, told)?;
    Ok(FactorChanged {
        method,
        methods: kinds_on(&factors::of_user(tx, user_id)?),
        at: act.now,
    })
}
