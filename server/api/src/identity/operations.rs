//! Operations for operators, and for services that verify tokens offline.

use actix_web::http::header::CacheControl;
use actix_web::http::header::CacheDirective::{MaxAge, Public};
use actix_web::web::Json;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::refuses;
use super::{Answer, App};
use crate::app::readiness::Readiness;
use crate::http::health;
use crate::model::refusal::extra::Checks;

/// How many seconds a service may cache the keys: fewer than the overlap of a key rotation.
const KEYS_MAX_AGE: u32 = 300;

refuses!(GetJsonWebKeySet: ALONE,);

/// Returns the public signature keys.
#[utoipa::path(operation_id = "getJsonWebKeySet", tag = "Operations",
    responses((status = 200, body = JsonWebKeySet), GetJsonWebKeySet))]
#[get("/.well-known/jwks.json")]
pub async fn get_json_web_key_set(app: App) -> HttpResponse {
    let keep = CacheControl(vec![Public, MaxAge(KEYS_MAX_AGE)]);
    let keys = JsonWebKeySet::of(&app);
    HttpResponse::Ok().insert_header(keep).json(keys)
}

refuses!(GetHealth: ALONE,);

/// Answers as long as the process runs.
#[utoipa::path(operation_id = "getHealth", tag = "Operations",
    responses((status = 200, body = HealthResponse), GetHealth))]
#[get("/healthz")]
pub async fn get_health() -> Json<HealthResponse> {
    Json(HealthResponse {
        status: Healthy::Ok,
    })
}

refuses!(GetReadiness: ALONE, NotReady);

/// Checks the parts that the server depends on.
#[utoipa::path(operation_id = "getReadiness", tag = "Operations",
    responses((status = 200, body = ReadinessResponse), GetReadiness))]
#[get("/readyz")]
pub async fn get_readiness(app: App) -> Answer<ReadinessResponse> {
    let readiness = health::readiness(&app).await?;
    Ok(Json(readiness.into()))
}

#[derive(Serialize, ToSchema)]
pub struct JsonWebKeySet {
    keys: Vec<JsonWebKey>,
}

impl JsonWebKeySet {
    fn of(app: &App) -> Self {
        let keys = app.jwks().into_iter().map(|key| JsonWebKey {
            kty: key.kty,
            r#use: "sig",
            alg: key.alg,
            kid: key.kid,
            crv: key.crv,
            x: key.x,
            y: key.y,
        });
        Self {
            keys: keys.collect(),
        }
    }
}

/// One public signature key (RFC 7517).
#[derive(Serialize, ToSchema)]
pub struct JsonWebKey {
    kty: &'static str,
    r#use: &'static str,
    alg: &'static str,
    kid: String,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    y: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct HealthResponse {
    #[schema(inline)]
    status: Healthy,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Healthy {
    Ok,
}

#[derive(Serialize, ToSchema)]
pub struct ReadinessResponse {
    #[schema(inline)]
    status: Ready,
    #[schema(inline)]
    checks: ReadinessChecks,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'static str>,
}

impl From<Readiness> for ReadinessResponse {
    fn from(readiness: Readiness) -> Self {
        Self {
            status: Ready::Ready,
            checks: readiness.checks.into(),
            reason: readiness.reason,
        }
    }
}

/// How the parts of the server are.
#[derive(Serialize, ToSchema)]
pub struct ReadinessChecks {
    database: &'static str,
    migrations: &'static str,
    courier: &'static str,
}

impl From<Checks> for ReadinessChecks {
    fn from(checks: Checks) -> Self {
        Self {
            database: checks.database,
            migrations: checks.migrations,
            courier: checks.courier,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    Ready,
}
