//! The virtual device: makes passkeys and uses them, as a browser does for a page.

use actix_web::http::StatusCode;
use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use super::error::refuses;
use super::{Answer, Body, Box, Error};
use crate::Sandbox;
use crate::http::input::present;
use crate::model::Refusal;
use crate::model::user::address_as_typed;

refuses!(MakePasskey: WITH_BODY_ALONE, Validation, ForeignPage);

/// Makes a passkey.
#[utoipa::path(operation_id = "makePasskey", tag = "Passkeys", request_body = MakePasskeyRequest,
    responses((status = 201, body = PasskeyAnswer), MakePasskey))]
#[post("/sandbox/passkeys")]
pub async fn make_passkey(
    sandbox: Box,
    body: Body<MakePasskeyRequest>,
) -> Result<(Json<PasskeyAnswer>, StatusCode), Error> {
    let answer = body.into_inner().answer(&sandbox)?;
    Ok((Json(answer), StatusCode::CREATED))
}

refuses!(UsePasskey: WITH_BODY, Validation, ForeignPage);

/// Uses a passkey.
#[utoipa::path(operation_id = "usePasskey", tag = "Passkeys", request_body = UsePasskeyRequest,
    responses((status = 200, body = PasskeyAnswer), UsePasskey))]
#[post("/sandbox/passkeys/use")]
pub async fn use_passkey(sandbox: Box, body: Body<UsePasskeyRequest>) -> Answer<PasskeyAnswer> {
    let wanted = body.into_inner();
    let handle = match &wanted.email {
        Some(email) => Some(handle_of(&sandbox, email).await?),
        None => None,
    };
    let options = Value::Object(wanted.public_key);
    let origin = wanted.origin.unwrap_or_else(|| sandbox.page());
    let used = sandbox.device().get(&options, &origin, handle.as_deref());
    Ok(Json(PasskeyAnswer::of(used)?))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MakePasskeyRequest {
    public_key: Map<String, Value>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 300))]
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    origin: Option<String>,
}

impl MakePasskeyRequest {
    fn answer(self, sandbox: &Sandbox) -> Result<PasskeyAnswer, Refusal> {
        let options = Value::Object(self.public_key);
        let origin = self.origin.unwrap_or_else(|| sandbox.page());
        let chance = &sandbox.app().ctx().chance;
        PasskeyAnswer::of(sandbox.device().create(&options, &origin, chance))
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsePasskeyRequest {
    public_key: Map<String, Value>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 300))]
    #[schema(min_length = 1, max_length = 300, nullable = false)]
    origin: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254, nullable = false)]
    email: Option<String>,
}

/// What the account of an address is called on devices.
async fn handle_of(sandbox: &Sandbox, email: &str) -> Result<String, Error> {
    let handle = sandbox.handle_of(&address_as_typed(email)).await?;
    let sentence = "No person has this address.";
    Ok(handle.ok_or_else(|| Refusal::field("email", sentence))?)
}

/// What the page gets from the browser.
#[derive(Serialize, ToSchema)]
pub struct PasskeyAnswer {
    credential: Map<String, Value>,
}

impl PasskeyAnswer {
    fn of(answer: Result<Value, &'static str>) -> Result<Self, Refusal> {
        match answer {
            Ok(Value::Object(credential)) => Ok(Self { credential }),
            Ok(_) => Ok(Self {
                credential: Map::new(),
            }),
            Err(why) => Err(Refusal::field("publicKey", why)),
        }
    }
}
