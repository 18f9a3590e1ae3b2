//! Sign-ins that wait for their second step, for APIs whose clients send their reference as a bearer.

use crate::app::Ctx;
use crate::flow::{Act, challenge};
use crate::model::audit::Event;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Pending;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::store::{challenges, users};

/// Whether a bearer is the reference of a challenge: never a token of a session.
pub fn is_pending(bearer: &Secret<String>) -> bool {
    Reference::parse(ReferenceKind::Challenge, bearer.expose()).is_some()
}

/// Which sign-in this reference names, and whose it is.
///
/// # Errors
/// Refuses as a bearer what is no reference of a sign-in that waits.
pub async fn pending(ctx: &Ctx, bearer: Secret<String>) -> Result<Pending> {
    let act = Act::begin(ctx, Source::Console);
    let seen = challenge::look_waiting(ctx, &act, &bearer).await;
    let seen = seen.map_err(as_bearer)?;
    let user = seen.user.clone();
    let enforced = ctx.read(move |tx| users::enforced(tx, &user)).await?;
    Ok(Pending {
        mfa_token: bearer,
        challenge: seen.challenge.id,
        method: seen.challenge.kind,
        user: seen.user,
        demanded: seen.demanded,
        factors: seen.factors,
        enforced,
    })
}

/// Ends a sign-in without finishing it.
///
/// # Errors
/// Refuses one that was ended or finished meanwhile.
pub async fn abandon(ctx: &Ctx, pending: Pending, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let user = pending.user.id;
        if !challenges::spend(tx, user, pending.challenge, act.now)? {
            return Err(Refusal::TokenInvalid { sent: true }.into());
        }
        act.audit(tx, user, Event::SignedOut, Some("unfinished"))
    })
    .await
}

/// A refusal of a challenge, as it reads to who sent its reference as a bearer.
pub fn as_bearer(error: Error) -> Error {
    match error {
        Error::Refused(
            Refusal::MfaTokenInvalid | Refusal::MfaWrongPurpose | Refusal::UserNotFound,
        ) => Refusal::TokenInvalid { sent: true }.into(),
        Error::Refused(Refusal::MfaTokenExpired) => Refusal::TokenExpired.into(),
        error => error,
    }
}
