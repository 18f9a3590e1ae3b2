//! A second factor for everybody in an organisation.

use actix_web::post;
use actix_web::web::Json;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::MessageResponse;
use super::error::refuses;
use super::{Answer, App, Body, Caller};
use crate::flow;
use crate::http::input::Then;
use crate::model::source::Source;

refuses!(EnforceOrganizationMfa: WITH_BODY, Validation, NoOrganisation, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden);

/// Demands a second factor of every member, or no longer.
#[utoipa::path(operation_id = "enforceOrganizationMfa", tag = "Organisation", request_body = EnforceMfaRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), EnforceOrganizationMfa))]
#[post("/mfa/organization/enforce")]
pub async fn enforce_organization_mfa(
    app: App,
    source: Source,
    Then(caller, body): Then<Caller, Body<EnforceMfaRequest>>,
) -> Answer<MessageResponse> {
    let (caller, enforced) = (caller.into_inner(), body.into_inner().enforced);
    app.call(async |ctx| flow::organisation::enforce(ctx, caller, enforced, source).await)
        .await?;
    Ok(Json(MessageResponse::new(if enforced {
        "MFA enforcement enabled for organization"
    } else {
        "MFA enforcement disabled for organization"
    })))
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct EnforceMfaRequest {
    enforced: bool,
}
