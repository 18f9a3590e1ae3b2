//! An account's authenticator app and its scratch codes: set up, proved and removed by its user or by an
//! administrator.

use crate::app::Ctx;
use crate::flow::methods::{self, Change, Which};
use crate::flow::setup::{self, By, Confirm};
use crate::flow::{Answer, Target, target};
use crate::model::kinds::{CodeSetKind, FactorKind};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Fault, Refusal, Result, Secret};
use crate::outcome::{PendingSetup, SetupNeeds};

/// Whose authenticator to set up, and whether it replaces the present one.
pub struct Enable {
    /// The signed-in user.
    pub caller: Caller,
    /// The account's number.
    pub number: i64,
    /// Whether it replaces an authenticator that is on, once it is proved.
    pub recreate: bool,
    /// The address that the call came from.
    pub source: Source,
}

/// What the person enters into an app, and what they keep.
pub struct NewAuthenticator {
    /// The reference to send with the proof.
    pub mfa_token: Secret<String>,
    /// The secret, in base32.
    pub secret: Secret<String>,
    /// The secret as an `otpauth://` URI.
    pub otpauth_url: Secret<String>,
    /// The scratch codes. They count once the authenticator is proved.
    pub codes: Vec<Secret<String>>,
}

/// Begins to set up an authenticator with five scratch codes.
///
/// # Errors
/// As [`setup::begin`]. Also refuses another user's account to everybody but administrators.
pub async fn enable(ctx: &Ctx, command: Enable) -> Result<NewAuthenticator> {
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
    let PendingSetup {
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
        } => Ok(NewAuthenticator {
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
    /// The signed-in user.
    pub caller: Caller,
    /// The account's number.
    pub number: i64,
    /// A code of the app, or one of the scratch codes.
    pub code: Secret<String>,
    /// The reference that [`enable`] returned.
    pub token: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Proves the authenticator and turns it on.
///
/// # Errors
/// As [`setup::verify`]. Also refuses a reference of another account.
pub async fn accept(ctx: &Ctx, command: Accept) -> Result<()> {
    let account = target::find(ctx, &command.caller, Target::Number(command.number)).await?;
    let reference = Reference::parse(ReferenceKind::Challenge, command.token.expose());
    if reference.is_none_or(|reference| reference.user() != account.user.id) {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    let verify = setup::Verify {
        by: By::Token(command.token),
        answer: Answer::typed(&command.code),
        scratch: true,
        caller: Some(command.caller),
        source: command.source,
    };
    setup::verify(ctx, verify).await.map(|_changed| ())
}

/// Removes the authenticators and the scratch codes of an account.
///
/// # Errors
/// As [`methods::remove`].
pub async fn disable(ctx: &Ctx, caller: Caller, number: i64, source: Source) -> Result<()> {
    let command = Change {
        caller,
        target: Target::Number(number),
        source,
    };
    let which = Which::Kind(FactorKind::Authenticator);
    methods::remove(ctx, command, which).await.map(|_left| ())
}
