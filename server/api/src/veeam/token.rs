//! One operation with three grants to sign in, finish a sign-in and refresh tokens; and one to sign
//! out.

use actix_web::{HttpResponse, delete, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::dto::{PortalRole, UserType};
use super::error::{Error, refuses};
use super::{App, Caller, Form, Query, Utf8Json};
use crate::flow::grant::{self, Grant};
use crate::flow::login::{self, SecondStepSupport};
use crate::flow::{self, Answer};
use crate::http::input::{SecretText, Then};
use crate::http::limits::Client;
use crate::http::output::exposed_if;
use crate::model::kinds::{AnswerKind, FactorKind};
use crate::model::source::Source;
use crate::model::{Refusal, Secret};
use crate::outcome::{LoginResult, Person, SessionTokens, SignInChallenge};

/// The value of `.issued` and `.expires` if there is no token.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The methods that this API's `mfa_code` can be used for.
const CARRIES: SecondStepSupport = SecondStepSupport {
    methods: &[
        FactorKind::Authenticator,
        FactorKind::Email,
        FactorKind::Sms,
    ],
    sends: true,
};

refuses!(RequestToken: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, MfaMethodNotEnabled, InvalidCredentials, TokenInvalid, TokenExpired, MfaMethodLocked,
    UserNotFound, TooManyMfaAttempts, TooManyPasswordAttempts);

/// Signs in, finishes a sign-in, or refreshes tokens.
#[utoipa::path(operation_id = "requestToken", tag = "Authentication",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenResponse), RequestToken))]
#[post("/api/oauth2/token")]
pub async fn request_token(
    app: App,
    Client(source): Client,
    form: Form<TokenRequest>,
) -> super::Answer<TokenResponse> {
    let grant = form.into_inner().grant(source)?;
    let logged_in = app.run(grant::accept, grant).await?;
    Ok(Utf8Json(logged_in.into()))
}

refuses!(Logout: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Ends the session.
#[utoipa::path(operation_id = "logout", tag = "Sign-out", params(SignOut), security(("bearerAuth" = [])),
    responses((status = 204), Logout))]
#[delete("/api/oauth2/token")]
pub async fn logout(
    app: App,
    Client(source): Client,
    Then(caller, _version): Then<Caller, Query<SignOut>>,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| flow::session::logout(ctx, caller, source).await)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What clients send when they sign out. It has no effect.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SignOut {
    #[serde(rename = "api-version")]
    #[validate(length(max = 32))]
    #[param(max_length = 32)]
    api_version: Option<String>,
}

/// The form, with its names in lower case.
#[derive(Deserialize, Validate, ToSchema)]
pub struct TokenRequest {
    #[validate(length(max = 64))]
    #[schema(max_length = 64, nullable = false)]
    grant_type: Option<String>,
    #[validate(length(max = 320))]
    #[schema(max_length = 320, nullable = false)]
    username: Option<String>,
    #[validate(length(max = 4096))]
    #[schema(value_type = Option<String>, max_length = 4096, nullable = false)]
    password: Option<SecretText>,
    #[validate(length(max = 200))]
    #[schema(value_type = Option<String>, max_length = 200, nullable = false)]
    refresh_token: Option<SecretText>,
    #[validate(length(max = 200))]
    #[schema(value_type = Option<String>, max_length = 200, nullable = false)]
    mfa_token: Option<SecretText>,
    #[validate(length(max = 64))]
    #[schema(value_type = Option<String>, max_length = 64, nullable = false)]
    mfa_code: Option<SecretText>,
}

