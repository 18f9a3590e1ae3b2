//! Operations to sign in, in one step or two, to refresh tokens, and to sign out.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::dto::{AssertionCredential, CARRIED, MessageResponse, Method, MfaType, moment};
use super::error::{Error, refuses};
use super::{Answer, App, Body, CallerOrPending, OptionalBody};
use crate::flow::login::SecondStepSupport;
use crate::flow::{self, session};
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::kinds::FactorKind;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Pending;
use crate::model::source::Source;
use crate::model::{Fault, Refusal, Secret};
use crate::outcome::{LoginResult, Person, SessionTokens, SignInChallenge};

refuses!(Login: WITH_BODY, Validation, InvalidCredentials, TooManyPasswordAttempts);

/// Checks the password.
#[utoipa::path(operation_id = "login", tag = "Sessions", request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), Login))]
#[post("/user/login")]
pub async fn login(
    app: App,
    Client(source): Client,
    body: Body<LoginRequest>,
) -> Answer<LoginAnswer> {
    let command = body.into_inner().command(source);
    let logged_in = app.run(flow::login::begin, command).await?;
    Ok(Json(logged_in.into()))
}

refuses!(VerifyMfaLogin: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodNotEnabled, InvalidMfaCode,
    PasskeyRefused, TokenInvalid, TokenExpired, MfaMethodLocked, TooManyMfaAttempts);

/// Checks the second factor and starts the session.
#[utoipa::path(operation_id = "verifyMfaLogin", tag = "Sessions", request_body = VerifyMfaLoginRequest,
    security(("pendingAuth" = [])),
    responses((status = 200, body = VerifyMfaLoginAnswer), VerifyMfaLogin))]
#[post("/mfa/verify-login")]
pub async fn verify_mfa_login(
    app: App,
    Client(source): Client,
    Then(pending, body): Then<super::Pending, Body<VerifyMfaLoginRequest>>,
) -> Answer<VerifyMfaLoginAnswer> {
    let command = body.into_inner().command(pending.into_inner(), source)?;
    let signed_in = app.run(flow::login::verify, command).await;
    Ok(Json(signed_in.map_err(session::as_bearer)?.into()))
}

refuses!(RefreshToken: WITH_BODY, Validation, TokenInvalid, TokenExpired);

/// Exchanges the refresh token for a new pair of tokens.
#[utoipa::path(operation_id = "refreshToken", tag = "Sessions", request_body = RefreshRequest,
    responses((status = 200, body = RefreshResponse), RefreshToken))]
#[post("/user/refresh")]
pub async fn refresh(
    app: App,
    Client(source): Client,
    body: Body<RefreshRequest>,
) -> Answer<RefreshResponse> {
    let token = body.into_inner().token()?;
    let signed_in = app
        .call(async |ctx| session::refresh(ctx, token, source).await)
        .await?;
    Ok(Json(signed_in.into()))
}

refuses!(Logout: WITH_BODY, Validation, TokenInvalid, TokenExpired);

/// Ends the session of the bearer, or the sign-in that is waiting.
#[utoipa::path(operation_id = "logout", tag = "Sign-out", request_body = Option<LogoutRequest>,
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = MessageResponse), Logout))]
#[post("/user/logout")]
pub async fn logout(
    app: App,
    Client(source): Client,
    Then(who, _body): Then<CallerOrPending, OptionalBody<LogoutRequest>>,
) -> Answer<MessageResponse> {
    let sender = who.into_inner();
    app.call(async |ctx| session::leave(ctx, sender, source).await)
        .await?;
    Ok(Json(MessageResponse::new("Logged out successfully")))
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct LoginRequest {
    #[validate(length(min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254)]
    email: String,
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
    #[serde(default, rename = "deviceInfo", deserialize_with = "present")]
    #[schema(value_type = Option<Object>, nullable = false)]
    _device_info: Option<Map<String, Value>>,
}

impl LoginRequest {
    fn command(self, source: Source) -> flow::login::Begin {
        flow::login::Begin {
            name: self.email,
            password: self.password.into_secret(),
            carries: SecondStepSupport {
                methods: CARRIED,
                sends: false,
            },
            source,
        }
    }
}

/// Tokens, or the reference of an unfinished sign-in in their place.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginAnswer {
    success: bool,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    token_id: String,
    expires_at: u64,
    user: LoginUser,
    mfa_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mfa_methods: Option<Vec<MfaType>>,
}

impl From<LoginResult> for LoginAnswer {
    fn from(logged_in: LoginResult) -> Self {
        match logged_in {
            LoginResult::Session(signed_in) => (*signed_in).into(),
            LoginResult::Challenge(required) => (*required).into(),
        }
    }
}

impl From<SessionTokens> for LoginAnswer {
    fn from(signed_in: SessionTokens) -> Self {
        Self {
            success: true,
            access_token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            token_id: signed_in.token_id.to_string(),
            expires_at: moment(signed_in.expires_at),
            user: signed_in.person.into(),
            mfa_required: false,
            mfa_methods: None,
        }
    }
}

