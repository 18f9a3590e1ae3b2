//! Operations to create an account, and to read one's own.

use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{MfaMethod, Role, SessionInfo, TokenResponse, User};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller};
use crate::flow;
use crate::http::input::{SecretText, name, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::Secret;
use crate::model::source::Source;
use crate::outcome::{NewRegistration, Person, SessionView};

refuses!(RegisterUser: WITH_BODY, Validation, TooManyRequests);

/// Starts a registration.
#[utoipa::path(operation_id = "registerUser", tag = "Account", request_body = RegisterRequest,
    responses((status = 202, body = RegisterResponse), RegisterUser))]
#[post("/identity/register")]
pub async fn register_user(
    app: App,
    Client(source): Client,
    body: Body<RegisterRequest>,
) -> Result<(Json<RegisterResponse>, StatusCode), Error> {
    let command = body.into_inner().command(source);
    let registered = app.run(flow::registration::register, command).await?;
    Ok((Json(registered.into()), StatusCode::ACCEPTED))
}

refuses!(VerifyRegistration: WITH_BODY, Validation, RegistrationTokenInvalid, RegistrationTokenExpired,
    InvalidRegistrationCode, TooManyRegistrationAttempts);

/// Proves the address and creates the account.
#[utoipa::path(operation_id = "verifyRegistration", tag = "Account", request_body = RegisterVerifyRequest,
    responses((status = 201, body = TokenResponse), VerifyRegistration))]
#[post("/identity/register/verify")]
pub async fn verify_registration(
    app: App,
    Client(source): Client,
    body: Body<RegisterVerifyRequest>,
) -> Result<(Json<TokenResponse>, StatusCode), Error> {
    let command = body.into_inner().command(source);
    let signed_in = app.run(flow::registration::prove, command).await?;
    Ok((Json(signed_in.into()), StatusCode::CREATED))
}

refuses!(GetCurrentUser: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Returns the account of the bearer.
#[utoipa::path(operation_id = "getCurrentUser", tag = "Account", security(("bearerAuth" = [])),
    responses((status = 200, body = GetCurrentUserAnswer), GetCurrentUser))]
#[get("/identity/me")]
pub async fn get_current_user(caller: Caller) -> Answer<GetCurrentUserAnswer> {
    let view = flow::session::view(&caller.into_inner());
    Ok(Json(view.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterRequest {
    #[validate(length(max = 254))]
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    password: SecretText,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 100), custom(function = "name"))]
    #[schema(min_length = 1, max_length = 100, nullable = false)]
    first_name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 100), custom(function = "name"))]
    #[schema(min_length = 1, max_length = 100, nullable = false)]
    last_name: Option<String>,
}

impl RegisterRequest {
    fn command(self, source: Source) -> flow::registration::Register {
        flow::registration::Register {
            email: self.email,
            password: self.password.into_secret(),
            first_name: self.first_name,
            last_name: self.last_name,
            organisation: None,
            by: flow::registration::MailContent::Code,
            tells: false,
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    registration_token: Secret<String>,
}

impl From<NewRegistration> for RegisterResponse {
    fn from(registered: NewRegistration) -> Self {
        Self {
            message: "If this address can be registered, a verification code is on its way. Please check your inbox.",
            registration_token: registered.registration_token,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterVerifyRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    registration_token: SecretText,
    #[validate(length(min = 1, max = 64))]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    code: SecretText,
}

impl RegisterVerifyRequest {
    fn command(self, source: Source) -> flow::registration::Prove {
        flow::registration::Prove {
            registration_token: self.registration_token.into_secret(),
            code: self.code.into_secret(),
            source,
        }
    }
}

/// The fields of `User` and the session. They are written out, since the contract has them in one
/// object.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetCurrentUserAnswer {
    id: String,
    number: i64,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_name: Option<String>,
    #[schema(inline)]
    role: Role,
    mfa_enabled: bool,
    mfa_methods: Vec<MfaMethod>,
    #[schema(format = DateTime)]
    created_at: String,
    session: SessionInfo,
}

impl From<(Person, SessionView)> for GetCurrentUserAnswer {
    fn from((person, session): (Person, SessionView)) -> Self {
        let user = User::from(person);
        Self {
            id: user.id,
            number: user.number,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: user.role,
            mfa_enabled: user.mfa_enabled,
            mfa_methods: user.mfa_methods,
            created_at: user.created_at,
            session: session.into(),
        }
    }
}
