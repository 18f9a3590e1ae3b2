//! Step-up: fresh proof in an open session (RFC 9470).

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{
    Acr, ChallengeStatus, Method, MfaMethod, StepUpStatus, TokenType, asks_for, methods,
};
use super::error::refuses;
use super::mfa_setup::MfaVerifyRequest;
use super::passkeys::PasskeyVerifyRequest;
use super::{Answer, App, Body, Caller, OptionalBody};
use crate::flow;
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::session;
use crate::model::source::Source;
use crate::model::{Refusal, Secret};
use crate::outcome::{LiftedSession, StepUpChallenge, StepUpResult};

refuses!(BeginStepUp: WITH_BODY, Validation, InvalidMfaMethod, InvalidPassword, MfaMethodNotEnabled,
    TokenInvalid, TokenExpired, MfaNotEnabled, MfaMethodTooNew, MfaMethodLocked, TooManyPasswordAttempts, TooManyMfaEmails,
    TooManyMfaSms, TooManyRequests);

/// Starts a step-up of the bearer's session.
#[utoipa::path(operation_id = "beginStepUp", tag = "Step-up", request_body = Option<StepUpRequest>,
    security(("bearerAuth" = [])), responses((status = 200, body = StepUpResponse), BeginStepUp))]
#[post("/identity/step-up")]
pub async fn begin_step_up(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, OptionalBody<StepUpRequest>>,
) -> Answer<StepUpResponse> {
    let body = body.into_inner().unwrap_or_default();
    let command = body.command(caller.into_inner(), source)?;
    let begun = app.run(flow::step_up::begin, command).await?;
    Ok(Json(begun.into()))
}

refuses!(VerifyStepUp: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose, InvalidMfaCode,
    AuthenticatorClockOff, MfaMethodNotEnabled, TokenInvalid, TokenExpired, MfaMethodTooNew, MfaMethodLocked, UserNotFound,
    TooManyMfaAttempts);

/// Finishes the step-up with a code.
#[utoipa::path(operation_id = "verifyStepUp", tag = "Step-up", request_body = MfaVerifyRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = StepUpCompleteResponse), VerifyStepUp))]
#[post("/identity/step-up/verify")]
pub async fn verify_step_up(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<MfaVerifyRequest>>,
) -> Answer<StepUpCompleteResponse> {
    let command = body.into_inner().step_up(caller.into_inner(), source);
    let lifted = app.run(flow::step_up::verify, command).await?;
    Ok(Json(lifted.into()))
}

refuses!(VerifyPasskeyStepUp: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    PasskeyRefused, MfaMethodNotEnabled, TokenInvalid, TokenExpired, MfaMethodTooNew, MfaMethodLocked, UserNotFound,
    TooManyMfaAttempts);

/// Finishes the step-up with a passkey.
#[utoipa::path(operation_id = "verifyPasskeyStepUp", tag = "Step-up", request_body = PasskeyVerifyRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = StepUpCompleteResponse), VerifyPasskeyStepUp))]
#[post("/identity/step-up/verify-passkey")]
pub async fn verify_passkey_step_up(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<PasskeyVerifyRequest>>,
) -> Answer<StepUpCompleteResponse> {
    let command = body.into_inner().step_up(caller.into_inner(), source);
    let lifted = app.run(flow::step_up::verify, command).await?;
    Ok(Json(lifted.into()))
}

#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUpRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<MfaMethod>, nullable = false)]
    method: Option<Method>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096, nullable = false)]
    password: Option<SecretText>,
}

impl StepUpRequest {
    fn command(
        self,
        caller: session::Caller,
        source: Source,
    ) -> Result<flow::step_up::Begin, Refusal> {
        Ok(flow::step_up::Begin {
            caller,
            method: self.method.map(Method::known).transpose()?,
            password: self.password.map(SecretText::into_secret),
            source,
        })
    }
}

/// A challenge, or the session with fresh proof.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "status", mapping(("mfa_required" = "#/components/schemas/StepUpChallengeResponse"), ("stepped_up" = "#/components/schemas/StepUpCompleteResponse"))))]
#[serde(untagged)]
pub enum StepUpResponse {
    Challenge(StepUpChallengeResponse),
    Complete(StepUpCompleteResponse),
}

impl From<StepUpResult> for StepUpResponse {
    fn from(begun: StepUpResult) -> Self {
        match begun {
            StepUpResult::Challenge(required) => Self::Challenge(required.into()),
            StepUpResult::Lifted(lifted) => Self::Complete((*lifted).into()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepUpChallengeResponse {
    #[schema(inline)]
    status: ChallengeStatus,
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    method: MfaMethod,
    mfa_methods: Vec<MfaMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    public_key: Option<Value>,
}

impl From<StepUpChallenge> for StepUpChallengeResponse {
    fn from(required: StepUpChallenge) -> Self {
        Self {
            status: ChallengeStatus::MfaRequired,
            message: asks_for(required.method, required.sent),
            mfa_token: required.mfa_token,
            method: required.method.into(),
            mfa_methods: methods(&required.methods),
            public_key: required.options,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepUpCompleteResponse {
    #[schema(inline)]
    status: StepUpStatus,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    #[schema(inline)]
    token_type: TokenType,
    expires_in: u32,
    #[schema(inline)]
    acr: Acr,
    #[schema(format = DateTime)]
    auth_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<LiftedSession> for StepUpCompleteResponse {
    fn from(lifted: LiftedSession) -> Self {
        Self {
            status: StepUpStatus::SteppedUp,
            access_token: lifted.access_token,
            token_type: TokenType::Bearer,
            expires_in: lifted.expires_in,
            acr: lifted.acr.into(),
            auth_time: lifted.auth_time.to_string(),
            recovery_codes_remaining: lifted.recovery_codes_remaining,
        }
    }
}
