//! Operations to turn a method on: begin, then prove it.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{CODE_SENT, Method, MfaMethod, asks_for, methods};
use super::error::refuses;
use super::{Answer, App, Body, Caller, MaybeCaller};
use crate::flow;
use crate::http::input::{SecretText, Then, name as readable, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::kinds::FactorKind;
use crate::model::notice::masked;
use crate::model::session;
use crate::model::source::Source;
use crate::model::{Refusal, Secret};
use crate::outcome::{FactorChange, PendingSetup, SetupNeeds};

refuses!(SetupMfa: WITH_BODY, Validation, InvalidMfaMethod, InvalidPassword, MfaAlreadyEnabled,
    MfaMethodUnavailable, TokenInvalid, TokenExpired, InsufficientUserAuthentication, TooManyPasswordAttempts,
    TooManyMfaEmails, TooManyMfaSms, TooManyRequests);

/// Starts turning a method on.
#[utoipa::path(operation_id = "setupMfa", tag = "MFA Setup", request_body = MfaSetupRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = MfaSetupResponse), SetupMfa))]
#[post("/identity/mfa/setup")]
pub async fn setup_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<MfaSetupRequest>>,
) -> Answer<MfaSetupResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    let begun = app.run(flow::setup::begin, command).await?;
    Ok(Json(begun.into()))
}

refuses!(VerifyMfaSetup: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, AuthenticatorClockOff, AuthenticatorNotConfigured, MfaAlreadyEnabled, TokenInvalid,
    TokenExpired, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Confirms the set-up with a code.
#[utoipa::path(operation_id = "verifyMfaSetup", tag = "MFA Setup", request_body = MfaVerifyRequest,
    security((), ("bearerAuth" = [])), responses((status = 200, body = MfaVerifySetupResponse), VerifyMfaSetup))]
#[post("/identity/mfa/setup/verify")]
pub async fn verify_mfa_setup(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<MaybeCaller, Body<MfaVerifyRequest>>,
) -> Answer<MfaVerifySetupResponse> {
    let command = body.into_inner().setup(caller.into_inner(), source);
    let changed = app.run(flow::setup::verify, command).await?;
    Ok(Json(changed.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MfaSetupRequest {
    #[schema(value_type = MfaMethod)]
    method: Method,
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 64), custom(function = "readable"))]
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 32))]
    #[schema(min_length = 1, max_length = 32, nullable = false)]
    phone_number: Option<String>,
}

impl MfaSetupRequest {
    fn command(
        self,
        caller: session::Caller,
        source: Source,
    ) -> Result<flow::setup::Begin, Refusal> {
        Ok(flow::setup::Begin {
            caller,
            target: flow::Target::Own,
            method: self.method.known()?,
            confirm: flow::setup::Confirm::Password(self.password.into_secret()),
            name: self.name,
            phone: self.phone_number,
            codes: None,
            replace: false,
            source,
        })
    }
}

