//! Operations to create an account, and to read one's own.

use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::dto::MessageResponse;
use super::error::{Error, refuses};
use super::{Answer, App, Body, CallerOrPending, Path};
use crate::flow;
use crate::flow::registration::MailContent;
use crate::http::input::{SecretText, harmless_name, name, present};
use crate::http::limits::Client;
use crate::model::ids::Id;
use crate::model::kinds::OrganisationRole;
use crate::model::source::Source;
use crate::model::{Refusal, UserId, typed};
use crate::outcome::{NewRegistration, Person};

refuses!(RegisterUser: WITH_BODY, Validation, NameTaken, TooManyRequests);

/// Starts a registration.
#[utoipa::path(operation_id = "registerUser", tag = "Account", request_body = RegisterRequest,
    responses((status = 201, body = RegisterResponse), RegisterUser))]
#[post("/user/register")]
pub async fn register_user(
    app: App,
    Client(source): Client,
    body: Body<RegisterRequest>,
) -> Result<(Json<RegisterResponse>, StatusCode), Error> {
    let command = body.into_inner().command(source);
    let registered = app.run(flow::registration::register, command).await?;
    Ok((Json(registered.into()), StatusCode::CREATED))
}

refuses!(ResendVerification: WITHOUT_BODY, Validation, TooManyRequests);

/// Mails the link of a registration again.
#[utoipa::path(operation_id = "resendVerification", tag = "Account",
    params(("id" = String, Path, pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    responses((status = 200, body = MessageResponse), ResendVerification))]
#[post("/user/resend-verification/{id}")]
pub async fn resend_verification(
    app: App,
    Client(source): Client,
    id: Path<String>,
) -> Answer<MessageResponse> {
    let id = registration_id(&id.into_inner())?;
    app.call(async |ctx| flow::registration::resend_link(ctx, id, source).await)
        .await?;
    let message = "If this registration is still open, a new verification link is on its way. Please check your inbox.";
    Ok(Json(MessageResponse::new(message)))
}

fn registration_id(text: &str) -> Result<UserId, Refusal> {
    // The id must be written exactly as this API prints it.
    let id = Uuid::try_parse(text)
        .ok()
        .filter(|id| id.to_string() == text);
    let id = id.ok_or_else(|| Refusal::field("id", "This is not the id of a registration."))?;
    Ok(Id::new(id))
}

refuses!(PreVerifyEmail: WITH_BODY, Validation, RegistrationTokenInvalid, RegistrationTokenExpired);

/// Tells whether a link is valid, without using it up.
#[utoipa::path(operation_id = "preVerifyEmail", tag = "Account", request_body = PreVerifyEmailRequest,
    responses((status = 200, body = PreVerifyEmailAnswer), PreVerifyEmail))]
#[post("/user/pre-verify-email")]
pub async fn pre_verify_email(
    app: App,
    Client(source): Client,
    body: Body<PreVerifyEmailRequest>,
) -> Answer<PreVerifyEmailAnswer> {
    let token = body.into_inner().token.into_secret();
    app.call(async |ctx| flow::registration::check_link(ctx, token, source).await)
        .await?;
    Ok(Json(PreVerifyEmailAnswer::GOOD))
}

refuses!(VerifyEmail: WITH_BODY, Validation, RegistrationTokenInvalid, RegistrationTokenExpired);

/// Proves the address and creates the account.
#[utoipa::path(operation_id = "verifyEmail", tag = "Account", request_body = VerifyEmailRequest,
    responses((status = 200, body = MessageResponse), VerifyEmail))]
#[post("/user/verify-email")]
pub async fn verify_email(
    app: App,
    Client(source): Client,
    body: Body<VerifyEmailRequest>,
) -> Answer<MessageResponse> {
    let command = body.into_inner().command(source);
    app.run(flow::registration::prove_by_link, command).await?;
    let message = "Email verified successfully. You can sign in now.";
    Ok(Json(MessageResponse::new(message)))
}

refuses!(RequestPasswordReset: WITH_BODY, Validation, TooManyRequests);

/// Mails a link for a new password.
#[utoipa::path(operation_id = "requestPasswordReset", tag = "Account", request_body = RequestPasswordResetRequest,
    responses((status = 200, body = MessageResponse), RequestPasswordReset))]
#[post("/user/request-reset-password")]
pub async fn request_password_reset(
    app: App,
    Client(source): Client,
    body: Body<RequestPasswordResetRequest>,
) -> Answer<MessageResponse> {
    let command = body.into_inner().command(source);
    app.run(flow::password_reset::forgot, command).await?;
    let message = "If this address has an account, a link for a new password is on its way. Please check your inbox.";
    Ok(Json(MessageResponse::new(message)))
}

refuses!(ResetPassword: WITH_BODY, Validation, ResetTokenInvalid, ResetTokenExpired, MfaRequired);

/// Changes the password, if sign-in asks for no second factor.
#[utoipa::path(operation_id = "resetPassword", tag = "Account", request_body = ResetPasswordRequest,
    responses((status = 200, body = MessageResponse), ResetPassword))]
