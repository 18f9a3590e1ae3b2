//! What the sandbox is, who is in it, and how it begins anew.

use actix_web::web::Json;
use actix_web::{get, post};
use serde::Serialize;
use utoipa::ToSchema;

use super::clock::ClockState;
use super::error::refuses;
use super::{Answer, Box};
use crate::model::kinds::{FactorKind, OrganisationRole, Role};
use crate::{PASSWORD, Person, Sandbox};

refuses!(GetSandbox: ALONE, ForeignPage);

/// Says what is where.
#[utoipa::path(operation_id = "getSandbox", tag = "Sandbox",
    responses((status = 200, body = SandboxInfo), GetSandbox))]
#[get("/sandbox")]
pub async fn get_sandbox(sandbox: Box) -> Json<SandboxInfo> {
    Json(SandboxInfo::of(&sandbox))
}

refuses!(ListPeople: ALONE, ForeignPage);

/// Lists who can sign in.
#[utoipa::path(operation_id = "listPeople", tag = "People",
    responses((status = 200, body = ListPeopleAnswer), ListPeople))]
#[get("/sandbox/people")]
pub async fn list_people(sandbox: Box) -> Json<ListPeopleAnswer> {
    let people = sandbox.people().into_iter().map(SandboxPerson::from);
    Json(ListPeopleAnswer {
        people: people.collect(),
    })
}

refuses!(ResetSandbox: WITHOUT_BODY, ForeignPage);

/// Goes back to how it began.
#[utoipa::path(operation_id = "resetSandbox", tag = "Reset",
    responses((status = 200, body = SandboxInfo), ResetSandbox))]
#[post("/sandbox/reset")]
pub async fn reset_sandbox(sandbox: Box) -> Answer<SandboxInfo> {
    sandbox.reset().await?;
    Ok(Json(SandboxInfo::of(&sandbox)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxInfo {
    server_version: &'static str,
    url: String,
    issuer: String,
    #[schema(minimum = 0)]
    seed: i64,
    password: &'static str,
    clock: ClockState,
    #[schema(minimum = 0)]
    last_message: i64,
}

impl SandboxInfo {
    fn of(sandbox: &Sandbox) -> Self {
        let settings = &sandbox.app().ctx().settings;
        Self {
            server_version: env!("CARGO_PKG_VERSION"),
            url: settings.public_url.clone(),
            issuer: settings.issuer(),
            seed: sandbox.seed().cast_signed(),
            password: PASSWORD,
            clock: ClockState::of(sandbox),
            last_message: sandbox.messages().last().cast_signed(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ListPeopleAnswer {
    people: Vec<SandboxPerson>,
}

/// Somebody who can sign in, with what is needed for it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxPerson {
    id: String,
    number: i64,
    email: String,
    password: &'static str,
    first_name: String,
    last_name: String,
    about: String,
    #[schema(inline)]
    role: PersonRole,
    mfa_methods: Vec<PersonMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    authenticator_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    locked_method: Option<PersonMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    organisation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline, nullable = false)]
    organisation_role: Option<MemberRole>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonRole {
    User,
    Administrator,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    Owner,
    Administrator,
    Member,
}

/// A method that somebody has on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonMethod {
    Email,
    Authenticator,
    Sms,
    Passkey,
}

impl PersonMethod {
    const fn of(kind: FactorKind) -> Self {
        match kind {
            FactorKind::Email => Self::Email,
            FactorKind::Authenticator => Self::Authenticator,
            FactorKind::Sms => Self::Sms,
            FactorKind::Passkey => Self::Passkey,
        }
    }
}

impl From<Person> for SandboxPerson {
    fn from(person: Person) -> Self {
        let wish = person.wish;
        let methods = wish.methods.iter().copied();
        let texts = wish.methods.contains(&FactorKind::Sms);
        Self {
            id: format!("user-{}", person.id),
            number: person.number,
            email: wish.email,
            password: PASSWORD,
            first_name: wish.names.0,
            last_name: wish.names.1,
            about: wish.about,
            role: match wish.role {
                Role::User => PersonRole::User,
                Role::Administrator => PersonRole::Administrator,
            },
            mfa_methods: methods.map(PersonMethod::of).collect(),
            authenticator_secret: person.secret,
            phone_number: texts.then_some(wish.phone),
            recovery_codes: wish.recovery_codes.then_some(person.recovery_codes),
            locked_method: wish.locked.map(PersonMethod::of),
            organisation_id: wish.member.map(|(id, _)| id.to_string()),
            organisation_role: wish.member.map(|(_, role)| match role {
                OrganisationRole::Owner => MemberRole::Owner,
                OrganisationRole::Administrator => MemberRole::Administrator,
                OrganisationRole::Member => MemberRole::Member,
            }),
        }
    }
}