/// What the chosen method needs for its proof.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "method", mapping(("email" = "#/components/schemas/MfaSetupEmailResponse"), ("authenticator" = "#/components/schemas/MfaSetupAuthenticatorResponse"), ("sms" = "#/components/schemas/MfaSetupSmsResponse"), ("passkey" = "#/components/schemas/MfaSetupPasskeyResponse"))))]
#[serde(untagged)]
pub enum MfaSetupResponse {
    Email(MfaSetupEmailResponse),
    Authenticator(MfaSetupAuthenticatorResponse),
    Sms(MfaSetupSmsResponse),
    Passkey(MfaSetupPasskeyResponse),
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSetupEmailResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[schema(inline)]
    method: OnlyEmail,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnlyEmail {
    Email,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSetupAuthenticatorResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[schema(inline)]
    method: OnlyAuthenticator,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    secret: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    otpauth_url: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    qr_code: Secret<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnlyAuthenticator {
    Authenticator,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSetupSmsResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[schema(inline)]
    method: OnlySms,
    phone_number: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnlySms {
    Sms,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSetupPasskeyResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[schema(inline)]
    method: OnlyPasskey,
    #[schema(value_type = Object)]
    public_key: Value,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnlyPasskey {
    Passkey,
}

impl From<PendingSetup> for MfaSetupResponse {
    fn from(begun: PendingSetup) -> Self {
        let mfa_token = begun.mfa_token;
        match begun.needs {
            SetupNeeds::Email => Self::Email(MfaSetupEmailResponse {
                message: CODE_SENT,
                mfa_token,
                method: OnlyEmail::Email,
            }),
            SetupNeeds::Sms { phone } => Self::Sms(MfaSetupSmsResponse {
                message: asks_for(FactorKind::Sms, true),
                mfa_token,
                method: OnlySms::Sms,
                phone_number: masked(&phone),
            }),
            SetupNeeds::Passkey { options } => Self::Passkey(MfaSetupPasskeyResponse {
                message: "Confirm with your device to make the passkey.",
                mfa_token,
                method: OnlyPasskey::Passkey,
                public_key: options,
            }),
            SetupNeeds::Authenticator {
                secret,
                otpauth_url,
                qr_code,
            } => Self::Authenticator(MfaSetupAuthenticatorResponse {
                message: "Scan the QR code with your authenticator app, then enter the code it shows.",
                mfa_token,
                method: OnlyAuthenticator::Authenticator,
                secret,
                otpauth_url,
                qr_code,
            }),
        }
    }
}

/// A challenge and the code that answers it, for set-up, sign-in, turning off and step-up.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MfaVerifyRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    mfa_token: SecretText,
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    code: SecretText,
}

impl MfaVerifyRequest {
    /// Makes the command that turns a method on.
    pub fn setup(self, caller: Option<session::Caller>, source: Source) -> flow::setup::Verify {
        flow::setup::Verify {
            by: flow::setup::By::Token(self.mfa_token.into_secret()),
            answer: flow::Answer::typed(&self.code.into_secret()),
            scratch: false,
            caller,
            source,
        }
    }

    /// Makes the command that turns a method off.
    pub fn disable(self, caller: Option<session::Caller>, source: Source) -> flow::disable::Verify {
        flow::disable::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::typed(&self.code.into_secret()),
            caller,
            source,
        }
    }

    /// Makes the command that finishes a step-up.
    pub fn step_up(self, caller: session::Caller, source: Source) -> flow::step_up::Verify {
        flow::step_up::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::typed(&self.code.into_secret()),
            caller: Some(caller),
            source,
        }
    }

    /// Makes the command that finishes a new password.
    pub fn password_reset(self, source: Source) -> flow::password_reset::Verify {
        flow::password_reset::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::typed(&self.code.into_secret()),
            source,
        }
    }

    /// Makes the command that finishes a sign-in.
    pub fn login(self, source: Source) -> flow::login::Verify {
        flow::login::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::typed(&self.code.into_secret()),
            method: None,
            scratch: false,
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaVerifySetupResponse {
    message: &'static str,
    mfa_methods: Vec<MfaMethod>,
    #[schema(format = DateTime)]
    enabled_at: String,
    method: MfaMethod,
}

impl From<FactorChange> for MfaVerifySetupResponse {
    fn from(changed: FactorChange) -> Self {
        Self {
            message: match changed.method {
                FactorKind::Email => {
                    "Email MFA enabled successfully. Your account is now more secure."
                }
                FactorKind::Authenticator => {
                    "Authenticator MFA enabled successfully. Your account is now more secure."
                }
                FactorKind::Sms => "SMS MFA enabled successfully. Your account is now more secure.",
                FactorKind::Passkey => {
                    "Passkey MFA enabled successfully. Your account is now more secure."
                }
            },
            mfa_methods: methods(&changed.methods),
            enabled_at: changed.at.to_string(),
            method: changed.method.into(),
        }
    }
}
