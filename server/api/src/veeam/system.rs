//! The server's version. Clients also ask for it without a token: 401 tells them that this version
//! of the API is served, 404 that it is not.

use actix_web::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::refuses;
use super::{Answer, Caller, Utf8Json};

refuses!(GetAbout: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Returns the server's version.
#[utoipa::path(operation_id = "getAbout", tag = "System", security(("bearerAuth" = [])),
    responses((status = 200, body = SystemInfo), GetAbout))]
#[get("/api/v1/system/about")]
pub async fn get_about(_caller: Caller) -> Answer<SystemInfo> {
    Ok(Utf8Json(SystemInfo::of_this()))
}

refuses!(GetAboutV81: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Returns the server's version.
#[utoipa::path(operation_id = "getAboutV81", tag = "System", security(("bearerAuth" = [])),
    responses((status = 200, body = SystemInfo), GetAboutV81))]
#[get("/api/v8.1/system/about")]
pub async fn get_about_v81(_caller: Caller) -> Answer<SystemInfo> {
    Ok(Utf8Json(SystemInfo::of_this()))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemInfo {
    server_version: &'static str,
}

impl SystemInfo {
    fn of_this() -> Self {
        Self {
            server_version: env!("CARGO_PKG_VERSION"),
        }
    }
}
