//! Operations to sign in, refresh tokens, sign out, and validate tokens for services.

use actix_web::web::Json;
use actix_web::{HttpResponse, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::credentials::{KeyOrCaller, TokensValidate};
use super::dto::{ChallengeStatus, MfaMethod, SessionInfo, TokenResponse, User, asks_for, methods};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, OptionalBody};
use crate::flow;
use crate::flow::session::Validator;
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::Secret;
use crate::model::kinds::FactorKind;
use crate::model::source::Source;
use crate::outcome::{
    LoginResult, Person, SessionView, SignInChallenge, TokenFlaw, TokenJudgement,
};

refuses!(Login: WITH_BODY, Validation, InvalidCredentials, TooManyPasswordAttempts);

/// Checks the password.
#[utoipa::path(operation_id = "login", tag = "Sessions", request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), Login))]
#[post("/identity/login")]
pub async fn login(
    app: App,
    Client(source): Client,
    body: Body<LoginRequest>,
) -> Answer<LoginAnswer> {
    let command = body.into_inner().command(source);
    let logged_in = app.run(flow::login::begin, command).await?;
    Ok(Json(logged_in.into()))
}

refuses!(ValidateToken: WITH_BODY, Validation, TokenInvalid, TokenExpired, ApiKeyInvalid, Forbidden,
    InsufficientScope);

/// Validates a token.
#[utoipa::path(operation_id = "validateToken", tag = "Sessions", request_body = Option<ValidateTokenRequest>,
    security(("bearerAuth" = []), ("apiKeyAuth" = [])),
    responses((status = 200, body = ValidateTokenAnswer), ValidateToken))]
#[post("/identity/validate-token")]
pub async fn validate_token(
    app: App,
    Then(who, body): Then<KeyOrCaller<TokensValidate>, OptionalBody<ValidateTokenRequest>>,
) -> Answer<ValidateTokenAnswer> {
    let body = body.into_inner().unwrap_or_default();
    let judgement = app.run(flow::session::validate, body.command(who)).await?;
    Ok(Json(judgement.into()))
}

refuses!(RefreshToken: WITH_BODY, Validation, TokenInvalid, TokenExpired);

/// Exchanges the refresh token for a new pair of tokens.
#[utoipa::path(operation_id = "refreshToken", tag = "Sessions", request_body = RefreshTokenRequest,
    responses((status = 200, body = TokenResponse), RefreshToken))]
#[post("/identity/token/refresh")]
pub async fn refresh_token(
    app: App,
    Client(source): Client,
    body: Body<RefreshTokenRequest>,
) -> Answer<TokenResponse> {
    let token = body.into_inner().refresh_token.into_secret();
    let signed_in = app
        .call(async |ctx| flow::session::refresh(ctx, token, source).await)
        .await?;
    Ok(Json(signed_in.into()))
}

refuses!(Logout: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Ends the session of the bearer.
#[utoipa::path(operation_id = "logout", tag = "Sign-out", security(("bearerAuth" = [])),
    responses((status = 204), Logout))]
#[post("/identity/logout")]
pub async fn logout(
    app: App,
    Client(source): Client,
    caller: Caller,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| flow::session::logout(ctx, caller, source).await)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    #[validate(length(min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254)]
    email: String,
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
}

/// The message if no code could be sent.
pub const UNSENT: &str = "No code can be sent now, because too many were sent. Request one later, or use another method or a recovery code.";

/// This API can use every method.
pub const CARRIES: flow::login::SecondStepSupport = flow::login::SecondStepSupport {
    methods: &[
        FactorKind::Authenticator,
        FactorKind::Email,
        FactorKind::Sms,
        FactorKind::Passkey,
    ],
    sends: true,
};

impl LoginRequest {
    fn command(self, source: Source) -> flow::login::Begin {
        flow::login::Begin {
            name: self.email,
            carries: CARRIES,
            password: self.password.into_secret(),
            source,
        }
    }
}

/// Tokens, or the demand for a second factor.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "status", mapping(("signed_in" = "#/components/schemas/TokenResponse"), ("mfa_required" = "#/components/schemas/MfaRequiredResponse"))))]
#[serde(untagged)]
pub enum LoginAnswer {
    Session(Box<TokenResponse>),
    Challenge(MfaRequiredResponse),
}

impl From<LoginResult> for LoginAnswer {
    fn from(logged_in: LoginResult) -> Self {
        match logged_in {
            LoginResult::Session(signed_in) => Self::Session(Box::new((*signed_in).into())),
            LoginResult::Challenge(required) => Self::Challenge((*required).into()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaRequiredResponse {
    #[schema(inline)]
    status: ChallengeStatus,
    mfa_required: bool,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    method: MfaMethod,
    mfa_methods: Vec<MfaMethod>,
    message: &'static str,
}

impl From<SignInChallenge> for MfaRequiredResponse {
    fn from(required: SignInChallenge) -> Self {
        Self {
            status: ChallengeStatus::MfaRequired,
            mfa_required: true,
            mfa_token: required.mfa_token,
            method: required.method.into(),
            mfa_methods: methods(&required.methods),
            message: match required.unsent {
                true => UNSENT,
                false => asks_for(required.method, true),
            },
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshTokenRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    refresh_token: SecretText,
}

#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateTokenRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096, nullable = false)]
    token: Option<SecretText>,
}

impl ValidateTokenRequest {
    fn command(self, who: KeyOrCaller<TokensValidate>) -> flow::session::Validate {
        flow::session::Validate {
            by: who.into(),
            token: self.token.map(SecretText::into_secret),
        }
    }
}

impl From<KeyOrCaller<TokensValidate>> for Validator {
    fn from(who: KeyOrCaller<TokensValidate>) -> Self {
        match who {
            KeyOrCaller::Key { bearer, .. } => Self::Key(bearer),
            KeyOrCaller::Caller(caller) => Self::User(caller),
        }
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenReason {
    Invalid,
    Expired,
}

/// The result of validating a token.
#[derive(Serialize, ToSchema)]
pub struct ValidateTokenAnswer {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline, nullable = false)]
    reason: Option<TokenReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user: Option<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session: Option<SessionInfo>,
}

impl ValidateTokenAnswer {
    fn valid(person: Person, session: SessionView) -> Self {
        Self {
            valid: true,
            reason: None,
            user: Some(person.into()),
            session: Some(session.into()),
        }
    }

    fn flawed(reason: TokenReason) -> Self {
        Self {
            valid: false,
            reason: Some(reason),
            user: None,
            session: None,
        }
    }
}

impl From<TokenJudgement> for ValidateTokenAnswer {
    fn from(judged: TokenJudgement) -> Self {
        match judged {
            TokenJudgement::Valid { person, session } => Self::valid(*person, session),
            TokenJudgement::Flawed(TokenFlaw::Invalid) => Self::flawed(TokenReason::Invalid),
            TokenJudgement::Flawed(TokenFlaw::Expired) => Self::flawed(TokenReason::Expired),
        }
    }
}
