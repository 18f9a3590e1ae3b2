//! What several operations send or answer: the number in the path, users, links, roles.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Error;
use crate::model::Refusal;
use crate::model::kinds::Role;
use crate::outcome::Person;

/// The user's number in the path.
#[derive(Clone, Copy)]
pub struct Number(pub i64);

impl FromRequest for Number {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let written = request.match_info().get("id").unwrap_or_default();
        let number = written.parse().ok().filter(|number| *number > 0);
        let refused = || Refusal::field("id", "This is not the id of a user.").into();
        ready(number.map(Self).ok_or_else(refused))
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
    /// As this API shows an account; `base` is where the server is found.
    pub fn new(person: Person, base: &str) -> Self {
        Self {
            id: person.number,
            name: person.email,
            description: person.description.unwrap_or_default(),
            mfa_enabled: person.asked,
            // Numbers begin at one: the first account of the server.
            is_default: person.number == 1,
            role: person.role.into(),
            links: Links::to(base, &format!("/{}", person.number)),
        }
    }
}

/// Where something is.
#[derive(Serialize, ToSchema)]
pub struct Links {
    #[serde(rename = "self")]
    this: Link,
}

impl Links {
    /// Below the list of users.
    pub fn to(base: &str, rest: &str) -> Self {
        let href = format!("{base}/api/v1/users{rest}");
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
