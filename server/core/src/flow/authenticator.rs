//! An account's authenticator with its scratch codes, one's own or, for administrators, anybody's: set up,
//! proved, removed.

use crate::app::Ctx;
use crate::flow::setup::{self, By, Confirm};
use crate::flow::toggle::{self, Target, Toggle, Which};
use crate::flow::{Answer, administration};
use crate::model::kinds::{CodeSetKind, FactorKind};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Fault, Refusal, Result, Secret};
use crate::outcome::{SetupBegun, SetupNeeds};

/// Whose authenticator, and whether one that is on is replaced.
pub struct Enable {
    /// Who asks.
    pub caller: Caller,
    /// The account's number.
    pub number: i64,
    /// Whether an authenticator that is on is replaced once the new one is proved.
    pub recreate: bool,
    /// Where it came from.
    pub source: Source,
}

/// What to put into an app, and what to keep.
pub struct Enabled {
    /// What to send with the proof.
    pub mfa_token: Secret<String>,
    /// The secret in base32.
    pub secret: Secret<String>,
    /// The same as an `otpauth://` URI.
    pub otpauth_url: Secret<String>,
    /// The scratch codes; they count once the authenticator was proved.
    pub codes: Vec<Secret<String>>,
}

/// Begins with an authenticator and five scratch codes.
///
/// # Errors
/// As [`setup::begin`], and refuses somebody else's account to all but administrators.
pub async fn enable(ctx: &Ctx, command: Enable) -> Result<Enabled> {
    let begin = setup::Begin {
        caller: command.caller,
        target: Target::Number(command.number),
        method: FactorKind::Authenticator,
        confirm: Confirm::Session,
        name: None,
        phone: None,
        codes: Some(CodeSetKind::Scratch),
        replace: command.recreate,
        source: command.source,
    };
    let SetupBegun {
        mfa_token,
        needs,
        codes,
        ..
    } = setup::begin(ctx, begin).await?;
    match needs {
        SetupNeeds::Authenticator {
            secret,
            otpauth_url,
            ..
        } => Ok(Enabled {
            mfa_token,
            secret,
            otpauth_url,
            codes,
        }),
        _another => Err(Fault::bug(anyhow::anyhow!("an authenticator without a secret")).into()),
    }
}

/// The proof of an authenticator.
pub struct Accept {
    /// Who asks.
    pub caller: Caller,
    /// The account's number.
    pub number: i64,
    /// A code of the app, or one of the scratch codes.
    pub code: Secret<String>,
    /// What [`enable`] answered.
    pub token: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// Proves the authenticator and turns it on.
///
/// # Errors
/// As [`setup::verify`]; refuses a token that is not of this account.
pub async fn accept(ctx: &Ctx, command: Accept) -> Result<()> {
    let target = administration::target(ctx, &command.caller, command.number).await?;
    let reference = Reference::parse(ReferenceKind::Challenge, command.token.expose());
    if reference.is_none_or(|reference| reference.user() != target.user.id) {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    let verify = setup::Verify {
        by: By::Token(command.token),
        answer: Answer::Code(command.code),
        scratch: true,
        caller: Some(command.caller),
        source: command.source,
    };
    setup::verify(ctx, verify).await.map(|_changed| ())
}

/// Removes the authenticators and the scratch codes of an account.
///
/// # Errors
/// As [`toggle::remove`].
pub async fn disable(ctx: &Ctx, caller: Caller, number: i64, source: Source) -> Result<()> {
    let command = Toggle {
        caller,
        target: Target::Number(number),
        source,
    };
    let which = Which::Kind(FactorKind::Authenticator);
    toggle::remove(ctx, command, which).await.map(|_left| ())
}
