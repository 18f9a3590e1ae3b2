//! The operation behind the page of a mailed link. It shows the code, and approves nothing.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::error::refuses;
use super::{Answer, App, Body};
use crate::flow;
use crate::http::input::SecretText;
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::Secret;
use crate::model::kinds::Purpose;
use crate::outcome::LinkView;

refuses!(OpenMagicLink: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired);

/// Returns the code to type.
#[utoipa::path(operation_id = "openMagicLink", tag = "Magic Link", request_body = MagicLinkRequest,
    responses((status = 200, body = MagicLinkResponse), OpenMagicLink))]
#[post("/identity/mfa/magic-link")]
pub async fn open_magic_link(
    app: App,
    Client(source): Client,
    body: Body<MagicLinkRequest>,
) -> Answer<MagicLinkResponse> {
    let token = body.into_inner().token.into_secret();
    let opened = app
        .call(async |ctx| flow::link::open(ctx, token, source).await)
        .await?;
    Ok(Json(opened.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MagicLinkRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MagicLinkResponse {
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    code: Secret<String>,
    #[schema(inline)]
    purpose: LinkPurpose,
    #[schema(format = DateTime)]
    asked_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    asked_from: Option<String>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    Setup,
    Login,
    Disable,
    StepUp,
    Action,
    PasswordReset,
}

impl From<Purpose> for LinkPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Setup => Self::Setup,
            Purpose::Login => Self::Login,
            Purpose::Disable => Self::Disable,
            Purpose::StepUp => Self::StepUp,
            Purpose::Action => Self::Action,
            Purpose::PasswordReset => Self::PasswordReset,
        }
    }
}

impl From<LinkView> for MagicLinkResponse {
    fn from(opened: LinkView) -> Self {
        Self {
            message: "Type this code on the device that requested it. If that was not you, do not type it, and change your password.",
            code: opened.code,
            purpose: opened.purpose.into(),
            asked_at: opened.asked_at.to_string(),
            asked_from: opened.asked_from,
        }
    }
}
