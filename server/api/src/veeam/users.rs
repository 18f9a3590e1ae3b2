//! Operations on accounts: one's own or, for administrators, everybody's.

use actix_web::{HttpResponse, delete, get, post, put};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::dto::{Links, Number, Place, User};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, Query, Utf8Json};
use crate::flow::accounts;
use crate::http::input::{SecretText, Then, Then3, name};
use crate::http::limits::Client;
use crate::model::session;
use crate::model::source::Source;
use crate::outcome::{Account, Page};

/// Entries on a page if the request does not say, as in the documented example.
const PAGE: i64 = 30;
/// The most entries on a page.
const LONGEST_PAGE: i64 = 100;

refuses!(ListUsers: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Lists the accounts that the caller may see.
#[utoipa::path(operation_id = "listUsers", tag = "Users", params(UserFilter), security(("bearerAuth" = [])),
    responses((status = 200, body = UserList), ListUsers))]
#[get("/api/v1/users")]
pub async fn list_users(
    app: App,
    place: Place,
    Then(caller, filter): Then<Caller, Query<UserFilter>>,
) -> Answer<UserList> {
    let command = filter.into_inner().command(caller.into_inner());
    let part = (command.limit, command.offset);
    let page = app.run(accounts::list, command).await?;
    Ok(Utf8Json(UserList::new(page, part, &place)))
}

refuses!(AddUser: WITH_BODY, Validation, NameTaken, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden);

/// Adds a user who signs in by name.
#[utoipa::path(operation_id = "addUser", tag = "Users", request_body = AddUserRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = User), AddUser))]
#[post("/api/v1/users")]
pub async fn add_user(
    app: App,
    place: Place,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<AddUserRequest>>,
) -> Answer<User> {
    let command = body.into_inner().command(caller.into_inner(), source);
    let account = app.run(accounts::add, command).await?;
    Ok(Utf8Json(User::new(account, &place)))
}

refuses!(GetUser: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, Forbidden, UserNotFound);

/// Returns one account.
#[utoipa::path(operation_id = "getUser", tag = "Users", params(("id" = i64, Path, minimum = 1)),
    security(("bearerAuth" = [])), responses((status = 200, body = User), GetUser))]
#[get("/api/v1/users/{id}")]
pub async fn get_user(
    app: App,
    place: Place,
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Answer<User> {
    let caller = caller.into_inner();
    let account = app
        .call(async |ctx| accounts::get(ctx, caller, number).await)
        .await?;
    Ok(Utf8Json(User::new(account, &place)))
}

refuses!(UpdateUser: WITH_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, UserNotFound);

/// Changes a user's description or password.
#[utoipa::path(operation_id = "updateUser", tag = "Users", params(("id" = i64, Path, minimum = 1)),
    request_body = UpdateUserRequest, security(("bearerAuth" = [])),
    responses((status = 200, body = User), UpdateUser))]
#[put("/api/v1/users/{id}")]
pub async fn update_user(
    app: App,
    place: Place,
    Client(source): Client,
    Then3(caller, number, body): Then3<Caller, Number, Body<UpdateUserRequest>>,
) -> Answer<User> {
    let body = body.into_inner();
    let command = body.command(caller.into_inner(), number, source);
    let account = app.run(accounts::update, command).await?;
    Ok(Utf8Json(User::new(account, &place)))
}

refuses!(DeleteUser: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, UserNotFound, LastAdministrator);

/// Deletes an account.
#[utoipa::path(operation_id = "deleteUser", tag = "Removal", params(("id" = i64, Path, minimum = 1)),
    security(("bearerAuth" = [])), responses((status = 200), DeleteUser))]
#[delete("/api/v1/users/{id}")]
pub async fn delete_user(
    app: App,
    Client(source): Client,
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| accounts::delete(ctx, caller, number, source).await)
        .await?;
    Ok(HttpResponse::Ok().finish())
}

/// Which users, and which part of the list. In bodies, this API ignores unknown fields. An ignored
/// filter would return users that nobody asked for, so unknown parameters are refused.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    #[serde(rename = "NameFilter")]
    #[validate(length(min = 1, max = 320))]
    #[param(min_length = 1, max_length = 320)]
    name_filter: Option<String>,
    #[serde(rename = "Offset")]
    #[validate(range(min = 0, max = 1_000_000))]
    #[param(format = Int32, minimum = 0, maximum = 1_000_000, default = 0)]
    offset: Option<i64>,
    #[serde(rename = "Limit")]
    #[validate(range(min = -1, max = 100))]
    #[param(format = Int32, minimum = -1, maximum = 100, default = 30)]
    limit: Option<i64>,
}

impl UserFilter {
    /// Makes the command.
    pub fn command(self, caller: session::Caller) -> accounts::List {
        accounts::List {
            caller,
            name: self.name_filter,
            limit: match self.limit.unwrap_or(PAGE) {
                -1 => LONGEST_PAGE,
                limit => limit,
            },
            offset: self.offset.unwrap_or(0),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserList {
    pub(super) offset: u32,
    pub(super) limit: u32,
    pub(super) total_count: u32,
    pub(super) results: Vec<User>,
    #[serde(rename = "_links")]
    pub(super) links: Links,
}

impl UserList {
    /// Makes the answer from a page of accounts, and its limit and offset.
    pub fn new(page: Page<Account>, (limit, offset): (i64, i64), place: &Place) -> Self {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let accounts = page.items.into_iter();
        Self {
            offset: count(offset),
            limit: count(limit),
            total_count: count(page.total),
            results: accounts.map(|one| User::new(one, place)).collect(),
            links: Links::to(place, ""),
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct AddUserRequest {
    #[validate(length(min = 1, max = 254), custom(function = "name"))]
    #[schema(min_length = 1, max_length = 254)]
    name: String,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    description: Option<String>,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    password: SecretText,
}

impl AddUserRequest {
    /// Makes the command.
    pub fn command(self, caller: session::Caller, source: Source) -> accounts::Add {
        accounts::Add {
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
    #[schema(max_length = 1000)]
    description: Option<String>,
    #[schema(value_type = Option<String>, min_length = 15, max_length = 256)]
    password: Option<SecretText>,
}

impl UpdateUserRequest {
    /// Makes the command for the user with this number.
    pub fn command(
        self,
        caller: session::Caller,
        number: Number,
        source: Source,
    ) -> accounts::Update {
        accounts::Update {
            caller,
            number: number.0,
            description: self.description,
            password: self.password.map(SecretText::into_secret),
            source,
        }
    }
}