impl TokenRequest {
    fn grant(self, source: Source) -> Result<Grant, Refusal> {
        let named = self.grant_type.unwrap_or_default().to_lowercase();
        match named.as_str() {
            "" | "password" => Ok(Grant::Password(login::Begin {
                name: required("username", self.username)?,
                password: required("password", self.password)?.into_secret(),
                carries: CARRIES,
                source,
            })),
            "mfa" => Ok(Grant::SecondStep(login::Verify {
                mfa_token: required("mfa_token", self.mfa_token)?.into_secret(),
                answer: Answer::typed(&required("mfa_code", self.mfa_code)?.into_secret()),
                method: None,
                scratch: true,
                source,
            })),
            "refresh_token" => {
                let token = required("refresh_token", self.refresh_token)?.into_secret();
                Ok(Grant::Refresh { token, source })
            }
            _unknown => Err(Refusal::field(
                "grant_type",
                "This grant is not supported. Use Password, Mfa or Refresh_token.",
            )),
        }
    }
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::field(field, "This field is required."))
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Bearer,
}

/// A session, or the demand for a second step. Clients look at which of the two tokens is there.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    access_token: Option<Secret<String>>,
    #[schema(inline)]
    token_type: TokenType,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    refresh_token: Option<Secret<String>>,
    expires_in: u32,
    #[serde(rename = ".issued")]
    #[schema(format = DateTime)]
    issued: String,
    #[serde(rename = ".expires")]
    #[schema(format = DateTime)]
    expires: String,
    #[serde(rename = "userId")]
    #[schema(format = "uuid")]
    user_id: String,
    username: String,
    #[serde(rename = "roleName")]
    #[schema(inline)]
    role_name: PortalRole,
    #[serde(rename = "userType")]
    #[schema(inline)]
    user_type: UserType,
    #[serde(rename = "latestNewsShown")]
    latest_news_shown: bool,
    mfa_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    mfa_token: Option<Secret<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline, nullable = false)]
    mfa_method: Option<AskedMethod>,
    #[serde(rename = "shortLived")]
    short_lived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<LoginResult> for TokenResponse {
    fn from(logged_in: LoginResult) -> Self {
        match logged_in {
            LoginResult::Session(signed_in) => Self::session(*signed_in),
            LoginResult::Challenge(asked) => Self::challenge(*asked),
        }
    }
}

impl TokenResponse {
    fn session(signed_in: SessionTokens) -> Self {
        let lifetime = i64::from(signed_in.expires_in);
        Self {
            access_token: Some(signed_in.access_token),
            refresh_token: Some(signed_in.refresh_token),
            expires_in: signed_in.expires_in,
            issued: signed_in.issued_at.to_string(),
            expires: signed_in.issued_at.plus_seconds(lifetime).to_string(),
            recovery_codes_remaining: signed_in.recovery_codes_remaining,
            ..Self::tokenless(signed_in.person)
        }
    }

    fn challenge(asked: SignInChallenge) -> Self {
        let method = match asked.unsent {
            true => AskedMethod::RecoveryCode,
            false => asked.method.into(),
        };
        Self {
            mfa_enabled: true,
            mfa_token: Some(asked.mfa_token),
            mfa_method: Some(method),
            ..Self::tokenless(asked.person)
        }
    }

    /// Makes the fields that both kinds of answer share.
    fn tokenless(person: Person) -> Self {
        Self {
            access_token: None,
            token_type: TokenType::Bearer,
            refresh_token: None,
            expires_in: 0,
            issued: NEVER.to_owned(),
            expires: NEVER.to_owned(),
            user_id: person.id.to_string(),
            role_name: person.role.into(),
            username: person.email,
            user_type: UserType::Internal,
            latest_news_shown: true,
            mfa_enabled: person.asked,
            mfa_token: None,
            mfa_method: None,
            short_lived: false,
            recovery_codes_remaining: None,
        }
    }
}

/// The kind of code that is asked for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedMethod {
    Authenticator,
    Email,
    Sms,
    RecoveryCode,
}

impl From<AnswerKind> for AskedMethod {
    fn from(kind: AnswerKind) -> Self {
        match kind {
            AnswerKind::Method(FactorKind::Authenticator) => Self::Authenticator,
            AnswerKind::Method(FactorKind::Email) => Self::Email,
            AnswerKind::Method(FactorKind::Sms) => Self::Sms,
            // This API carries no passkeys, so no sign-in here waits for one.
            AnswerKind::Method(FactorKind::Passkey) | AnswerKind::CodeSet(_) => Self::RecoveryCode,
        }
    }
}
