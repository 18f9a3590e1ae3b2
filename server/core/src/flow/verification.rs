//! Codes by what they are for: an unfinished sign-in, a method that is being set up, or a named act.

use crate::app::Ctx;
use crate::flow::setup::By;
use crate::flow::{Answer, action, login, resend, setup};
use crate::model::kinds::Purpose;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::outcome::{FactorChange, SessionTokens};

/// What a code is for.
pub enum Subject {
    /// The unfinished sign-in of this reference.
    SignIn(Secret<String>),
    /// The method whose set-up has this reference.
    Method(Secret<String>),
    /// An act of the caller, as the API names it.
    Action(&'static str),
}

/// A code to send.
pub struct Send {
    /// What it is for.
    pub subject: Subject,
    /// The signed-in user. Only an act needs one.
    pub caller: Option<Caller>,
    /// The address that the call came from.
    pub source: Source,
}

/// Sends a code: again for a sign-in and a method, anew for an act.
///
/// # Errors
/// As [`resend::resend_for`] and [`action::send`]. Also refuses an act without a caller.
pub async fn send(ctx: &Ctx, command: Send) -> Result<()> {
    let source = command.source;
    let (mfa_token, purpose) = match command.subject {
        Subject::SignIn(mfa_token) => (mfa_token, Purpose::Login),
        Subject::Method(mfa_token) => (mfa_token, Purpose::Setup),
        Subject::Action(action) => {
            let command = action::Send {
                caller: known(command.caller)?,
                action,
                source,
            };
            return action::send(ctx, command).await;
        }
    };
    let again = resend::Resend {
        mfa_token,
        method: None,
        source,
    };
    let sent = resend::resend_for(ctx, again, Some(purpose)).await;
    sent.map(|_resent| ())
}

/// A code to check.
pub struct Check {
    /// What it is for.
    pub subject: Subject,
    /// The code, as typed.
    pub code: Secret<String>,
    /// The signed-in user. Only an act needs one.
    pub caller: Option<Caller>,
    /// The address that the call came from.
    pub source: Source,
}

/// What a right code leads to.
pub enum Verification {
    /// The sign-in is finished.
    SignIn(Box<SessionTokens>),
    /// The method is on.
    Method(FactorChange),
    /// The act is confirmed.
    Action,
}

/// Judges a code, and does what it is for.
///
/// # Errors
/// As [`login::verify`], [`setup::verify`] and [`action::check`]. Also refuses an act without a caller.
pub async fn check(ctx: &Ctx, command: Check) -> Result<Verification> {
    let Check {
        subject,
        code,
        caller,
        source,
    } = command;
    match subject {
        Subject::SignIn(mfa_token) => {
            let command = login::Verify {
                mfa_token,
                answer: Answer::typed(&code),
                method: None,
                scratch: false,
                source,
            };
            let signed_in = login::verify(ctx, command).await?;
            Ok(Verification::SignIn(Box::new(signed_in)))
        }
        Subject::Method(mfa_token) => {
            let command = setup::Verify {
                by: By::Token(mfa_token),
                answer: Answer::typed(&code),
                scratch: false,
                caller,
                source,
            };
            let changed = setup::verify(ctx, command).await;
            Ok(Verification::Method(changed.map_err(as_foreign)?))
        }
        Subject::Action(action) => {
            let command = action::Check {
                caller: known(caller)?,
                action,
                code,
                source,
            };
            action::check(ctx, command).await?;
            Ok(Verification::Action)
        }
    }
}

fn known(caller: Option<Caller>) -> Result<Caller> {
    Ok(caller.ok_or(Refusal::TokenInvalid { sent: false })?)
}

/// Translates the refusal of a set-up that an administrator began for another user than the caller.
fn as_foreign(error: Error) -> Error {
    match error {
        Error::Refused(Refusal::Forbidden) => Refusal::MfaTokenInvalid.into(),
        error => error,
    }
}
