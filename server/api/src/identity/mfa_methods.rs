//! Operations to list, rename, prefer and remove the methods of an account, and to make recovery
//! codes.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, get, patch, post};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{self, MfaMethod, WholeList};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, Query};
use crate::flow;
use crate::flow::methods::{Change, Which};
use crate::http::input::{Path, Then, name as readable};
use crate::http::limits::Client;
use crate::model::kinds;
use crate::model::notice::masked;
use crate::model::source::Source;
use crate::model::{FactorId, Secret, session};
use crate::outcome::{MethodList, MethodView};

refuses!(ListMfaMethods: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Lists the methods of the account.
#[utoipa::path(operation_id = "listMfaMethods", tag = "MFA Methods", security(("bearerAuth" = [])),
    responses((status = 200, body = ListMfaMethodsAnswer), ListMfaMethods))]
#[get("/identity/mfa/methods")]
pub async fn list_mfa_methods(
    app: App,
    Then(caller, _whole): Then<Caller, Query<WholeList>>,
) -> Answer<ListMfaMethodsAnswer> {
    let caller = caller.into_inner();
    let list = app.run(flow::methods::list, caller).await?;
    Ok(Json(list.into()))
}

refuses!(RenameMfaMethod: WITH_BODY, Validation, NameTaken, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, FactorNotFound);

/// Renames a method.
#[utoipa::path(operation_id = "renameMfaMethod", tag = "MFA Methods", request_body = RenameMfaMethodRequest,
    params(("factorId" = String, Path, max_length = 64,
        pattern = "^factor-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")), security(("bearerAuth" = [])),
    responses((status = 200, body = MfaFactor), RenameMfaMethod))]
#[patch("/identity/mfa/methods/{factorId}")]
pub async fn rename_mfa_method(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<RenameMfaMethodRequest>>,
    id: Path<String, Error>,
) -> Answer<MfaFactor> {
    let id = dto::factor_id("factorId", &id.into_inner())?;
    let command = body.into_inner().command(caller.into_inner(), id, source);
    let factor = app.run(flow::methods::rename, command).await?;
    Ok(Json(factor.into()))
}

refuses!(DeleteMfaMethod: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    MfaEnforced, FactorNotFound);

/// Removes a method.
#[utoipa::path(operation_id = "deleteMfaMethod", tag = "MFA Methods",
    params(("factorId" = String, Path, max_length = 64,
        pattern = "^factor-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")), security(("bearerAuth" = [])),
    responses((status = 204), DeleteMfaMethod))]
#[delete("/identity/mfa/methods/{factorId}")]
pub async fn delete_mfa_method(
    app: App,
    Client(source): Client,
    Then(caller, Named(id)): Then<Caller, Named>,
) -> Result<HttpResponse, Error> {
    let command = Change::own(caller.into_inner(), source);
    app.call(async |ctx| flow::methods::remove(ctx, command, Which::Factor(id)).await)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

refuses!(SetPrimaryMfaMethod: WITHOUT_BODY, Validation, MfaMethodNotEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, FactorNotFound);

/// Makes a method the primary one, which sign-in asks for first.
#[utoipa::path(operation_id = "setPrimaryMfaMethod", tag = "MFA Methods",
    params(("factorId" = String, Path, max_length = 64,
        pattern = "^factor-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")), security(("bearerAuth" = [])),
    responses((status = 200, body = MfaFactor), SetPrimaryMfaMethod))]
#[post("/identity/mfa/methods/{factorId}/primary")]
pub async fn set_primary_mfa_method(
    app: App,
    Client(source): Client,
    Then(caller, Named(id)): Then<Caller, Named>,
) -> Answer<MfaFactor> {
    let command = Change::own(caller.into_inner(), source);
    let factor = app
        .call(async |ctx| flow::methods::choose_primary(ctx, command, Which::Factor(id)).await)
        .await?;
    Ok(Json(factor.into()))
}

refuses!(GenerateRecoveryCodes: WITHOUT_BODY, MfaNotEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, TooManyRequests);

/// Creates new recovery codes, which replace the old ones.
#[utoipa::path(operation_id = "generateRecoveryCodes", tag = "MFA Methods", security(("bearerAuth" = [])),
    responses((status = 201, body = RecoveryCodesResponse), GenerateRecoveryCodes))]
#[post("/identity/mfa/recovery-codes")]
pub async fn generate_recovery_codes(
    app: App,
    Client(source): Client,
    caller: Caller,
) -> Result<(Json<RecoveryCodesResponse>, StatusCode), Error> {
    let caller = caller.into_inner();
    let codes = app
        .call(async |ctx| flow::recovery::regenerate(ctx, caller, source).await)
        .await?;
    Ok((Json(codes.into()), StatusCode::CREATED))
}

/// The id in the path.
pub struct Named(FactorId);

impl FromRequest for Named {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let written = request.match_info().get("factorId").unwrap_or_default();
        ready(
            dto::factor_id("factorId", written)
                .map(Self)
                .map_err(Error::from),
        )
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameMfaMethodRequest {
    #[validate(length(min = 1, max = 64), custom(function = "readable"))]
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

impl RenameMfaMethodRequest {
    fn command(
        self,
        caller: session::Caller,
        id: FactorId,
        source: Source,
    ) -> flow::methods::Rename {
        flow::methods::Rename {
            caller,
            id,
            name: self.name,
            source,
        }
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FactorState {
    Pending,
    Ready,
    On,
}

impl From<kinds::FactorState> for FactorState {
    fn from(state: kinds::FactorState) -> Self {
        match state {
            kinds::FactorState::Pending => Self::Pending,
            kinds::FactorState::Ready => Self::Ready,
            kinds::FactorState::On => Self::On,
        }
    }
}

/// One method of the account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaFactor {
    id: String,
    method: MfaMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    #[schema(inline)]
    state: FactorState,
    primary: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    enabled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_used_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<String>,
}

impl From<MethodView> for MfaFactor {
    fn from(factor: MethodView) -> Self {
        Self {
            id: format!("factor-{}", factor.id),
            method: factor.method.into(),
            name: factor.name,
            state: factor.state.into(),
            primary: factor.primary,
            created_at: factor.created_at.to_string(),
            enabled_at: factor.enabled_at.map(|time| time.to_string()),
            last_used_at: factor.last_used_at.map(|time| time.to_string()),
            target: factor.phone.as_deref().map(masked),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListMfaMethodsAnswer {
    factors: Vec<MfaFactor>,
    recovery_codes: RecoveryCodesInfo,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodesInfo {
    pub remaining: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub generated_at: Option<String>,
}

impl From<MethodList> for ListMfaMethodsAnswer {
    fn from(list: MethodList) -> Self {
        Self {
            factors: list.factors.into_iter().map(MfaFactor::from).collect(),
            recovery_codes: RecoveryCodesInfo {
                remaining: list.recovery_codes_remaining,
                generated_at: list.recovery_codes_made_at.map(|time| time.to_string()),
            },
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodesResponse {
    #[serde(serialize_with = "all_exposed")]
    #[schema(value_type = Vec<String>)]
    recovery_codes: Vec<Secret<String>>,
    remaining: u32,
}

impl From<Vec<Secret<String>>> for RecoveryCodesResponse {
    fn from(codes: Vec<Secret<String>>) -> Self {
        Self {
            remaining: u32::try_from(codes.len()).unwrap_or(u32::MAX),
            recovery_codes: codes,
        }
    }
}

/// Writes the codes into the only answer that gives them to their owner.
fn all_exposed<S: Serializer>(codes: &[Secret<String>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(codes.iter().map(Secret::expose))
}
