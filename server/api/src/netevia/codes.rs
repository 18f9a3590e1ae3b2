//! Operations to send a code for a named action, and to check it.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::auth::{finish, verify};
use super::dto::{MfaMethod, Success, Verified};
use super::error::refuses;
use super::{Answer, App, Body, MaybeCaller};
use crate::app::Ctx;
use crate::flow::setup::By;
use crate::flow::{self, action, resend, setup};
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed_if;
use crate::model::kinds::Purpose;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::outcome::{FactorChange, SessionTokens};

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
    let (caller, body) = (caller.into_inner(), body.into_inner());
    app.call(async |ctx| send(ctx, caller, body, source).await)
        .await?;
    Ok(Json(SendCodeResponse {
        status: Success::Success,
        message: "Verification code sent successfully.",
    }))
}

async fn send(
    ctx: &Ctx,
    caller: Option<Caller>,
    body: SendCodeRequest,
    source: Source,
) -> Result<()> {
    match Subject::of(body.short_message_type, body.mfa_token)? {
        Subject::SignIn(mfa_token) => again(ctx, mfa_token, Purpose::Login, source).await,
        Subject::Channel(mfa_token) => again(ctx, mfa_token, Purpose::Setup, source).await,
        Subject::Action(action) => {
            let caller = caller.ok_or(Refusal::TokenInvalid { sent: false })?;
            let command = action::Send {
                caller,
                action,
                source,
            };
            action::send(ctx, command).await
        }
    }
}

async fn again(
    ctx: &Ctx,
    mfa_token: Secret<String>,
    purpose: Purpose,
    source: Source,
) -> Result<()> {
    let command = resend::Resend {
        mfa_token,
        method: None,
        source,
    };
    resend::resend_for(ctx, command, Some(purpose)).await?;
    Ok(())
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
    let (caller, body) = (caller.into_inner(), body.into_inner());
    let result = app
        .call(async |ctx| check(ctx, caller, body, source).await)
        .await?;
    Ok(Json(result.into()))
}

/// The result of a right code.
enum CodeResult {
    SignedIn(Box<SessionTokens>),
    TurnedOn(FactorChange),
    Confirmed,
}

async fn check(
    ctx: &Ctx,
    caller: Option<Caller>,
    body: CheckCodeRequest,
    source: Source,
) -> Result<CodeResult> {
    let code = body.code;
    match Subject::of(body.short_message_type, body.mfa_token)? {
        Subject::SignIn(mfa_token) => {
            let signed_in = finish(ctx, verify(mfa_token, code.into_secret(), source)).await?;
            Ok(CodeResult::SignedIn(Box::new(signed_in)))
        }
        Subject::Channel(mfa_token) => {
            let command = setup::Verify {
                by: By::Token(mfa_token),
                answer: flow::Answer::typed(&code.into_secret()),
                scratch: false,
                caller,
                source,
            };
            let changed = setup::verify(ctx, command).await;
            changed
                .map(CodeResult::TurnedOn)
                .map_err(|error| match error {
                    // An administrator began the set-up for another user than the caller.
                    Error::Refused(Refusal::Forbidden) => Refusal::MfaTokenInvalid.into(),
                    error => error,
                })
        }
        Subject::Action(action) => {
            let command = action::Check {
                caller: caller.ok_or(Refusal::TokenInvalid { sent: false })?,
                action,
                code: code.into_secret(),
                source,
            };
            action::check(ctx, command).await?;
            Ok(CodeResult::Confirmed)
        }
    }
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let word = plain(&String::deserialize(deserializer)?);
        let known = Self::ALL
            .into_iter()
            .find(|known| plain(known.as_str()) == word);
        known.ok_or_else(|| serde::de::Error::unknown_variant("", &[]))
    }
}

/// What a request is about.
enum Subject {
    /// An unfinished sign-in.
    SignIn(Secret<String>),
    /// A method that is being set up.
    Channel(Secret<String>),
    /// An action of the bearer.
    Action(&'static str),
}

impl Subject {
    fn of(kind: ShortMessageType, mfa_token: Option<SecretText>) -> Result<Self> {
        const FOREIGN: &str = "Send this only with AttemptLogin or ContactInfoUpdateRequest.";
        const MISSING: &str = "Send the mfaToken of the sign-in.";
        match (kind, mfa_token.map(SecretText::into_secret)) {
            (ShortMessageType::AttemptLogin, Some(token)) => Ok(Self::SignIn(token)),
            (ShortMessageType::AttemptLogin, None) => {
                Err(Refusal::field("mfaToken", MISSING).into())
            }
            (ShortMessageType::ContactInfoUpdateRequest, Some(token)) => Ok(Self::Channel(token)),
            (_action, Some(_)) => Err(Refusal::field("mfaToken", FOREIGN).into()),
            (action, None) => Ok(Self::Action(action.as_str())),
        }
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

#[derive(Serialize, ToSchema)]
pub struct SendCodeResponse {
    #[schema(inline)]
    status: Success,
    message: &'static str,
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

impl From<CodeResult> for CheckCodeResponse {
    fn from(result: CodeResult) -> Self {
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
        match result {
            CodeResult::SignedIn(signed_in) => Self {
                token: Some(signed_in.access_token),
                refresh_token: Some(signed_in.refresh_token),
                expires_in: Some(signed_in.expires_in),
                recovery_codes_remaining: signed_in.recovery_codes_remaining,
                ..verified
            },
            CodeResult::TurnedOn(changed) => Self {
                mfa_enabled: Some(true),
                mfa_method: MfaMethod::of(changed.method),
                ..verified
            },
            CodeResult::Confirmed => verified,
        }
    }
}
