//! Who has an account: one's own, or for administrators everybody's.

use actix_web::{HttpResponse, delete, get, post, put};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::dto::{Links, Number, User};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, Query, Utf8Json};
use crate::flow::administration;
use crate::http::input::{SecretText, Then, name};
use crate::model::session;
use crate::model::source::Source;

/// Entries of a page that nobody said the length of, as the documented example has it.
const PAGE: i64 = 30;
/// Entries of a page at most.
const LONGEST_PAGE: i64 = 100;

refuses!(ListUsers: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Lists the accounts that the caller may see.
#[utoipa::path(operation_id = "listUsers", tag = "Users", params(Paging), security(("bearerAuth" = [])),
    responses((status = 200, body = UserList), ListUsers))]
#[get("/api/v1/users")]
pub async fn list_users(
    app: App,
    Then(caller, paging): Then<Caller, Query<Paging>>,
) -> Answer<UserList> {
    let (caller, paging) = (caller.into_inner(), paging.into_inner());
    let (limit, offset) = (paging.limit(), paging.offset.unwrap_or(0));
    let page = app
        .call(async |ctx| administration::list(ctx, caller, limit, offset).await)
        .await?;
    let base = &app.ctx().settings.public_url;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Utf8Json(UserList {
        offset: count(offset),
        limit: count(limit),
        total_count: count(page.total),
        results: page
            .items
            .into_iter()
            .map(|person| User::new(person, base))
            .collect(),
        links: Links::to(base, ""),
    }))
}

refuses!(AddUser: WITH_BODY, Validation, NameTaken, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden);

/// Adds a user who signs in by a name.
#[utoipa::path(operation_id = "addUser", tag = "Users", request_body = AddUserRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = User), AddUser))]
#[post("/api/v1/users")]
pub async fn add_user(
    app: App,
    source: Source,
    Then(caller, body): Then<Caller, Body<AddUserRequest>>,
) -> Answer<User> {
    let command = body.into_inner().command(caller.into_inner(), source);
    let person = app
        .call(async |ctx| administration::add(ctx, command).await)
        .await?;
    Ok(Utf8Json(User::new(person, &app.ctx().settings.public_url)))
}

refuses!(GetUser: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, Forbidden, UserNotFound);

/// One account.
#[utoipa::path(operation_id = "getUser", tag = "Users", params(("id" = i64, Path, minimum = 1)),
    security(("bearerAuth" = [])), responses((status = 200, body = User), GetUser))]
#[get("/api/v1/users/{id}")]
pub async fn get_user(
    app: App,
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Answer<User> {
    let caller = caller.into_inner();
    let person = app
        .call(async |ctx| administration::get(ctx, caller, number).await)
        .await?;
    Ok(Utf8Json(User::new(person, &app.ctx().settings.public_url)))
}

refuses!(UpdateUser: WITH_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, UserNotFound);

/// Changes what is written about a user, or their password.
#[utoipa::path(operation_id = "updateUser", tag = "Users", params(("id" = i64, Path, minimum = 1)),
    request_body = UpdateUserRequest, security(("bearerAuth" = [])),
    responses((status = 200, body = User), UpdateUser))]
#[put("/api/v1/users/{id}")]
pub async fn update_user(
    app: App,
    source: Source,
    Then(caller, Then(Number(number), body)): Then<Caller, Then<Number, Body<UpdateUserRequest>>>,
) -> Answer<User> {
    let command = body
        .into_inner()
        .command(caller.into_inner(), number, source);
    let person = app
        .call(async |ctx| administration::update(ctx, command).await)
        .await?;
    Ok(Utf8Json(User::new(person, &app.ctx().settings.public_url)))
}

refuses!(DeleteUser: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, UserNotFound, LastAdministrator);

/// Deletes an account.
#[utoipa::path(operation_id = "deleteUser", tag = "Removal", params(("id" = i64, Path, minimum = 1)),
    security(("bearerAuth" = [])), responses((status = 200), DeleteUser))]
#[delete("/api/v1/users/{id}")]
pub async fn delete_user(
    app: App,
    source: Source,
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| administration::delete(ctx, caller, number, source).await)
        .await?;
    Ok(HttpResponse::Ok().finish())
}

/// Which part of the list; parameters that this API does not know are passed over.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[serde(rename = "Offset")]
    #[validate(range(min = 0, max = 1_000_000))]
    #[param(format = Int32, minimum = 0, maximum = 1_000_000, default = 0)]
    offset: Option<i64>,
    #[serde(rename = "Limit")]
    #[validate(range(min = -1, max = 100))]
    #[param(format = Int32, minimum = -1, maximum = 100, default = 30)]
    limit: Option<i64>,
}

impl Paging {
    fn limit(&self) -> i64 {
        match self.limit.unwrap_or(PAGE) {
            -1 => LONGEST_PAGE,
            limit => limit,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserList {
    offset: u32,
    limit: u32,
    total_count: u32,
    results: Vec<User>,
    #[serde(rename = "_links")]
    links: Links,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct AddUserRequest {
    #[validate(length(min = 1, max = 254), custom(function = "name"))]
    #[schema(min_length = 1, max_length = 254)]
    name: String,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000, nullable = false)]
    description: Option<String>,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    password: SecretText,
}

impl AddUserRequest {
    fn command(self, caller: session::Caller, source: Source) -> administration::Add {
        administration::Add {
            caller,
            name: self.name,
            description: self.description,
            password: self.password.into_secret(),
            source,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct UpdateUserRequest {
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000, nullable = false)]
    description: Option<String>,
    #[schema(value_type = Option<String>, min_length = 15, max_length = 256, nullable = false)]
    password: Option<SecretText>,
}

impl UpdateUserRequest {
    fn command(
        self,
        caller: session::Caller,
        number: i64,
        source: Source,
    ) -> administration::Update {
        administration::Update {
            caller,
            number,
            description: self.description,
            password: self.password.map(SecretText::into_secret),
            source,
        }
    }
}
