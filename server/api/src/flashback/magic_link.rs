//! The mailbox as a second factor: a link, and the code beside it.

use actix_web::post;
use actix_web::web::Json;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{MessageResponse, of_link, of_pending};
use super::error::refuses;
use super::{Answer, App, Body, CallerOrPending};
use crate::flow::{self, setup};
use crate::http::caller::Who;
use crate::http::input::SecretText;
use crate::http::limits::Client;

refuses!(SendMagicLink: WITHOUT_BODY, MfaMethodNotConfigured, MfaMethodNotEnabled, TokenInvalid, TokenExpired,
    MfaMethodLocked, TooManyMfaAttempts, TooManyMfaEmails, MaxResendLimit, TooManyRequests);

/// Mails a link, unless one was mailed a moment ago.
#[utoipa::path(operation_id = "sendMagicLink", tag = "Magic Link",
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = MessageResponse), SendMagicLink))]
#[post("/mfa/magic-link/send")]
pub async fn send_magic_link(
    app: App,
    Client(source): Client,
    who: CallerOrPending,
) -> Answer<MessageResponse> {
    app.call(async |ctx| match who.into_inner() {
        Who::Caller(caller) => flow::resend::link_of_setup(ctx, *caller, source).await,
        Who::Pending(pending) => flow::resend::link_of_login(ctx, pending.mfa_token, source)
            .await
            .map_err(of_pending),
    })
    .await?;
    Ok(Json(MessageResponse::new("Magic link sent successfully")))
}

refuses!(ActivateMagicLink: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired,
    MfaWrongPurpose, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Takes the link of a set-up.
#[utoipa::path(operation_id = "activateMagicLink", tag = "Magic Link", request_body = ActivateMagicLinkRequest,
    responses((status = 200, body = MessageResponse), ActivateMagicLink))]
#[post("/mfa/magic-link/activate")]
pub async fn activate_magic_link(
    app: App,
    Client(source): Client,
    body: Body<ActivateMagicLinkRequest>,
) -> Answer<MessageResponse> {
    let token = body.into_inner().token.into_secret();
    let command = setup::Verify {
        by: setup::By::Link,
        answer: flow::Answer::typed(&token),
        scratch: false,
        caller: None,
        source,
    };
    app.call(async |ctx| setup::verify(ctx, command).await.map_err(of_link))
        .await?;
    Ok(Json(MessageResponse::new(
        "Magic link MFA activated successfully",
    )))
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct ActivateMagicLinkRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
}
