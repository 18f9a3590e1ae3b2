//! Sign-ins that wait for their second step, for APIs whose clients send the challenge's reference as a
//! bearer.

use crate::app::Ctx;
use crate::flow::{Act, challenge};
use crate::model::audit::Event;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Pending;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::store::{challenges, users};

/// Whether a bearer has the form of a challenge's reference. No session token has it.
pub fn is_pending(bearer: &Secret<String>) -> bool {
    Reference::parse(ReferenceKind::Challenge, bearer.expose()).is_some()
}

/// Finds the waiting sign-in that this reference points to.
///
/// # Errors
/// Refuses anything else, with the errors of a bearer.
pub async fn pending(ctx: &Ctx, bearer: Secret<String>) -> Result<Pending> {
    let act = Act::begin(ctx, Source::Console);
    let question = challenge::find_of_bearer(ctx, &act, &bearer).await;
    let question = question.map_err(as_bearer)?;
    let user = question.user.clone();
    let enforced = ctx.read(move |tx| users::enforced(tx, &user)).await?;
    Ok(Pending {
        mfa_token: bearer,
        challenge: question.challenge.id,
        method: question.challenge.kind,
        user: question.user,
        demanded: question.demanded,
        factors: question.factors,
        enforced,
    })
}

/// Ends a sign-in without finishing it.
///
/// # Errors
/// Refuses a sign-in that was ended or finished meanwhile.
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

/// Translates a challenge's refusal into one of a bearer, for clients who sent the reference as a bearer.
pub fn as_bearer(error: Error) -> Error {
    match error {
        Error::Refused(
            Refusal::MfaTokenInvalid | Refusal::MfaWrongPurpose | Refusal::UserNotFound,
        ) => Refusal::TokenInvalid { sent: true }.into(),
        Error::Refused(Refusal::MfaTokenExpired) => Refusal::TokenExpired.into(),
        error => error,
    }
}
