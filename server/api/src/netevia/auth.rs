//! Operations to sign in, with a second factor if one is on.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{MfaRequired, SignInMethod, Success, TokenType};
use super::error::refuses;
use super::{Answer, App, Body};
use crate::flow;
use crate::flow::login::{self, SecondStepSupport};
use crate::http::input::{SecretText, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::kinds::FactorKind;
use crate::model::source::Source;
use crate::model::{Refusal, Secret};
use crate::outcome::{self, LoginResult, SessionTokens};

/// The methods that a second step can use in this API.
const CARRIES: SecondStepSupport = SecondStepSupport {
    methods: &[
        FactorKind::Authenticator,
        FactorKind::Email,
        FactorKind::Sms,
    ],
    sends: true,
};

refuses!(Authenticate: WITH_BODY, Validation, InvalidCredentials, TooManyPasswordAttempts);

/// Checks the password.
#[utoipa::path(operation_id = "authenticate", tag = "Authentication", request_body = AuthRequest,
    responses((status = 200, body = AuthResponse), Authenticate))]
#[post("/api/auth/v2")]
pub async fn authenticate(
    app: App,
    Client(source): Client,
    body: Body<AuthRequest>,
) -> Answer<AuthResponse> {
    let command = body.into_inner().command(source)?;
    let logged_in = app.run(login::begin, command).await?;
    Ok(Json(logged_in.into()))
}

refuses!(CompleteAuthentication: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Finishes the sign-in.
#[utoipa::path(operation_id = "completeAuthentication", tag = "Authentication", request_body = CompleteAuthRequest,
    responses((status = 200, body = AuthSuccessResponse), CompleteAuthentication))]
#[post("/api/auth/v2/2Fac")]
pub async fn complete_authentication(
    app: App,
    Client(source): Client,
    body: Body<CompleteAuthRequest>,
) -> Answer<AuthSuccessResponse> {
    let command = body.into_inner().command(source)?;
    let signed_in = app.run(login::verify, command).await?;
    Ok(Json(signed_in.into()))
}

/// A sign-in name in one of three fields, and the password.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 320))]
    #[schema(min_length = 1, max_length = 320, nullable = false)]
    login: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 320))]
    #[schema(min_length = 1, max_length = 320, nullable = false)]
    email: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 320))]
    #[schema(min_length = 1, max_length = 320, nullable = false)]
    user_name: Option<String>,
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
}

impl AuthRequest {
    fn command(self, source: Source) -> Result<login::Begin, Refusal> {
        let name = self.login.or(self.email).or(self.user_name);
        let missing = || {
            Refusal::field(
                "login",
                "Send the sign-in name, as login, email or userName.",
            )
        };
        Ok(login::Begin {
            name: name.ok_or_else(missing)?,
            password: self.password.into_secret(),
            carries: CARRIES,
            source,
        })
    }
}

/// The unfinished sign-in and the code that finishes it.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompleteAuthRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    code: Option<SecretText>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    token: Option<SecretText>,
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    mfa_token: SecretText,
}

impl CompleteAuthRequest {
    fn command(self, source: Source) -> Result<login::Verify, Refusal> {
        let missing = || Refusal::field("code", "Send the code, as code or as token.");
        let code = self.code.or(self.token).ok_or_else(missing)?;
        Ok(login::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::typed(&code.into_secret()),
            method: None,
            scratch: false,
            source,
        })
    }
}

/// A session, or the second step that is needed first.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "status", mapping(("success" = "#/components/schemas/AuthSuccessResponse"), ("mfaRequired" = "#/components/schemas/AuthMfaRequiredResponse"))))]
#[serde(untagged)]
pub enum AuthResponse {
    Success(Box<AuthSuccessResponse>),
    MfaRequired(AuthMfaRequiredResponse),
}

impl From<LoginResult> for AuthResponse {
    fn from(logged_in: LoginResult) -> Self {
        match logged_in {
            LoginResult::Session(signed_in) => Self::Success(Box::new((*signed_in).into())),
            LoginResult::Challenge(required) => Self::MfaRequired((*required).into()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSuccessResponse {
    #[schema(inline)]
    status: Success,
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    #[schema(inline)]
    token_type: TokenType,
    expires_in: u32,
    mfa_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<SessionTokens> for AuthSuccessResponse {
    fn from(signed_in: SessionTokens) -> Self {
        Self {
            status: Success::Success,
            message: "Signed in successfully.",
            token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            token_type: TokenType::Bearer,
            expires_in: signed_in.expires_in,
            mfa_required: false,
            recovery_codes_remaining: signed_in.recovery_codes_remaining,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthMfaRequiredResponse {
    #[schema(inline)]
    status: MfaRequired,
    message: &'static str,
    mfa_required: bool,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[schema(inline)]
    mfa_method: SignInMethod,
    #[schema(inline)]
    mfa_methods: Vec<SignInMethod>,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<outcome::SignInChallenge> for AuthMfaRequiredResponse {
    fn from(required: outcome::SignInChallenge) -> Self {
        let mfa_method = SignInMethod::from(required.method);
        Self {
            status: MfaRequired::MfaRequired,
            message: match mfa_method {
                _sent if required.unsent => {
                    "No code can be sent now, because too many were sent. Request one later, or enter one of your recovery codes."
                }
                SignInMethod::Sms => "Enter the code that was sent to your phone.",
                SignInMethod::Email => "Enter the code that was sent to your e-mail address.",
                SignInMethod::Authenticator => {
                    "Enter the current code from your authenticator app."
                }
                SignInMethod::Passkey | SignInMethod::RecoveryCode => {
                    "None of your methods works here. Enter one of your recovery codes."
                }
            },
            mfa_required: true,
            mfa_token: required.mfa_token,
            mfa_method,
            mfa_methods: required.methods.into_iter().map(Into::into).collect(),
            expires_at: required.expires_at.to_string(),
        }
    }
}
