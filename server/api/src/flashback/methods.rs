//! Operations to list the methods, and to turn proved ones on and off.

use actix_web::web::Json;
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::dto::{CARRIED, MessageResponse, MfaType, MfaTypeRequest};
use super::error::refuses;
use super::{Answer, App, Body, Caller, CallerOrPending, OptionalBody};
use crate::flow::methods::{self, Change, Which};
use crate::flow::{self, Target};
use crate::http::input::{Then, present};
use crate::http::limits::Client;
use crate::model::ids::Id;
use crate::model::kinds::FactorKind;
use crate::model::source::Source;
use crate::model::{Refusal, UserId, session};
use crate::outcome::MfaOverview;

refuses!(GetMfaStatus: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Tells what sign-in asks for.
#[utoipa::path(operation_id = "getMfaStatus", tag = "MFA",
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = MfaStatusResponse), GetMfaStatus))]
#[get("/mfa/status")]
pub async fn get_mfa_status(who: CallerOrPending) -> Answer<MfaStatusResponse> {
    let overview = flow::session::overview(&who.into_inner());
    Ok(Json(overview.into()))
}

refuses!(GetMfaMethods: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Lists the methods of this API and their state in the account.
#[utoipa::path(operation_id = "getMfaMethods", tag = "MFA",
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = MfaMethodsResponse), GetMfaMethods))]
#[get("/mfa/methods")]
pub async fn get_mfa_methods(who: CallerOrPending) -> Answer<MfaMethodsResponse> {
    let overview = flow::session::overview(&who.into_inner());
    Ok(Json(overview.into()))
}

refuses!(EnableMfa: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodNotConfigured, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication);

/// Turns a proved method on.
#[utoipa::path(operation_id = "enableMfa", tag = "MFA", request_body = MfaTypeRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), EnableMfa))]
#[post("/mfa/enable")]
pub async fn enable_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<MfaTypeRequest>>,
) -> Answer<MessageResponse> {
    let (command, method) = body.into_inner().command(caller.into_inner(), source)?;
    app.call(async |ctx| methods::enable(ctx, command, method).await)
        .await?;
    Ok(Json(MessageResponse::new("MFA method enabled")))
}

refuses!(DisableMfa: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodNotEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, MfaEnforced);

/// Stops asking for a method, and keeps its proof.
#[utoipa::path(operation_id = "disableMfa", tag = "MFA", request_body = MfaTypeRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), DisableMfa))]
#[post("/mfa/disable")]
pub async fn disable_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<MfaTypeRequest>>,
) -> Answer<MessageResponse> {
    let (command, method) = body.into_inner().command(caller.into_inner(), source)?;
    app.call(async |ctx| methods::pause(ctx, command, Which::Kind(method)).await)
        .await?;
    Ok(Json(MessageResponse::new("MFA method disabled")))
}

refuses!(SetPrimaryMfa: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodNotEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication);

/// Chooses the method that sign-in begins with.
#[utoipa::path(operation_id = "setPrimaryMfa", tag = "MFA", request_body = MfaTypeRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), SetPrimaryMfa))]
#[post("/mfa/primary")]
pub async fn set_primary_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<MfaTypeRequest>>,
) -> Answer<MessageResponse> {
    let (command, method) = body.into_inner().command(caller.into_inner(), source)?;
    app.call(async |ctx| methods::choose_primary(ctx, command, Which::Kind(method)).await)
        .await?;
    Ok(Json(MessageResponse::new("Primary MFA method updated")))
}

refuses!(ResetMfa: WITH_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication, Forbidden,
    MfaEnforced, UserNotFound);

/// Removes all methods.
#[utoipa::path(operation_id = "resetMfa", tag = "MFA", request_body = Option<ResetMfaRequest>,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), ResetMfa))]
#[post("/mfa/reset")]
pub async fn reset_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, OptionalBody<ResetMfaRequest>>,
) -> Answer<MessageResponse> {
    let body = body.into_inner().unwrap_or_default();
    let command = body.command(caller.into_inner(), source)?;
    app.run(methods::reset, command).await?;
    Ok(Json(MessageResponse::new("MFA reset successfully")))
}

/// Parses an id as this API prints it, or as the native one does.
fn user_id(text: &str) -> Result<UserId, Refusal> {
    let bare = text.strip_prefix("user-").unwrap_or(text);
    let id = Uuid::try_parse(bare).map_err(|_| Refusal::UnknownUser)?;
    Ok(Id::new(id))
}

#[derive(Serialize, ToSchema)]
pub struct MfaStatusResponse {
    success: bool,
    data: MfaStatus,
}

/// Whether sign-in asks for a second factor, and for which methods.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaStatus {
    is_enabled: bool,
    is_required: bool,
    is_enforced: bool,
    enabled_methods: Vec<MfaType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    primary_method: Option<MfaType>,
    session_verified: bool,
}

impl From<MfaOverview> for MfaStatusResponse {
    fn from(overview: MfaOverview) -> Self {
        let demanded = overview.person.methods;
        let data = MfaStatus {
            is_enabled: !demanded.is_empty(),
            // Only an organisation can require it.
            is_required: overview.enforced,
            is_enforced: overview.enforced,
            enabled_methods: MfaType::all_of(&demanded),
            primary_method: demanded.first().copied().and_then(MfaType::of),
            session_verified: overview.signed_in,
        };
        Self {
            success: true,
            data,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct MfaMethodsResponse {
    success: bool,
    data: Vec<MfaMethodInfo>,
}

impl From<MfaOverview> for MfaMethodsResponse {
    fn from(overview: MfaOverview) -> Self {
        let info = |kind: &FactorKind| MfaMethodInfo::of(*kind, &overview);
        Self {
            success: true,
            data: CARRIED.iter().filter_map(info).collect(),
        }
    }
}

/// A method and its state in the account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaMethodInfo {
    r#type: MfaType,
    name: &'static str,
    description: &'static str,
    is_available: bool,
    is_configured: bool,
    is_enabled: bool,
}

impl MfaMethodInfo {
    fn of(kind: FactorKind, overview: &MfaOverview) -> Option<Self> {
        let r#type = MfaType::of(kind)?;
        let is_enabled = overview.person.methods.contains(&kind);
        let (name, description) = match r#type {
            MfaType::GoogleAuth => (
                "Google Authenticator",
                "Time-based one-time password using Google Authenticator app",
            ),
            MfaType::MagicLink => (
                "Magic Link",
                "Email-based authentication using secure links",
            ),
            MfaType::Passkey => (
                "Passkey",
                "WebAuthn-based biometric or hardware key authentication",
            ),
        };
        Some(Self {
            r#type,
            name,
            description,
            is_available: kind != FactorKind::Email || overview.person.mailbox,
            is_configured: is_enabled || overview.proved.contains(&kind),
            is_enabled,
        })
    }
}

#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetMfaRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 64))]
    #[schema(max_length = 64, nullable = false)]
    reset_user_id: Option<String>,
}

impl ResetMfaRequest {
    fn command(self, caller: session::Caller, source: Source) -> Result<Change, Refusal> {
        let named = self.reset_user_id.as_deref().map(user_id).transpose()?;
        Ok(Change {
            caller,
            target: named.map_or(Target::Own, Target::Id),
            source,
        })
    }
}
