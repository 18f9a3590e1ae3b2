//! Turning a method on in one call, for an API whose pages have no set-up step. A proved method is on at
//! once, otherwise its set-up begins.

use crate::app::Ctx;
use crate::factor;
use crate::factor::sms::Phone;
use crate::flow::methods::{self, Change, Which};
use crate::flow::setup::{self, Confirm};
use crate::flow::{Act, Target, sms};
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::notice::Channel;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result};
use crate::outcome::{FactorChange, PendingSetup};

/// Which method to turn on, and where its codes go.
pub struct TurnOn {
    /// The signed-in user.
    pub caller: Caller,
    /// The method. Without it, the user's default: their phone, or else their mailbox.
    pub method: Option<FactorKind>,
    /// The phone number for SMS, as typed.
    pub phone: Option<String>,
    /// The address for e-mail, as typed. It must be the account's own.
    pub email: Option<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// The result of turning a method on.
#[derive(Debug)]
pub enum TurnOnResult {
    /// The method is on.
    On(FactorChange),
    /// A set-up has begun. Sign-in does not ask for the method before it is proved.
    Begun {
        /// What the person needs to prove it.
        begun: Box<PendingSetup>,
        /// Whether sign-in already asks for another method.
        asked: bool,
    },
}

/// Turns a method on if it was proved before, otherwise begins its set-up. The account's own mailbox counts
/// as proved.
///
/// # Errors
/// Refuses whatever [`methods::enable_mailbox`] and [`setup::begin`] refuse, another address than the
/// account's own, and SMS without a number.
pub async fn turn_on(ctx: &Ctx, command: TurnOn) -> Result<TurnOnResult> {
    let act = Act::begin(ctx, command.source);
    let TurnOn {
        caller,
        method,
        phone,
        email,
        source,
    } = command;
    judge_address(&caller, email.as_deref())?;
    let (method, number) = chosen(&act, &caller, method, phone.as_ref())?;
    let own = |caller: &Caller| Change::own(caller.clone(), source);
    if factor::channel(method) == Some(Channel::Mail) {
        let changed = methods::enable_mailbox(ctx, own(&caller)).await?;
        return Ok(TurnOnResult::On(changed));
    }
    let proved = |number: &String| is_proved(&caller, number);
    if number.as_ref().is_none_or(proved) {
        match methods::enable(ctx, own(&caller), method).await {
            Err(Error::Refused(Refusal::MfaMethodNotConfigured)) => {}
            turned_on => return turned_on.map(TurnOnResult::On),
        }
    }
    match begin(ctx, &caller, method, number, source).await {
        // Another call turned it on a moment ago.
        Err(Error::Refused(Refusal::MfaAlreadyEnabled)) => {
            let changed = methods::enable(ctx, own(&caller), method).await?;
            Ok(TurnOnResult::On(changed))
        }
        begun => Ok(TurnOnResult::Begun {
            begun: Box::new(begun?),
            asked: !caller.demanded().is_empty(),
        }),
    }
}

/// Returns the method that is meant, and the phone number that was typed for it.
fn chosen(
    act: &Act,
    caller: &Caller,
    method: Option<FactorKind>,
    phone: Option<&String>,
) -> Result<(FactorKind, Option<String>)> {
    let Some(method) = method else {
        return match phone {
            Some(_) => Err(Refusal::field("mfaMethod", NO_METHOD).into()),
            None => Ok((default_channel(act, caller), None)),
        };
    };
    if factor::channel(method) != Some(Channel::Text) {
        return Ok((method, None));
    }
    let text = phone.ok_or_else(|| Refusal::field("phoneNumber", NO_NUMBER))?;
    let phone = Phone::typed(&act.settings, text)?;
    Ok((method, Some(phone.as_str().to_owned())))
}

/// Begins the set-up. A phone replaces the one that is on, once it is proved.
async fn begin(
    ctx: &Ctx,
    caller: &Caller,
    method: FactorKind,
    number: Option<String>,
    source: Source,
) -> Result<PendingSetup> {
    let begin = setup::Begin {
        caller: caller.clone(),
        target: Target::Own,
        method,
        confirm: Confirm::Session,
        name: None,
        phone: number,
        codes: None,
        replace: factor::channel(method) == Some(Channel::Text),
        source,
    };
    setup::begin(ctx, begin).await
}

const NO_NUMBER: &str = "Send the phone number to send codes to, such as +12025550123.";
const NO_METHOD: &str = "Send mfaMethod sms with a phone number.";
const FOREIGN: &str =
    "Codes are sent only to the account's own address. Send that address, or leave this out.";

/// Turns all methods of an account off. All factors stay proved.
///
/// # Errors
/// Refuses a caller who is not an administrator, and whatever [`methods::pause`] refuses.
pub async fn turn_off_profile(ctx: &Ctx, command: Change) -> Result<()> {
    // Even for their own number, the caller must be an administrator: the page is made for administrators.
    command.caller.judge_administrator()?;
    methods::pause(ctx, command, Which::All).await?;
    Ok(())
}

/// Checks that an address is the account's own.
fn judge_address(caller: &Caller, typed: Option<&str>) -> Result<()> {
    match typed {
        None => Ok(()),
        Some(typed) if caller.has_address(typed) => Ok(()),
        Some(_) => Err(Refusal::field("email", FOREIGN).into()),
    }
}

/// Returns the user's phone if SMS can be sent to it, otherwise the mailbox.
fn default_channel(act: &Act, caller: &Caller) -> FactorKind {
    match sms::can_send(act, sms::phone_on(&caller.factors).as_deref()) {
        true => FactorKind::Sms,
        false => FactorKind::Email,
    }
}

/// Whether the user has proved this number.
fn is_proved(caller: &Caller, number: &str) -> bool {
    caller.factors.iter().any(|factor| {
        factor.kind == FactorKind::Sms
            && factor.state != FactorState::Pending
            && factor.target.as_deref() == Some(number)
    })
}
