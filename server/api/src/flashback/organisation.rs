//! The members of an organisation, and its demand for a second factor.

use actix_web::web::Json;
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::account::{OrgRole, Place};
use super::dto::{MessageResponse, NoParameters};
use super::error::refuses;
use super::{Answer, App, Body, Caller, Query};
use crate::flow;
use crate::http::input::Then;
use crate::http::limits::Client;
use crate::outcome::Member;

refuses!(EnforceOrganizationMfa: WITH_BODY, Validation, NoOrganisation, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden);

/// Makes the organisation demand a second factor of every member, or stop demanding it.
#[utoipa::path(operation_id = "enforceOrganizationMfa", tag = "Organisation", request_body = EnforceMfaRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), EnforceOrganizationMfa))]
#[post("/mfa/organization/enforce")]
pub async fn enforce_organization_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<EnforceMfaRequest>>,
) -> Answer<MessageResponse> {
    let (caller, body) = (caller.into_inner(), body.into_inner());
    app.call(async |ctx| flow::organisation::enforce(ctx, caller, body.enforced, source).await)
        .await?;
    Ok(Json(MessageResponse::new(body.message())))
}

refuses!(ListOrganizationUsers: WITHOUT_BODY, Validation, NoOrganisation, TokenInvalid, TokenExpired, Forbidden);

/// Lists everybody in the caller's organisation.
#[utoipa::path(operation_id = "listOrganizationUsers", tag = "Organisation", security(("bearerAuth" = [])),
    responses((status = 200, body = ListOrganizationUsersAnswer), ListOrganizationUsers))]
#[get("/organization/users")]
pub async fn list_organization_users(
    app: App,
    Then(caller, _none): Then<Caller, Query<NoParameters>>,
) -> Answer<ListOrganizationUsersAnswer> {
    let caller = caller.into_inner();
    let members = app.run(flow::organisation::members, caller).await?;
    Ok(Json(members.into()))
}

/// All members of an organisation.
#[derive(Serialize, ToSchema)]
pub struct ListOrganizationUsersAnswer {
    success: bool,
    data: Vec<OrganizationUser>,
    total: u32,
}

impl From<Vec<Member>> for ListOrganizationUsersAnswer {
    fn from(members: Vec<Member>) -> Self {
        Self {
            success: true,
            total: u32::try_from(members.len()).unwrap_or(u32::MAX),
            data: members.into_iter().map(OrganizationUser::from).collect(),
        }
    }
}

/// A member of an organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationUser {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    email: String,
    name: String,
    last_name: String,
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
}

impl From<Member> for OrganizationUser {
    fn from(member: Member) -> Self {
        let (org_id, role) = member.organisation.unzip();
        let place = role.map(Place::of);
        Self {
            id: member.id.uuid(),
            email: member.email,
            name: member.first_name.unwrap_or_default(),
            last_name: member.last_name.unwrap_or_default(),
            org_id: org_id.map(|id| id.uuid()),
            org_role: place.as_ref().map(|place| place.number),
            org_role_description: place.as_ref().map(|place| place.word),
            org_roles: place.map(|place| place.includes),
            validated: member.mailbox,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct EnforceMfaRequest {
    enforced: bool,
}

impl EnforceMfaRequest {
    /// Returns the sentence that says what was done.
    const fn message(&self) -> &'static str {
        match self.enforced {
            true => "MFA enforcement enabled for organization",
            false => "MFA enforcement disabled for organization",
        }
    }
}
