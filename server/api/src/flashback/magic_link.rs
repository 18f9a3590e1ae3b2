//! The mailbox as a second factor: a link, and the code beside it.

use actix_web::post;
use actix_web::web::Json;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{MessageResponse, of_link};
use super::error::refuses;
use super::{Answer, App, Body, CallerOrPending};
use crate::flow::{self, setup};
use crate::http::input::SecretText;
use crate::http::limits::Client;
use crate::model::source::Source;

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
    let sender = who.into_inner();
    app.call(async |ctx| flow::resend::link(ctx, sender, source).await)
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
    let command = body.into_inner().command(source);
    app.run(setup::verify, command).await.map_err(of_link)?;
    let message = "Magic link MFA activated successfully";
    Ok(Json(MessageResponse::new(message)))
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct ActivateMagicLinkRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
}

impl ActivateMagicLinkRequest {
    fn command(self, source: Source) -> setup::Verify {
        setup::Verify {
            by: setup::By::Link,
            answer: flow::Answer::typed(&self.token.into_secret()),
            scratch: false,
            caller: None,
            source,
        }
    }
}
