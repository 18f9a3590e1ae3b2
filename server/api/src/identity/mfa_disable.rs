//! Operations to turn a method off: begin, then confirm with a code of that method.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{self, Method, MfaMethod, asks_for, methods};
use super::error::refuses;
use super::mfa_setup::MfaVerifyRequest;
use super::{Answer, App, Body, Caller, MaybeCaller};
use crate::flow;
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::kinds::FactorKind;
use crate::model::session;
use crate::model::source::Source;
use crate::model::{Refusal, Secret};
use crate::outcome::{FactorChange, WaitingChallenge};

refuses!(DisableMfa: WITH_BODY, Validation, InvalidMfaMethod, InvalidPassword, MfaNotEnabled,
    MfaMethodNotEnabled, TokenInvalid, TokenExpired, MfaEnforced, FactorNotFound, TooManyPasswordAttempts,
    TooManyMfaEmails, TooManyMfaSms, TooManyRequests);

/// Starts turning a method off.
#[utoipa::path(operation_id = "disableMfa", tag = "MFA Disable", request_body = MfaDisableRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = MfaDisableInitResponse), DisableMfa))]
#[post("/identity/mfa/disable")]
pub async fn disable_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<MfaDisableRequest>>,
) -> Answer<MfaDisableInitResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    let waiting = app.run(flow::disable::begin, command).await?;
    Ok(Json(waiting.into()))
}

refuses!(VerifyMfaDisable: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, AuthenticatorClockOff, MfaMethodNotEnabled, TokenInvalid, TokenExpired, MfaMethodLocked,
    MfaEnforced, UserNotFound, TooManyMfaAttempts);

/// Confirms with a code.
#[utoipa::path(operation_id = "verifyMfaDisable", tag = "MFA Disable", request_body = MfaVerifyRequest,
    security((), ("bearerAuth" = [])),
    responses((status = 200, body = MfaVerifyDisableResponse), VerifyMfaDisable))]
#[post("/identity/mfa/disable/verify")]
pub async fn verify_mfa_disable(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<MaybeCaller, Body<MfaVerifyRequest>>,
) -> Answer<MfaVerifyDisableResponse> {
    let command = body.into_inner().disable(caller.into_inner(), source);
    let changed = app.run(flow::disable::verify, command).await?;
    Ok(Json(changed.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MfaDisableRequest {
    #[schema(value_type = MfaMethod)]
    method: Method,
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 64))]
    #[schema(
        min_length = 1,
        max_length = 64,
        nullable = false,
        pattern = "^factor-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    factor_id: Option<String>,
}

impl MfaDisableRequest {
    fn command(
        self,
        caller: session::Caller,
        source: Source,
    ) -> Result<flow::disable::Begin, Refusal> {
        let method = match self.method.known()? {
            // A passkey has no code to confirm with. Its owner removes it from the list instead.
            FactorKind::Passkey => return Err(Refusal::InvalidMfaMethod),
            other => other,
        };
        let written = self.factor_id.as_deref();
        let factor_id = written.map(|id| dto::factor_id("factorId", id));
        Ok(flow::disable::Begin {
            caller,
            method,
            factor_id: factor_id.transpose()?,
            password: self.password.into_secret(),
            source,
        })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaDisableInitResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    method: MfaMethod,
}

impl From<WaitingChallenge> for MfaDisableInitResponse {
    fn from(waiting: WaitingChallenge) -> Self {
        Self {
            message: asks_for(waiting.method, waiting.sent),
            mfa_token: waiting.mfa_token,
            method: waiting.method.into(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaVerifyDisableResponse {
    message: &'static str,
    mfa_methods: Vec<MfaMethod>,
    #[schema(format = DateTime)]
    disabled_at: String,
    method: MfaMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<(FactorChange, Option<u32>)> for MfaVerifyDisableResponse {
    fn from((changed, recovery_codes_remaining): (FactorChange, Option<u32>)) -> Self {
        Self {
            message: match changed.method {
                FactorKind::Email => "Email MFA disabled successfully.",
                FactorKind::Authenticator => "Authenticator MFA disabled successfully.",
                FactorKind::Sms => "SMS MFA disabled successfully.",
                FactorKind::Passkey => "Passkey MFA disabled successfully.",
            },
            mfa_methods: methods(&changed.methods),
            disabled_at: changed.at.to_string(),
            method: changed.method.into(),
            recovery_codes_remaining,
        }
    }
}
