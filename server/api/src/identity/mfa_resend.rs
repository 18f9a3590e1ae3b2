//! The operation to send another code, if the first did not arrive.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::asks_for;
use super::error::refuses;
use super::{Answer, App, Body};
use crate::flow;
use crate::http::input::SecretText;
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::Secret;
use crate::model::source::Source;
use crate::outcome::ResentCode;

refuses!(ResendMfaCode: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, ResendOnlyForEmail,
    UserNotFound, ResendCooldown, MaxResendLimit, TooManyMfaEmails, TooManyMfaSms, TooManyRequests,
    TooManyMfaAttempts);

/// Sends a new code.
#[utoipa::path(operation_id = "resendMfaCode", tag = "MFA Resend", request_body = MfaResendRequest,
    responses((status = 200, body = MfaResendResponse), ResendMfaCode))]
#[post("/identity/mfa/resend")]
pub async fn resend_mfa_code(
    app: App,
    Client(source): Client,
    body: Body<MfaResendRequest>,
) -> Answer<MfaResendResponse> {
    let command = body.into_inner().command(source);
    let resent = app.run(flow::resend::resend, command).await?;
    Ok(Json(resent.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MfaResendRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    mfa_token: SecretText,
}

impl MfaResendRequest {
    fn command(self, source: Source) -> flow::resend::Resend {
        flow::resend::Resend {
            mfa_token: self.mfa_token.into_secret(),
            method: None,
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaResendResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    resends_remaining: u32,
    retry_after: u32,
}

impl From<ResentCode> for MfaResendResponse {
    fn from(resent: ResentCode) -> Self {
        Self {
            message: asks_for(resent.method, true),
            mfa_token: resent.mfa_token,
            resends_remaining: resent.resends_remaining,
            retry_after: resent.retry_after,
        }
    }
}
