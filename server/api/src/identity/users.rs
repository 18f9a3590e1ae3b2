//! The list of accounts, for administrators and for services with a key.

use actix_web::get;
use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::{KeyOrCaller, UsersRead};
use super::dto::{Paging, User, total};
use super::error::refuses;
use super::{Answer, App, Query};
use crate::flow;
use crate::flow::operator::Lister;
use crate::http::input::Then;
use crate::outcome::{Page, Person};

refuses!(ListUsers: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, ApiKeyInvalid, Forbidden,
    InsufficientScope);

/// Lists all accounts.
#[utoipa::path(operation_id = "listUsers", tag = "Users", params(Paging),
    security(("bearerAuth" = []), ("apiKeyAuth" = [])),
    responses((status = 200, body = ListUsersAnswer), ListUsers))]
#[get("/identity/users")]
pub async fn list_users(
    app: App,
    Then(who, paging): Then<KeyOrCaller<UsersRead>, Query<Paging>>,
) -> Answer<ListUsersAnswer> {
    let command = paging.into_inner().command(Lister::from(who));
    let page = app.run(flow::operator::list_users, command).await?;
    Ok(Json(page.into()))
}

impl From<KeyOrCaller<UsersRead>> for Lister {
    fn from(who: KeyOrCaller<UsersRead>) -> Self {
        match who {
            KeyOrCaller::Key { key, .. } => Self::Key(key),
            KeyOrCaller::Caller(caller) => Self::User(caller),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListUsersAnswer {
    users: Vec<User>,
    total_count: u32,
}

impl From<Page<Person>> for ListUsersAnswer {
    fn from(page: Page<Person>) -> Self {
        Self {
            users: page.items.into_iter().map(User::from).collect(),
            total_count: total(page.total),
        }
    }
}
