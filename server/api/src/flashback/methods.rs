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
use crate::flow::Target;
use crate::flow::methods::{self, Change, Which};
use crate::http::caller::Who;
use crate::http::input::{Then, present};
use crate::http::limits::Client;
use crate::model::factor::{Factor, starting};
use crate::model::ids::Id;
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Refusal, UserId, session};

refuses!(GetMfaStatus: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Tells what sign-in asks for.
#[utoipa::path(operation_id = "getMfaStatus", tag = "MFA",
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = MfaStatusResponse), GetMfaStatus))]
#[get("/mfa/status")]
pub async fn get_mfa_status(who: CallerOrPending) -> Answer<MfaStatusResponse> {
    let data = match who.into_inner() {
        Who::Caller(caller) => {
            MfaStatus::of(&caller.demanded(), caller.enforced, &caller.factors, true)
        }
        Who::Pending(pending) => {
            MfaStatus::of(&pending.demanded, pending.enforced, &pending.factors, false)
        }
    };
    Ok(Json(MfaStatusResponse {
        success: true,
        data,
    }))
}

refuses!(GetMfaMethods: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Lists the methods of this API and their state in the account.
#[utoipa::path(operation_id = "getMfaMethods", tag = "MFA",
    security(("bearerAuth" = []), ("pendingAuth" = [])),
    responses((status = 200, body = MfaMethodsResponse), GetMfaMethods))]
#[get("/mfa/methods")]
pub async fn get_mfa_methods(who: CallerOrPending) -> Answer<MfaMethodsResponse> {
    let data = match who.into_inner() {
        Who::Caller(caller) => methods(&caller.user, &caller.factors, &caller.demanded()),
        Who::Pending(pending) => methods(&pending.user, &pending.factors, &pending.demanded),
    };
    Ok(Json(MfaMethodsResponse {
        success: true,
        data,
    }))
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
    let (caller, method) = (caller.into_inner(), body.into_inner().mfa_type.known()?);
    app.call(async |ctx| methods::enable(ctx, own(caller, source), method).await)
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
    let (caller, method) = (caller.into_inner(), body.into_inner().mfa_type.known()?);
    app.call(async |ctx| methods::pause(ctx, own(caller, source), Which::Kind(method)).await)
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
    let (caller, method) = (caller.into_inner(), body.into_inner().mfa_type.known()?);
    app.call(async |ctx| {
        methods::choose_primary(ctx, own(caller, source), Which::Kind(method)).await
    })
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
    let caller = caller.into_inner();
    let named = body.into_inner().and_then(|body| body.reset_user_id);
    let target = match named.as_deref().map(user_id).transpose()? {
        Some(id) if id != caller.user.id => Target::Id(id),
        Some(_) | None => Target::Own,
    };
    let command = Change {
        caller,
        target,
        source,
    };
    app.call(async |ctx| methods::reset(ctx, command).await)
        .await?;
    Ok(Json(MessageResponse::new("MFA reset successfully")))
}

/// A command for the caller's own account.
const fn own(caller: session::Caller, source: Source) -> Change {
    Change {
        caller,
        target: Target::Own,
        source,
    }
}

/// Lists the methods of this API and their state in an account.
fn methods(user: &User, factors: &[Factor], demanded: &[FactorKind]) -> Vec<MfaMethodInfo> {
    let info = |kind: &FactorKind| MfaMethodInfo::of(*kind, user, factors, demanded.contains(kind));
    CARRIED.iter().filter_map(info).collect()
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

impl MfaStatus {
    fn of(
        demanded: &[FactorKind],
        enforced: bool,
        factors: &[Factor],
        session_verified: bool,
    ) -> Self {
        // The chosen method, or the first one in order. Without factors, the method that the policy
        // demands.
        let begins_with = starting(factors).map(|factor| factor.kind);
        let begins_with = begins_with.or_else(|| demanded.first().copied());
        Self {
            is_enabled: !demanded.is_empty(),
            // Only an organisation can require it.
            is_required: enforced,
            is_enforced: enforced,
            enabled_methods: MfaType::all_of(demanded),
            primary_method: begins_with.and_then(MfaType::of),
            session_verified,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct MfaMethodsResponse {
    success: bool,
    data: Vec<MfaMethodInfo>,
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
    fn of(kind: FactorKind, user: &User, factors: &[Factor], is_enabled: bool) -> Option<Self> {
        let r#type = MfaType::of(kind)?;
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
        let proved = |factor: &Factor| factor.kind == kind && factor.state != FactorState::Pending;
        Some(Self {
            r#type,
            name,
            description,
            is_available: kind != FactorKind::Email || user.mailbox,
            is_configured: is_enabled || factors.iter().any(proved),
            is_enabled,
        })
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetMfaRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 64))]
    #[schema(max_length = 64, nullable = false)]
    reset_user_id: Option<String>,
}