#[post("/user/reset-password")]
pub async fn reset_password(
    app: App,
    Client(source): Client,
    body: Body<ResetPasswordRequest>,
) -> Answer<MessageResponse> {
    let command = body.into_inner().command(source);
    app.run(flow::password_reset::reset_by_link, command)
        .await?;
    let message = "The password was changed. You can sign in now.";
    Ok(Json(MessageResponse::new(message)))
}

refuses!(GetProfile: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Returns the account of the bearer.
#[utoipa::path(operation_id = "getProfile", tag = "Account",
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = ProfileResponse), GetProfile))]
#[get("/user/profile")]
pub async fn get_profile(who: CallerOrPending) -> Answer<ProfileResponse> {
    let overview = flow::session::overview(&who.into_inner());
    Ok(Json(overview.person.into()))
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
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 200))]
    #[schema(max_length = 200, nullable = false)]
    company_website: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "isBusiness")]
    #[schema(nullable = false)]
    _is_business: Option<bool>,
}

impl RegisterRequest {
    fn command(self, source: Source) -> flow::registration::Register {
        let company = self.company_name.map(|name| name.trim().to_owned());
        flow::registration::Register {
            email: self.email,
            password: self.password.into_secret(),
            first_name: self.first_name,
            last_name: self.last_name,
            organisation: company.filter(|name| typed::shows(name)),
            by: MailContent::Link,
            tells: true,
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

impl From<NewRegistration> for RegisterResponse {
    fn from(registered: NewRegistration) -> Self {
        Self {
            success: true,
            message: "If this address can be registered, a verification link is on its way. Please check your inbox.",
            verification_token_id: registered.id.uuid(),
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct PreVerifyEmailRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
}

/// Says that the link is valid.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreVerifyEmailAnswer {
    success: bool,
    message: &'static str,
    #[schema(inline)]
    auth_method: AuthMethod,
    has_password: bool,
}

impl PreVerifyEmailAnswer {
    /// The same for everybody: each new account has a password of its own.
    const GOOD: Self = Self {
        success: true,
        message: "This link is valid. Confirm to prove your address.",
        auth_method: AuthMethod::Local,
        has_password: true,
    };
}

/// Who checks the password, in Flashback's words.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthMethod {
    Local,
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

impl VerifyEmailRequest {
    fn command(self, source: Source) -> flow::registration::ProveByLink {
        flow::registration::ProveByLink {
            token: self.token.into_secret(),
            password: self.password.map(SecretText::into_secret),
            source,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct RequestPasswordResetRequest {
    #[validate(length(max = 254))]
    #[schema(format = Email, max_length = 254)]
    email: String,
}

impl RequestPasswordResetRequest {
    fn command(self, source: Source) -> flow::password_reset::Forgot {
        flow::password_reset::Forgot {
            email: self.email,
            source,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetPasswordRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    new_password: SecretText,
}

impl ResetPasswordRequest {
    fn command(self, source: Source) -> flow::password_reset::ResetByLink {
        flow::password_reset::ResetByLink {
            token: self.token.into_secret(),
            new_password: self.new_password.into_secret(),
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ProfileResponse {
    success: bool,
    data: Profile,
}

impl From<Person> for ProfileResponse {
    fn from(person: Person) -> Self {
        Self {
            success: true,
            data: person.into(),
        }
    }
}

/// An account, with its place in an organisation.
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

/// Flashback's numbers of the roles that exist here, lowest first.
const NUMBERS: [u32; 3] = [0x00, 0xfe, 0xff];

/// A role in an organisation, as Flashback's pages write it.
pub struct Place {
    /// The role's word.
    pub word: OrgRole,
    /// The role's number.
    pub number: u32,
    /// The numbers of all roles that it includes, lowest first, with its own last.
    pub includes: Vec<u32>,
}

impl Place {
    /// Returns how a role is written.
    pub fn of(role: OrganisationRole) -> Self {
        let (word, number) = match role {
            OrganisationRole::Member => (OrgRole::User, 0x00),
            OrganisationRole::Administrator => (OrgRole::Administrator, 0xfe),
            OrganisationRole::Owner => (OrgRole::Owner, 0xff),
        };
        let includes = NUMBERS.into_iter().filter(|one| *one <= number).collect();
        Self {
            word,
            number,
            includes,
        }
    }
}

impl From<Person> for Profile {
    fn from(person: Person) -> Self {
        let (org_id, role) = person.organisation.unzip();
        let place = role.map(Place::of);
        Self {
            id: person.id.uuid(),
            name: person.first_name.unwrap_or_default(),
            last_name: person.last_name.unwrap_or_default(),
            email: person.email,
            org_id: org_id.map(|id| id.uuid()),
            org_role: place.as_ref().map(|place| place.number),
            org_role_description: place.as_ref().map(|place| place.word),
            org_roles: place.map(|place| place.includes),
            validated: person.mailbox,
            mfa_required: person.asked,
        }
    }
}
