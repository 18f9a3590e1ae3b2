//! The second step of a sign-in.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{Method, MfaMethod, SessionStatus, TokenType, User, asks_for};
use super::error::refuses;
use super::mfa_setup::MfaVerifyRequest;
use super::{Answer, App, Body};
use crate::flow;
use crate::http::input::SecretText;
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::source::Source;
use crate::model::{Refusal, Secret};
use crate::outcome::{SessionTokens, WaitingChallenge};

refuses!(SwitchMfaMethod: WITH_BODY, Validation, InvalidMfaMethod, MfaTokenInvalid, MfaTokenExpired,
    MfaWrongPurpose, MfaNotEnabled, MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaEmails,
    TooManyMfaSms, TooManyRequests, TooManyMfaAttempts);

/// Switches this sign-in to another method.
#[utoipa::path(operation_id = "switchMfaMethod", tag = "MFA Login", request_body = MfaSwitchMethodRequest,
    responses((status = 200, body = MfaSwitchResponse), SwitchMfaMethod))]
#[post("/identity/mfa/login/switch")]
pub async fn switch_mfa_method(
    app: App,
    Client(source): Client,
    body: Body<MfaSwitchMethodRequest>,
) -> Answer<MfaSwitchResponse> {
    let command = body.into_inner().command(source)?;
    let waiting = app.run(flow::login::switch, command).await?;
    Ok(Json(waiting.into()))
}

refuses!(VerifyMfaLogin: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Finishes the sign-in.
#[utoipa::path(operation_id = "verifyMfaLogin", tag = "MFA Login", request_body = MfaVerifyRequest,
    responses((status = 200, body = MfaLoginVerifyResponse), VerifyMfaLogin))]
#[post("/identity/mfa/login/verify")]
pub async fn verify_mfa_login(
    app: App,
    Client(source): Client,
    body: Body<MfaVerifyRequest>,
) -> Answer<MfaLoginVerifyResponse> {
    let command = body.into_inner().login(source);
    let signed_in = app.run(flow::login::verify, command).await?;
    Ok(Json(signed_in.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MfaSwitchMethodRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    mfa_token: SecretText,
    #[schema(value_type = MfaMethod)]
    method: Method,
}

impl MfaSwitchMethodRequest {
    fn command(self, source: Source) -> Result<flow::login::Switch, Refusal> {
        Ok(flow::login::Switch {
            mfa_token: self.mfa_token.into_secret(),
            method: self.method.known()?,
            source,
        })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSwitchResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    method: MfaMethod,
}

impl From<WaitingChallenge> for MfaSwitchResponse {
    fn from(waiting: WaitingChallenge) -> Self {
        Self {
            message: asks_for(waiting.method, waiting.sent),
            mfa_token: waiting.mfa_token,
            method: waiting.method.into(),
        }
    }
}

/// The fields of `TokenResponse` and a sentence. They are written out, since the contract has them
/// in one object.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaLoginVerifyResponse {
    #[schema(inline)]
    status: SessionStatus,
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    #[schema(inline)]
    token_type: TokenType,
    expires_in: u32,
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<SessionTokens> for MfaLoginVerifyResponse {
    fn from(signed_in: SessionTokens) -> Self {
        Self {
            status: SessionStatus::SignedIn,
            message: "Signed in successfully.",
            access_token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            token_type: TokenType::Bearer,
            expires_in: signed_in.expires_in,
            user: signed_in.person.into(),
            recovery_codes_remaining: signed_in.recovery_codes_remaining,
        }
    }
}
