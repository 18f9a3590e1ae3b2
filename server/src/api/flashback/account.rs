//! Making an account, and looking at one's own.

use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::dto::MessageResponse;
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller};
use crate::flow;
use crate::flow::account::Carried;
use crate::http::input::{SecretText, harmless_name, name, present};
use crate::model::kinds::OrganisationRole;
use crate::model::source::Source;
use crate::model::{session, typed};
use crate::outcome::Registered;

refuses!(RegisterUser: WITH_BODY, Validation, NameTaken, TooManyRequests);

/// Begins a registration.
#[utoipa::path(operation_id = "registerUser", tag = "Account", request_body = RegisterRequest,
    responses((status = 201, body = RegisterResponse), RegisterUser))]
#[post("/user/register")]
pub async fn register_user(
    app: App,
    source: Source,
    body: Body<RegisterRequest>,
) -> Result<(Json<RegisterResponse>, StatusCode), Error> {
    let tells = app.ctx().settings.registration_tells_taken;
    let command = body.into_inner().command(tells, source);
    let registered = app
        .call(async |ctx| flow::account::register(ctx, command).await)
        .await?;
    Ok((Json(registered.into()), StatusCode::CREATED))
}

refuses!(VerifyEmail: WITH_BODY, Validation, RegistrationTokenInvalid, RegistrationTokenExpired);

/// Proves the address and makes the account.
#[utoipa::path(operation_id = "verifyEmail", tag = "Account", request_body = VerifyEmailRequest,
    responses((status = 200, body = MessageResponse), VerifyEmail))]
#[post("/user/verify-email")]
pub async fn verify_email(
    app: App,
    source: Source,
    body: Body<VerifyEmailRequest>,
) -> Answer<MessageResponse> {
    let body = body.into_inner();
    let command = flow::account::ProveByLink {
        token: body.token.into_secret(),
        password: body.password.map(SecretText::into_secret),
        source,
    };
    app.call(async |ctx| flow::account::prove_by_link(ctx, command).await)
        .await?;
    let message = "Email verified successfully. You can sign in now.";
    Ok(Json(MessageResponse::new(message)))
}

refuses!(GetProfile: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Answers the account of the bearer.
#[utoipa::path(operation_id = "getProfile", tag = "Account", security(("bearerAuth" = [])),
    responses((status = 200, body = ProfileResponse), GetProfile))]
#[get("/user/profile")]
pub async fn get_profile(caller: Caller) -> Answer<ProfileResponse> {
    let data = Profile::of(&caller.into_inner());
    Ok(Json(ProfileResponse {
        success: true,
        data,
    }))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
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
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 100), custom(function = "harmless_name"))]
    #[schema(max_length = 100, nullable = false)]
    company_name: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "companyWebsite")]
    #[validate(length(max = 200))]
    #[schema(max_length = 200, nullable = false)]
    _company_website: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "isBusiness")]
    #[schema(nullable = false)]
    _is_business: Option<bool>,
}

impl RegisterRequest {
    fn command(self, tells: bool, source: Source) -> flow::account::Register {
        let company = self.company_name.map(|name| name.trim().to_owned());
        flow::account::Register {
            email: self.email,
            password: self.password.into_secret(),
            first_name: self.first_name,
            last_name: self.last_name,
            organisation: company.filter(|name| typed::shows(name)),
            by: Carried::Link,
            tells,
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    success: bool,
    message: &'static str,
    #[schema(value_type = String, format = "uuid")]
    verification_token_id: Uuid,
}

impl From<Registered> for RegisterResponse {
    fn from(registered: Registered) -> Self {
        Self {
            success: true,
            message: "If this address can be registered, a verification link is on its way. Please check your inbox.",
            verification_token_id: registered.id.uuid(),
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct VerifyEmailRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 15, max_length = 256, nullable = false)]
    password: Option<SecretText>,
}

#[derive(Serialize, ToSchema)]
pub struct ProfileResponse {
    success: bool,
    data: Profile,
}

/// An account, and what it is in its organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    name: String,
    last_name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    org_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    org_role: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline, nullable = false)]
    org_role_description: Option<OrgRole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    org_roles: Option<Vec<u32>>,
    validated: bool,
    mfa_required: bool,
}

/// A role, in Flashback's words.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrgRole {
    User,
    Administrator,
    Owner,
}

/// Flashback's numbers of its roles, the least first; each includes those before it.
const ROLES: [(OrganisationRole, OrgRole, u32); 3] = [
    (OrganisationRole::Member, OrgRole::User, 0x00),
    (
        OrganisationRole::Administrator,
        OrgRole::Administrator,
        0xfe,
    ),
    (OrganisationRole::Owner, OrgRole::Owner, 0xff),
];

impl Profile {
    fn of(caller: &session::Caller) -> Self {
        let user = &caller.user;
        let role = user.organisation_role;
        let own = ROLES.iter().find(|(known, ..)| role == Some(*known));
        let included = |most: u32| {
            let numbers = ROLES.iter().map(|(_, _, number)| *number);
            numbers.filter(|number| *number <= most).collect()
        };
        Self {
            id: user.id.uuid(),
            name: user.first_name.clone().unwrap_or_default(),
            last_name: user.last_name.clone().unwrap_or_default(),
            email: user.email.clone(),
            org_id: user.organisation_id.map(|id| id.uuid()),
            org_role: own.map(|(_, _, number)| *number),
            org_role_description: own.map(|(_, word, _)| *word),
            org_roles: own.map(|(_, _, number)| included(*number)),
            validated: user.mailbox,
            mfa_required: caller.factor_on(),
        }
    }
}
