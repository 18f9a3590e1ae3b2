//! One door for the three grants of a token: a password, the second step, a refresh token.

use crate::app::Ctx;
use crate::flow::{login, session};
use crate::model::source::Source;
use crate::model::{Result, Secret};
use crate::outcome::LoginResult;

/// What a token is asked for with.
pub enum Grant {
    /// A name and a password.
    Password(login::Begin),
    /// The answer of a second step.
    SecondStep(login::Verify),
    /// A refresh token.
    Refresh {
        /// The token.
        token: Secret<String>,
        /// The address that the call came from.
        source: Source,
    },
}

/// Begins, finishes or refreshes a sign-in, whichever the grant is for.
///
/// # Errors
/// As [`login::begin`], [`login::verify`] and [`session::refresh`].
pub async fn accept(ctx: &Ctx, grant: Grant) -> Result<LoginResult> {
    let signed_in = match grant {
        Grant::Password(command) => return login::begin(ctx, command).await,
        Grant::SecondStep(command) => login::verify(ctx, command).await?,
        Grant::Refresh { token, source } => session::refresh(ctx, token, source).await?,
    };
    Ok(LoginResult::Session(Box::new(signed_in)))
}
