//! Signing in, finishing a sign-in and refreshing: one operation, three grants.

use actix_web::post;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::PortalRole;
use super::error::refuses;
use super::{App, Form, Utf8Json};
use crate::flow::login::Carries;
use crate::flow::{self, Answer};
use crate::http::input::SecretText;
use crate::http::output::exposed;
use crate::model::kinds::FactorKind;
use crate::model::source::Source;
use crate::model::{Refusal, Secret, Time};
use crate::outcome::{LoggedIn, MfaRequired, Person, SignedIn};

/// What `.issued` and `.expires` say while there is no token.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What this API's `mfa_code` can carry.
const CARRIES: Carries = Carries {
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

/// Signs in, finishes a sign-in, or refreshes.
#[utoipa::path(operation_id = "requestToken", tag = "Authentication",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer), RequestToken))]
#[post("/api/oauth2/token")]
pub async fn request_token(
    app: App,
    source: Source,
    form: Form<TokenRequest>,
) -> super::Answer<TokenAnswer> {
    let grant = form.into_inner().grant()?;
    let logged_in = app
        .call(async |ctx| match grant {
            Grant::Password { name, password } => {
                let command = flow::login::Begin {
                    name,
                    password,
                    carries: CARRIES,
                    source,
                };
                flow::login::begin(ctx, command).await
            }
            Grant::Mfa { mfa_token, code } => {
                let command = flow::login::Verify {
                    mfa_token,
                    answer: Answer::Code(code),
                    method: None,
                    scratch: true,
                    source,
                };
                let signed_in = flow::login::verify(ctx, command).await?;
                Ok(LoggedIn::Session(Box::new(signed_in)))
            }
            Grant::Refresh(token) => {
                let signed_in = flow::session::refresh(ctx, token, source).await?;
                Ok(LoggedIn::Session(Box::new(signed_in)))
            }
        })
        .await?;
    Ok(Utf8Json(TokenAnswer::new(logged_in, app.ctx().now())))
}

/// The form, its names in lower case.
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

/// What is asked for.
enum Grant {
    Password {
        name: String,
        password: Secret<String>,
    },
    Mfa {
        mfa_token: Secret<String>,
        code: Secret<String>,
    },
    Refresh(Secret<String>),
}

impl TokenRequest {
    fn grant(self) -> Result<Grant, Refusal> {
        let named = self.grant_type.unwrap_or_default().to_lowercase();
        match named.as_str() {
            "" | "password" => Ok(Grant::Password {
                name: required("username", self.username)?,
                password: required("password", self.password)?.into_secret(),
            }),
            "mfa" => Ok(Grant::Mfa {
                mfa_token: required("mfa_token", self.mfa_token)?.into_secret(),
                code: required("mfa_code", self.mfa_code)?.into_secret(),
            }),
            "refresh_token" => {
                let token = required("refresh_token", self.refresh_token)?;
                Ok(Grant::Refresh(token.into_secret()))
            }
            _unknown => Err(Refusal::field(
                "grant_type",
                "This grant is not known here. Use Password, Mfa or Refresh_token.",
            )),
        }
    }
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::field(field, "This field is required."))
}

/// Tokens, or the demand for a second step.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum TokenAnswer {
    SignedIn(TokenResponse),
    MfaRequired(MfaRequiredResponse),
}

impl TokenAnswer {
    fn new(logged_in: LoggedIn, now: Time) -> Self {
        match logged_in {
            LoggedIn::Session(signed_in) => Self::SignedIn(TokenResponse::new(*signed_in, now)),
            LoggedIn::Challenge(asked) => Self::MfaRequired((*asked).into()),
        }
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Bearer,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
pub enum UserType {
    Internal,
}

/// The fields that both answers have, in one object with theirs in the contract.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    #[schema(inline)]
    token_type: TokenType,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
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
    #[serde(rename = "shortLived")]
    short_lived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl TokenResponse {
    fn new(signed_in: SignedIn, now: Time) -> Self {
        let person = signed_in.person;
        Self {
            access_token: signed_in.access_token,
            token_type: TokenType::Bearer,
            refresh_token: signed_in.refresh_token,
            expires_in: signed_in.expires_in,
            issued: now.to_string(),
            expires: now
                .plus_seconds(i64::from(signed_in.expires_in))
                .to_string(),
            mfa_enabled: person.asked,
            user_id: person.id.to_string(),
            role_name: person.role.into(),
            username: person.email,
            user_type: UserType::Internal,
            latest_news_shown: true,
            short_lived: false,
            recovery_codes_remaining: signed_in.recovery_codes_remaining,
        }
    }
}

/// The second step is asked for: clients look whether `mfa_token` is there.
#[derive(Serialize, ToSchema)]
#[schema(as = MFARequiredResponse)]
pub struct MfaRequiredResponse {
    #[schema(inline)]
    token_type: TokenType,
    expires_in: u32,
    #[serde(rename = ".issued")]
    #[schema(value_type = String, format = DateTime)]
    issued: &'static str,
    #[serde(rename = ".expires")]
    #[schema(value_type = String, format = DateTime)]
    expires: &'static str,
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
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[schema(inline)]
    mfa_method: AskedMethod,
    #[serde(rename = "shortLived")]
    short_lived: bool,
}

/// Which code is asked for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedMethod {
    Authenticator,
    Email,
    Sms,
    RecoveryCode,
}

impl From<FactorKind> for AskedMethod {
    fn from(kind: FactorKind) -> Self {
        match kind {
            FactorKind::Authenticator => Self::Authenticator,
            FactorKind::Email => Self::Email,
            FactorKind::Sms => Self::Sms,
            FactorKind::Passkey | FactorKind::RecoveryCode | FactorKind::ScratchCode => {
                Self::RecoveryCode
            }
        }
    }
}

impl From<MfaRequired> for MfaRequiredResponse {
    fn from(asked: MfaRequired) -> Self {
        let person: Person = asked.person;
        Self {
            token_type: TokenType::Bearer,
            expires_in: 0,
            issued: NEVER,
            expires: NEVER,
            user_id: person.id.to_string(),
            role_name: person.role.into(),
            username: person.email,
            user_type: UserType::Internal,
            latest_news_shown: true,
            mfa_enabled: true,
            mfa_token: asked.mfa_token,
            mfa_method: match asked.unsent {
                true => AskedMethod::RecoveryCode,
                false => asked.method.into(),
            },
            short_lived: false,
        }
    }
}
