//! Types that several operations share: the number in the path, users, links and roles, each in the
//! form of v1 and of v8.1.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Error;
use crate::http::{input, versions};
use crate::model::Refusal;
use crate::model::kinds::Role;
use crate::outcome::Account;

/// The user's number in the path.
#[derive(Clone, Copy)]
pub struct Number(pub i64);

impl FromRequest for Number {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let written = request.match_info().get("id").unwrap_or_default();
        // The number must be written exactly as this API prints it: without a sign or leading
        // zeros.
        let read = |number: &i64| *number > 0 && number.to_string() == written;
        let number = written.parse().ok().filter(read);
        let refused = || Refusal::field("id", "This is not the id of a user.").into();
        ready(number.map(Self).ok_or_else(refused))
    }
}

/// The path of the users, in the version that was asked for.
pub struct Place(String);

impl FromRequest for Place {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let asked = versions::asked_for(request);
        let version: Vec<&str> = asked.split('/').take(3).collect();
        let place = input::app(request).map(|app| {
            let base = &app.ctx().settings.public_url;
            Self(format!("{base}{}/users", version.join("/")))
        });
        ready(place.map_err(Error::from))
    }
}

/// What a user may do, in this API's words.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub enum PortalRole {
    PortalAdmin,
    PortalOperator,
}

impl From<Role> for PortalRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Administrator => Self::PortalAdmin,
            Role::User => Self::PortalOperator,
        }
    }
}

/// Where an account came from. There is no identity provider here.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub enum UserType {
    Internal,
}

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    id: i64,
    name: String,
    description: String,
    mfa_enabled: bool,
    is_default: bool,
    #[schema(inline)]
    role: PortalRole,
    #[serde(rename = "_links")]
    links: Links,
}

impl User {
    /// Makes the form of an account that this API shows.
    pub fn new(account: Account, place: &Place) -> Self {
        let Account {
            person,
            first_administrator,
        } = account;
        Self {
            id: person.number,
            name: person.email,
            description: person.description.unwrap_or_default(),
            mfa_enabled: person.asked,
            is_default: first_administrator,
            role: person.role.into(),
            links: Links::to(place, &format!("/{}", person.number)),
        }
    }
}

/// An account as v8.1 shows it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserV81 {
    id: String,
    name: String,
    description: String,
    mfa_enabled: bool,
    is_default: bool,
    #[schema(inline)]
    role: PortalRole,
    #[schema(inline)]
    r#type: UserType,
    #[serde(rename = "_links")]
    links: Links,
}

impl From<User> for UserV81 {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name,
            description: user.description,
            mfa_enabled: user.mfa_enabled,
            is_default: user.is_default,
            role: user.role,
            r#type: UserType::Internal,
            links: user.links,
        }
    }
}

/// The links of a resource.
#[derive(Serialize, ToSchema)]
pub struct Links {
    #[serde(rename = "self")]
    this: Link,
}

impl Links {
    /// Makes a link to `rest` below the list of users.
    pub fn to(Place(users): &Place, rest: &str) -> Self {
        let href = format!("{users}{rest}");
        Self {
            this: Link { href },
        }
    }
}

/// A link.
#[derive(Serialize, ToSchema)]
pub struct Link {
    href: String,
}
