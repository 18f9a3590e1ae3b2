//! The users of v8.1: the same as v1, but with ids as strings, a `type`, and the statuses 201 and
//! 204.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, post, put};
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{Links, Number, Place, User, UserV81};
use super::error::{Error, refuses};
use super::mfa::{AcceptMfaRequest, EnableMfaAnswer, EnableMfaAnswerV81, EnableMfaRequest};
use super::users::{AddUserRequest, UpdateUserRequest, UserFilter, UserList};
use super::{Answer, App, Body, Caller, OptionalBody, Query, Utf8Json};
use crate::flow::{accounts, authenticator};
use crate::http::input::{Then, Then3};
use crate::http::limits::Client;
use crate::http::operations::Operations;

/// Mounts the operations.
pub fn routes(config: &mut impl Operations) {
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
    let command = filter.into_inner().command(caller.into_inner());
    let part = (command.limit, command.offset);
    let page = app.run(accounts::list, command).await?;
    Ok(Utf8Json(UserList::new(page, part, &place).into()))
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
    let command = body.into_inner().command(caller.into_inner(), source);
    let account = app.run(accounts::add, command).await?;
    Ok(CreatedUser(User::new(account, &place).into()))
}

refuses!(GetUserV81: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, Forbidden, UserNotFound);

/// Returns one account.
#[utoipa::path(operation_id = "getUserV81", tag = "Users", params(("id" = String, Path, pattern = "^[1-9][0-9]{0,17}$")),
    security(("bearerAuth" = [])), responses((status = 200, body = UserV81), GetUserV81))]
#[get("/api/v8.1/users/{id}")]
async fn get_user(
    app: App,
    place: Place,
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Answer<UserV81> {
    let caller = caller.into_inner();
    let account = app
        .call(async |ctx| accounts::get(ctx, caller, number).await)
        .await?;
    Ok(Utf8Json(User::new(account, &place).into()))
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
    Then3(caller, number, body): Then3<Caller, Number, Body<UpdateUserRequest>>,
) -> Answer<UserV81> {
    let body = body.into_inner();
    let command = body.command(caller.into_inner(), number, source);
    let account = app.run(accounts::update, command).await?;
    Ok(Utf8Json(User::new(account, &place).into()))
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
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| accounts::delete(ctx, caller, number, source).await)
        .await?;
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
    Then3(caller, number, body): Then3<Caller, Number, OptionalBody<EnableMfaRequest>>,
) -> Answer<EnableMfaAnswerV81> {
    let body = body.into_inner().unwrap_or_default();
    let command = body.command(caller.into_inner(), number, source);
    let enabled = app.run(authenticator::enable, command).await?;
    Ok(Utf8Json(EnableMfaAnswer::new(number, enabled).into()))
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
    Then3(caller, number, body): Then3<Caller, Number, Body<AcceptMfaRequest>>,
) -> Result<HttpResponse, Error> {
    let body = body.into_inner();
    let command = body.command(caller.into_inner(), number, source);
    app.run(authenticator::accept, command).await?;
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
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| authenticator::disable(ctx, caller, number, source).await)
        .await?;
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
