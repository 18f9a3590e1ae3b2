//! Turning a method on in one call, for an API whose pages know no set-up: at once where it was proved,
//! else begun.

use crate::app::Ctx;
use crate::flow::challenge::phone_on;
use crate::flow::setup::{self, Confirm};
use crate::flow::toggle::{self, Target, Toggle};
use crate::flow::{Act, sms};
use crate::model::kinds::{FactorKind, FactorState, Role};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::canonical_address;
use crate::model::{Error, Refusal, Result};
use crate::outcome::{FactorChanged, SetupBegun};

/// Which method, and where its codes go.
pub struct TurnOn {
    /// Who asks.
    pub caller: Caller,
    /// The method; none for the user's default channel.
    pub method: Option<FactorKind>,
    /// The number for SMS, as typed.
    pub phone: Option<String>,
    /// The address for e-mail, as typed: the account's own, or refused.
    pub email: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// What became of it.
#[derive(Debug)]
pub enum TurnedOn {
    /// Sign-in asks for it.
    On(FactorChanged),
    /// It waits for its proof, and is not asked for before.
    Begun {
        /// What the proof takes.
        begun: Box<SetupBegun>,
        /// Whether sign-in asks for another method meanwhile.
        asked: bool,
    },
}

/// Turns a method on if it was proved before; else begins its set-up. The account's own mailbox is proved.
///
/// # Errors
/// Refuses what [`toggle::enable_mailbox`] and [`setup::begin`] refuse, another address than the
/// account's own, and SMS without a number.
pub async fn turn_on(ctx: &Ctx, command: TurnOn) -> Result<TurnedOn> {
    let act = Act::begin(ctx, command.source);
    let TurnOn {
        caller,
        method,
        phone,
        email,
        source,
    } = command;
    judge_address(&caller, email.as_deref())?;
    let typed_phone = phone.is_some();
    let number = match method {
        Some(FactorKind::Sms) => {
            let text = phone.ok_or_else(|| Refusal::field("phoneNumber", NO_NUMBER))?;
            Some(sms::phone(&act, &text)?)
        }
        _other => None,
    };
    let method = match (method, typed_phone) {
        (Some(method), _) => method,
        (None, true) => return Err(Refusal::field("mfaMethod", NO_METHOD).into()),
        (None, false) => default_channel(&act, &caller),
    };
    let own = |caller: &Caller| Toggle {
        caller: caller.clone(),
        target: Target::Own,
        source,
    };
    let replace = match method {
        FactorKind::Email => {
            return toggle::enable_mailbox(ctx, own(&caller))
                .await
                .map(TurnedOn::On);
        }
        FactorKind::Sms => true,
        FactorKind::Authenticator => false,
        FactorKind::Passkey | FactorKind::RecoveryCode | FactorKind::ScratchCode => {
            return Err(Refusal::InvalidMfaMethod.into());
        }
    };
    let another = number
        .as_ref()
        .is_some_and(|number| !is_proved(&caller, number.as_str()));
    if !another {
        match toggle::enable(ctx, own(&caller), method).await {
            Err(Error::Refused(Refusal::MfaMethodNotConfigured)) => {}
            turned_on => return turned_on.map(TurnedOn::On),
        }
    }
    let begin = setup::Begin {
        caller: caller.clone(),
        target: Target::Own,
        method,
        confirm: Confirm::Session,
        name: None,
        phone: number.map(|number| number.as_str().to_owned()),
        codes: None,
        replace,
        source,
    };
    match setup::begin(ctx, begin).await {
        // It went on a moment ago, by another call.
        Err(Error::Refused(Refusal::MfaAlreadyEnabled)) => {
            toggle::enable(ctx, own(&caller), method)
                .await
                .map(TurnedOn::On)
        }
        begun => Ok(TurnedOn::Begun {
            begun: Box::new(begun?),
            asked: !caller.demanded().is_empty(),
        }),
    }
}

const NO_NUMBER: &str = "Send the phone number that codes shall go to, as +12025550123.";
const NO_METHOD: &str = "Say what the number is for: sms.";
const FOREIGN: &str =
    "Codes go to the account's own address only. Leave this out, or send that one.";

/// Turns off MFA of another account, or of one's own as an administrator: every factor stays proved.
///
/// # Errors
/// Refuses who is no administrator, and what [`toggle::pause`] refuses.
pub async fn turn_off_profile(ctx: &Ctx, command: Toggle) -> Result<()> {
    // Here even one's own number takes the role: the page is for administrators.
    if command.caller.user.role != Role::Administrator {
        return Err(Refusal::Forbidden.into());
    }
    toggle::pause(ctx, command, toggle::Which::All).await?;
    Ok(())
}

/// Codes go to the account's own address only.
fn judge_address(caller: &Caller, typed: Option<&str>) -> Result<()> {
    match typed {
        None => Ok(()),
        Some(typed) if canonical_address(typed).as_ref() == Some(&caller.user.email) => Ok(()),
        Some(_) => Err(Refusal::field("email", FOREIGN).into()),
    }
}

/// The phone on file, else the mailbox.
fn default_channel(act: &Act, caller: &Caller) -> FactorKind {
    match sms::can_send(act, phone_on(&caller.factors).as_deref()) {
        true => FactorKind::Sms,
        false => FactorKind::Email,
    }
}

/// Whether this number is one that the user proved.
fn is_proved(caller: &Caller, number: &str) -> bool {
    caller.factors.iter().any(|factor| {
        factor.kind == FactorKind::Sms
            && factor.state != FactorState::Pending
            && factor.target.as_deref() == Some(number)
    })
}
