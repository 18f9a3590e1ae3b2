//! A new address for an account, and the way back to the old one.

use actix_web::http::StatusCode;
use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::User;
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller};
use crate::flow;
use crate::http::input::{SecretText, Then};
use crate::http::limits::Client;
use crate::model::session;
use crate::model::source::Source;

refuses!(BeginEmailChange: WITH_BODY, Validation, InvalidPassword, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, TooManyPasswordAttempts, TooManyRequests);

/// Mails a code to the new address.
#[utoipa::path(operation_id = "beginEmailChange", tag = "Account", request_body = BeginEmailChangeRequest,
    security(("bearerAuth" = [])), responses((status = 202, body = BeginEmailChangeAnswer), BeginEmailChange))]
#[post("/identity/me/email")]
pub async fn begin_email_change(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<BeginEmailChangeRequest>>,
) -> Result<(Json<BeginEmailChangeAnswer>, StatusCode), Error> {
    let command = body.into_inner().command(caller.into_inner(), source);
    app.run(flow::email_change::begin, command).await?;
    Ok((Json(BeginEmailChangeAnswer::SENT), StatusCode::ACCEPTED))
}

refuses!(VerifyEmailChange: WITH_BODY, Validation, EmailChangeInvalid, EmailChangeExpired,
    InvalidEmailChangeCode, TokenInvalid, TokenExpired, TooManyEmailChangeAttempts);

/// Gives the account the address that the code was mailed to.
#[utoipa::path(operation_id = "verifyEmailChange", tag = "Account", request_body = VerifyEmailChangeRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = User), VerifyEmailChange))]
#[post("/identity/me/email/verify")]
pub async fn verify_email_change(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<VerifyEmailChangeRequest>>,
) -> Answer<User> {
    let command = body.into_inner().command(caller.into_inner(), source);
    let person = app.run(flow::email_change::verify, command).await?;
    Ok(Json(person.into()))
}

refuses!(UndoEmailChange: WITH_BODY, Validation, UndoTokenInvalid, UndoTokenExpired);

/// Restores the address that the link was mailed to.
#[utoipa::path(operation_id = "undoEmailChange", tag = "Account", request_body = UndoEmailChangeRequest,
    responses((status = 200, body = UndoEmailChangeAnswer), UndoEmailChange))]
#[post("/identity/email/undo")]
pub async fn undo_email_change(
    app: App,
    Client(source): Client,
    body: Body<UndoEmailChangeRequest>,
) -> Answer<UndoEmailChangeAnswer> {
    let command = body.into_inner().command(source);
    app.run(flow::email_undo::undo, command).await?;
    Ok(Json(UndoEmailChangeAnswer::RESTORED))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginEmailChangeRequest {
    #[validate(length(max = 254))]
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
}

impl BeginEmailChangeRequest {
    fn command(self, caller: session::Caller, source: Source) -> flow::email_change::Begin {
        flow::email_change::Begin {
            caller,
            email: self.email,
            password: self.password.into_secret(),
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct BeginEmailChangeAnswer {
    message: &'static str,
}

impl BeginEmailChangeAnswer {
    const SENT: Self = Self {
        message: "If this address can be used, a code is on its way to it. Please check that inbox.",
    };
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmailChangeRequest {
    #[validate(length(min = 1, max = 64))]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    code: SecretText,
}

impl VerifyEmailChangeRequest {
    fn command(self, caller: session::Caller, source: Source) -> flow::email_change::Verify {
        flow::email_change::Verify {
            caller,
            code: self.code.into_secret(),
            source,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoEmailChangeRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
}

impl UndoEmailChangeRequest {
    fn command(self, source: Source) -> flow::email_undo::Undo {
        flow::email_undo::Undo {
            token: self.token.into_secret(),
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct UndoEmailChangeAnswer {
    message: &'static str,
}

impl UndoEmailChangeAnswer {
    const RESTORED: Self = Self {
        message: "The address is restored, and all sessions have ended. Choose a new password now.",
    };
}