impl From<SignInChallenge> for LoginAnswer {
    fn from(required: SignInChallenge) -> Self {
        let reference = Reference::parse(ReferenceKind::Challenge, required.mfa_token.expose());
        let token_id = reference.map_or_else(String::new, |known| known.row.to_string());
        Self {
            success: true,
            // Can only finish or abandon the sign-in.
            access_token: required.mfa_token,
            refresh_token: Secret::new(String::new()),
            token_id,
            expires_at: moment(required.expires_at),
            user: required.person.into(),
            mfa_required: true,
            mfa_methods: Some(MfaType::all_of(&required.methods)),
        }
    }
}

/// The user who signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginUser {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    email: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    org_id: Option<Uuid>,
}

impl From<Person> for LoginUser {
    fn from(person: Person) -> Self {
        Self {
            id: person.id.uuid(),
            email: person.email,
            name: person.first_name.unwrap_or_default(),
            org_id: person.organisation.map(|(id, _)| id.uuid()),
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyMfaLoginRequest {
    #[schema(value_type = MfaType)]
    mfa_type: Method,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, nullable = false)]
    code: Option<SecretText>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, nullable = false)]
    token: Option<SecretText>,
    #[serde(default, deserialize_with = "present")]
    #[validate(nested)]
    #[schema(nullable = false)]
    credential: Option<AssertionCredential>,
}

impl VerifyMfaLoginRequest {
    fn command(self, pending: Pending, source: Source) -> Result<flow::login::Verify, Error> {
        let method = self.mfa_type.known()?;
        Ok(flow::login::Verify {
            mfa_token: pending.mfa_token,
            // If no method can be used in this API, a recovery code may come under any method's
            // name.
            method: pending.method.method().map(|_| method),
            answer: self.answer()?,
            scratch: false,
            source,
        })
    }

    /// Returns the answer from the field that fits the method. A recovery code is a `code` with any
    /// method.
    fn answer(self) -> Result<flow::Answer, Error> {
        let missing = |field| Err(Refusal::field(field, "This field is required.").into());
        let code = |text: SecretText| flow::Answer::typed(&text.into_secret());
        match (
            self.mfa_type.known()?,
            self.credential,
            self.token,
            self.code,
        ) {
            (FactorKind::Passkey, Some(credential), _, _) => {
                let value = serde_json::to_value(credential).map_err(fault)?;
                Ok(flow::Answer::Passkey(value))
            }
            (FactorKind::Email, _, Some(token), _) => Ok(code(token)),
            (_, _, _, Some(text)) => Ok(code(text)),
            (FactorKind::Passkey, None, _, None) => missing("credential"),
            (FactorKind::Email, _, None, None) => missing("token"),
            _without => missing("code"),
        }
    }
}

/// A value that was read can also be written. Anything else is a fault of ours.
pub fn fault(error: serde_json::Error) -> Error {
    crate::model::Error::from(Fault::bug(error)).into()
}

/// Says that the sign-in is finished.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyMfaLoginAnswer {
    success: bool,
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    full_access_token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    expires_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl From<SessionTokens> for VerifyMfaLoginAnswer {
    fn from(signed_in: SessionTokens) -> Self {
        Self {
            success: true,
            message: "MFA verified successfully",
            full_access_token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            expires_at: moment(signed_in.expires_at),
            recovery_codes_remaining: signed_in.recovery_codes_remaining,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200)]
    refresh_token: Option<SecretText>,
    // The vendor's client library spells it this way. Two spellings in a document break most
    // generators.
    #[serde(default, deserialize_with = "present", rename = "refresh_token")]
    #[validate(length(min = 1, max = 200))]
    #[schema(ignore)]
    _refresh_token: Option<SecretText>,
}

impl RefreshRequest {
    fn token(self) -> Result<Secret<String>, Refusal> {
        let token = self.refresh_token.or(self._refresh_token);
        let missing = || Refusal::field("refreshToken", "This field is required.");
        Ok(token.ok_or_else(missing)?.into_secret())
    }
}

/// The new pair of tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshResponse {
    success: bool,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    expires_at: u64,
}

impl From<SessionTokens> for RefreshResponse {
    fn from(signed_in: SessionTokens) -> Self {
        Self {
            success: true,
            token: signed_in.access_token.clone(),
            access_token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            expires_at: moment(signed_in.expires_at),
        }
    }
}

/// What the client library sends. The bearer names the session, so this is not read.
#[derive(Deserialize, Validate, ToSchema)]
pub struct LogoutRequest {
    #[serde(default, deserialize_with = "present", rename = "refresh_token")]
    #[validate(length(max = 200))]
    #[schema(value_type = Option<String>, max_length = 200, nullable = false)]
    _refresh_token: Option<SecretText>,
}
