//! Operations to send a code for a named action, and to check it.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{MfaMethod, Success, Verified};
use super::error::refuses;
use super::{Answer, App, Body, MaybeCaller};
use crate::flow::verification::{self, Subject, Verification};
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed_if;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Refusal, Secret};

refuses!(SendVerificationCode: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    ResendOnlyForEmail, MfaMethodUnavailable, TokenInvalid, TokenExpired, UserNotFound, TooManyMfaAttempts,
    TooManyMfaEmails, TooManyMfaSms, MaxResendLimit, ResendCooldown, TooManyRequests);

/// Sends a code.
#[utoipa::path(operation_id = "sendVerificationCode", tag = "Code Verification", request_body = SendCodeRequest,
    security((), ("bearerAuth" = [])), responses((status = 200, body = SendCodeResponse), SendVerificationCode))]
#[post("/api/CodeVerification/send")]
pub async fn send_verification_code(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<MaybeCaller, Body<SendCodeRequest>>,
) -> Answer<SendCodeResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    app.run(verification::send, command).await?;
    Ok(Json(SendCodeResponse::SENT))
}

refuses!(CheckVerificationCode: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, AuthenticatorClockOff, AuthenticatorNotConfigured, MfaAlreadyEnabled, MfaMethodNotEnabled,
    TokenInvalid, TokenExpired, InsufficientUserAuthentication, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Checks a code.
#[utoipa::path(operation_id = "checkVerificationCode", tag = "Code Verification", request_body = CheckCodeRequest,
    security((), ("bearerAuth" = [])), responses((status = 200, body = CheckCodeResponse), CheckVerificationCode))]
#[post("/api/CodeVerification/check")]
pub async fn check_verification_code(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<MaybeCaller, Body<CheckCodeRequest>>,
) -> Answer<CheckCodeResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    let verification = app.run(verification::check, command).await?;
    Ok(Json(verification.into()))
}

/// What a code is for, spelled as on the vendor's page.
#[derive(Clone, Copy, PartialEq, Eq, ToSchema)]
pub enum ShortMessageType {
    #[schema(rename = "UNKNOWN")]
    Unknown,
    #[schema(rename = "APPROVE_TRANSACTION")]
    ApproveTransaction,
    #[schema(rename = "APPROVE_PAYEE")]
    ApprovePayee,
    ApproveLinkedAccount,
    RestorePassword,
    AttemptLogin,
    TransferPoints,
    SetEwaRequest,
    ContactInfoUpdateRequest,
}

impl ShortMessageType {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::ApproveTransaction,
        Self::ApprovePayee,
        Self::ApproveLinkedAccount,
        Self::RestorePassword,
        Self::AttemptLogin,
        Self::TransferPoints,
        Self::SetEwaRequest,
        Self::ContactInfoUpdateRequest,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::ApproveTransaction => "APPROVE_TRANSACTION",
            Self::ApprovePayee => "APPROVE_PAYEE",
            Self::ApproveLinkedAccount => "ApproveLinkedAccount",
            Self::RestorePassword => "RestorePassword",
            Self::AttemptLogin => "AttemptLogin",
            Self::TransferPoints => "TransferPoints",
            Self::SetEwaRequest => "SetEwaRequest",
            Self::ContactInfoUpdateRequest => "ContactInfoUpdateRequest",
        }
    }
}

/// Accepts any case, with or without underscores: the vendor's page mixes them.
impl<'de> Deserialize<'de> for ShortMessageType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let word = plain(&String::deserialize(deserializer)?);
        let known = Self::ALL
            .into_iter()
            .find(|known| plain(known.as_str()) == word);
        known.ok_or_else(|| serde::de::Error::unknown_variant("", &[]))
    }
}

/// Returns what a request is about.
fn subject(kind: ShortMessageType, mfa_token: Option<SecretText>) -> Result<Subject, Refusal> {
    const FOREIGN: &str = "Send this only with AttemptLogin or ContactInfoUpdateRequest.";
    const MISSING: &str = "Send the mfaToken of the sign-in.";
    match (kind, mfa_token.map(SecretText::into_secret)) {
        (ShortMessageType::AttemptLogin, Some(token)) => Ok(Subject::SignIn(token)),
        (ShortMessageType::AttemptLogin, None) => Err(Refusal::field("mfaToken", MISSING)),
        (ShortMessageType::ContactInfoUpdateRequest, Some(token)) => Ok(Subject::Method(token)),
        (_action, Some(_)) => Err(Refusal::field("mfaToken", FOREIGN)),
        (action, None) => Ok(Subject::Action(action.as_str())),
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendCodeRequest {
    short_message_type: ShortMessageType,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    mfa_token: Option<SecretText>,
}

impl SendCodeRequest {
    fn command(
        self,
        caller: Option<Caller>,
        source: Source,
    ) -> Result<verification::Send, Refusal> {
        Ok(verification::Send {
            subject: subject(self.short_message_type, self.mfa_token)?,
            caller,
            source,
        })
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckCodeRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    code: SecretText,
    short_message_type: ShortMessageType,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    mfa_token: Option<SecretText>,
}

impl CheckCodeRequest {
    fn command(
        self,
        caller: Option<Caller>,
        source: Source,
    ) -> Result<verification::Check, Refusal> {
        Ok(verification::Check {
            subject: subject(self.short_message_type, self.mfa_token)?,
            code: self.code.into_secret(),
            caller,
            source,
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct SendCodeResponse {
    #[schema(inline)]
    status: Success,
    message: &'static str,
}

impl SendCodeResponse {
    const SENT: Self = Self {
        status: Success::Success,
        message: "Verification code sent successfully.",
    };
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckCodeResponse {
    #[schema(inline)]
    status: Verified,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mfa_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MfaMethod, required = false)]
    mfa_method: Option<MfaMethod>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    token: Option<Secret<String>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    refresh_token: Option<Secret<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_in: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<Verification> for CheckCodeResponse {
    fn from(verification: Verification) -> Self {
        let verified = Self {
            status: Verified::Verified,
            message: "Verification successful.",
            mfa_enabled: None,
            mfa_method: None,
            token: None,
            refresh_token: None,
            expires_in: None,
            recovery_codes_remaining: None,
        };
        match verification {
            Verification::SignIn(signed_in) => Self {
                token: Some(signed_in.access_token),
                refresh_token: Some(signed_in.refresh_token),
                expires_in: Some(signed_in.expires_in),
                recovery_codes_remaining: signed_in.recovery_codes_remaining,
                ..verified
            },
            Verification::Method(changed) => Self {
                mfa_enabled: Some(true),
                mfa_method: MfaMethod::of(changed.method),
                ..verified
            },
            Verification::Action => verified,
        }
    }
}
