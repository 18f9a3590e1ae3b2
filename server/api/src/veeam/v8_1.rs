//! The users of v8.1: the same as v1, but with ids as strings, a `type`, and the statuses 201 and
//! 204.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, post, put};
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{Links, Number, Place, UserV81};
use super::error::{Error, refuses};
use super::mfa::{self, AcceptMfaRequest, EnableMfaAnswerV81, EnableMfaRequest};
use super::users::{self, AddUserRequest, UpdateUserRequest, UserFilter, UserList};
use super::{Answer, App, Body, Caller, OptionalBody, Query, Utf8Json};
use crate::http::input::Then;
use crate::http::limits::Client;
use crate::http::operations::Operations;

/// Mounts the operations.
pub fn routes(config: &mut Operations<'_, '_>) {
    config
        .service(list_users)
        .service(add_user)
        .service(get_user)
        .service(update_user)
        .service(delete_user)
        .service(enable_mfa)
        .service(accept_mfa)
        .service(disable_mfa);
}

refuses!(ListUsersV81: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Lists the accounts that the caller may see.
#[utoipa::path(operation_id = "listUsersV81", tag = "Users", params(UserFilter), security(("bearerAuth" = [])),
    responses((status = 200, body = UserListV81), ListUsersV81))]
#[get("/api/v8.1/users")]
async fn list_users(
    app: App,
    place: Place,
    Then(caller, filter): Then<Caller, Query<UserFilter>>,
) -> Answer<UserListV81> {
    let list = users::list(&app, &place, caller, filter).await?;
    Ok(Utf8Json(list.into()))
}

refuses!(AddUserV81: WITH_BODY, Validation, NameTaken, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden);

/// Adds a user who signs in by name.
#[utoipa::path(operation_id = "addUserV81", tag = "Users", request_body = AddUserRequest,
    security(("bearerAuth" = [])), responses((status = 201, body = UserV81), AddUserV81))]
#[post("/api/v8.1/users")]
async fn add_user(
    app: App,
    place: Place,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<AddUserRequest>>,
) -> Result<CreatedUser, Error> {
    let user = users::add(&app, &place, source, caller, body).await?;
    Ok(CreatedUser(user.into()))
}

refuses!(GetUserV81: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, Forbidden, UserNotFound);

/// Returns one account.
#[utoipa::path(operation_id = "getUserV81", tag = "Users", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    security(("bearerAuth" = [])), responses((status = 200, body = UserV81), GetUserV81))]
#[get("/api/v8.1/users/{id}")]
async fn get_user(
    app: App,
    place: Place,
    Then(caller, number): Then<Caller, Number>,
) -> Answer<UserV81> {
    let user = users::get(&app, &place, caller, number).await?;
    Ok(Utf8Json(user.into()))
}

refuses!(UpdateUserV81: WITH_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, UserNotFound);

/// Changes a user's description or password.
#[utoipa::path(operation_id = "updateUserV81", tag = "Users", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    request_body = UpdateUserRequest, security(("bearerAuth" = [])),
    responses((status = 200, body = UserV81), UpdateUserV81))]
#[put("/api/v8.1/users/{id}")]
async fn update_user(
    app: App,
    place: Place,
    Client(source): Client,
    change: Then<Caller, Then<Number, Body<UpdateUserRequest>>>,
) -> Answer<UserV81> {
    let user = users::update(&app, &place, source, change).await?;
    Ok(Utf8Json(user.into()))
}

refuses!(DeleteUserV81: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, UserNotFound, LastAdministrator);

/// Deletes an account.
#[utoipa::path(operation_id = "deleteUserV81", tag = "Removal", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    security(("bearerAuth" = [])), responses((status = 204), DeleteUserV81))]
#[delete("/api/v8.1/users/{id}")]
async fn delete_user(
    app: App,
    Client(source): Client,
    Then(caller, number): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    users::delete(&app, source, caller, number).await?;
    Ok(HttpResponse::NoContent().finish())
}

refuses!(EnableMfaV81: WITH_BODY, Validation, MfaAlreadyEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden, UserNotFound, TooManyRequests);

/// Starts setting up an authenticator. It is not on before `acceptMfa`.
#[utoipa::path(operation_id = "enableMfaV81", tag = "MFA", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    request_body = Option<EnableMfaRequest>, security(("bearerAuth" = [])),
    responses((status = 200, body = EnableMfaAnswerV81), EnableMfaV81))]
#[post("/api/v8.1/users/{id}/enableMfa")]
async fn enable_mfa(
    app: App,
    Client(source): Client,
    what: Then<Caller, Then<Number, OptionalBody<EnableMfaRequest>>>,
) -> Answer<EnableMfaAnswerV81> {
    let answer = mfa::enable(&app, source, what).await?;
    Ok(Utf8Json(answer.into()))
}

refuses!(AcceptMfaV81: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose, InvalidMfaCode,
    AuthenticatorClockOff, AuthenticatorNotConfigured, MfaAlreadyEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Proves the authenticator and turns it on.
#[utoipa::path(operation_id = "acceptMfaV81", tag = "MFA", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    request_body = AcceptMfaRequest, security(("bearerAuth" = [])), responses((status = 204), AcceptMfaV81))]
#[post("/api/v8.1/users/{id}/acceptMfa")]
async fn accept_mfa(
    app: App,
    Client(source): Client,
    what: Then<Caller, Then<Number, Body<AcceptMfaRequest>>>,
) -> Result<HttpResponse, Error> {
    mfa::accept(&app, source, what).await?;
    Ok(HttpResponse::NoContent().finish())
}

refuses!(DisableMfaV81: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, MfaEnforced, UserNotFound);

/// Removes the authenticators and the scratch codes.
#[utoipa::path(operation_id = "disableMfaV81", tag = "MFA", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    security(("bearerAuth" = [])), responses((status = 204), DisableMfaV81))]
#[post("/api/v8.1/users/{id}/disableMfa")]
async fn disable_mfa(
    app: App,
    Client(source): Client,
    Then(caller, number): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    mfa::disable(&app, source, caller, number).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The answer 201 with the user that was added.
struct CreatedUser(UserV81);

impl Responder for CreatedUser {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = Utf8Json(self.0).respond_to(request);
        *answer.status_mut() = StatusCode::CREATED;
        answer
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserListV81 {
    offset: u32,
    limit: u32,
    total_count: u32,
    results: Vec<UserV81>,
    #[serde(rename = "_links")]
    links: Links,
}

impl From<UserList> for UserListV81 {
    fn from(list: UserList) -> Self {
        Self {
            offset: list.offset,
            limit: list.limit,
            total_count: list.total_count,
            results: list.results.into_iter().map(UserV81::from).collect(),
            links: list.links,
        }
    }
}
