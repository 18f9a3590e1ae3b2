//! What an authenticator app shows.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::error::refuses;
use super::{Answer, Body, Box};
use crate::http::input::present;
use crate::model::Refusal;
use crate::model::user::address_as_typed;
use crate::{Sandbox, codes};

refuses!(ShowAuthenticatorCode: WITH_BODY_ALONE, Validation, ForeignPage);

/// Shows what an authenticator app shows now.
#[utoipa::path(operation_id = "showAuthenticatorCode", tag = "Codes",
    request_body = ShowAuthenticatorCodeRequest,
    responses((status = 200, body = AuthenticatorCode), ShowAuthenticatorCode))]
#[post("/sandbox/authenticator-code")]
pub async fn show_authenticator_code(
    sandbox: Box,
    body: Body<ShowAuthenticatorCodeRequest>,
) -> Answer<AuthenticatorCode> {
    Ok(Json(body.into_inner().show(&sandbox)?))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShowAuthenticatorCodeRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254, nullable = false)]
    email: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    secret: Option<String>,
}

impl ShowAuthenticatorCodeRequest {
    fn show(self, sandbox: &Sandbox) -> Result<AuthenticatorCode, Refusal> {
        let secret = match (self.secret, self.email) {
            (Some(secret), None) => secret,
            (None, Some(email)) => sandbox
                .secret_of(&address_as_typed(&email))
                .ok_or_else(|| {
                    Refusal::field("email", "No person in the sandbox has this address and an authenticator app. Send the app's secret instead.")
                })?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(Refusal::field("body", "Send either email or secret."));
            }
        };
        let codes = codes::codes_of(&secret, sandbox.now()).ok_or_else(|| {
            Refusal::field(
                "secret",
                "This must be the secret of an authenticator app, in base32.",
            )
        })?;
        Ok(AuthenticatorCode {
            code: codes.code,
            next_code: codes.next,
            seconds_left: codes.left,
        })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticatorCode {
    code: String,
    next_code: String,
    seconds_left: u32,
}
