//! Operations to turn the second factor of the user's own sign-ins on and off.

use actix_web::web::Json;
use actix_web::{delete, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{Disabled, Enabled, Method, MfaMethod, Pending};
use super::error::refuses;
use super::{Answer, App, Caller, OptionalBody};
use crate::flow::channel::{self, TurnOn, TurnOnResult};
use crate::flow::methods::{self, Change, Which};
use crate::http::input::{Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed_if;
use crate::model::notice::masked;
use crate::model::source::Source;
use crate::model::{self, Fault, Refusal, Secret, session};
use crate::outcome::{FactorChange, PendingSetup, SetupNeeds};

refuses!(EnableMfaSignIn: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodUnavailable,
    TokenInvalid, TokenExpired, InsufficientUserAuthentication, TooManyMfaSms, TooManyRequests);

/// Turns a method on: at once if it was proved before, otherwise once it is proved.
#[utoipa::path(operation_id = "enableMfaSignIn", tag = "Settings", request_body = Option<EnableMfaSignInRequest>,
    security(("bearerAuth" = [])), responses((status = 200, body = EnableMfaSignInAnswer), EnableMfaSignIn))]
#[post("/settings/MfaSignIn")]
pub async fn enable_mfa_sign_in(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, OptionalBody<EnableMfaSignInRequest>>,
) -> Answer<EnableMfaSignInAnswer> {
    let body = body.into_inner().unwrap_or_default();
    let command = body.command(caller.into_inner(), source)?;
    let turned_on = app.run(channel::turn_on, command).await?;
    Ok(Json(EnableMfaSignInAnswer::of(turned_on)?))
}

refuses!(DisableMfaSignIn: WITHOUT_BODY, TokenInvalid, TokenExpired, InsufficientUserAuthentication, MfaEnforced);

/// Turns the second factor off. Ignores a body.
#[utoipa::path(operation_id = "disableMfaSignIn", tag = "Settings", security(("bearerAuth" = [])),
    responses((status = 200, body = DisableMfaSignInAnswer), DisableMfaSignIn))]
#[delete("/settings/MfaSignIn")]
pub async fn disable_mfa_sign_in(
    app: App,
    Client(source): Client,
    caller: Caller,
) -> Answer<DisableMfaSignInAnswer> {
    let command = Change::own(caller.into_inner(), source);
    app.call(async |ctx| methods::pause(ctx, command, Which::All).await)
        .await?;
    Ok(Json(DisableMfaSignInAnswer::OFF))
}

/// The method and its channel. For missing fields, the user's defaults apply.
#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnableMfaSignInRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = MfaMethod, required = false)]
    mfa_method: Option<Method>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 64))]
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    phone_number: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 320))]
    #[schema(min_length = 1, max_length = 320, nullable = false)]
    email: Option<String>,
}

impl EnableMfaSignInRequest {
    fn command(self, caller: session::Caller, source: Source) -> Result<TurnOn, Refusal> {
        Ok(TurnOn {
            caller,
            method: self.mfa_method.map(Method::known).transpose()?,
            phone: self.phone_number,
            email: self.email,
            source,
        })
    }
}

/// Says that the method is on, or waits for its proof.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "status", mapping(("enabled" = "#/components/schemas/MfaSignInEnabledResponse"), ("pending" = "#/components/schemas/MfaSignInPendingResponse"))))]
#[serde(untagged)]
pub enum EnableMfaSignInAnswer {
    Enabled(MfaSignInEnabledResponse),
    Pending(Box<MfaSignInPendingResponse>),
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSignInEnabledResponse {
    #[schema(inline)]
    status: Enabled,
    success: bool,
    mfa_enabled: bool,
    mfa_method: MfaMethod,
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSignInPendingResponse {
    #[schema(inline)]
    status: Pending,
    success: bool,
    mfa_enabled: bool,
    mfa_method: MfaMethod,
    message: &'static str,
    #[serde(serialize_with = "crate::http::output::exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    secret: Option<Secret<String>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    otpauth_uri: Option<Secret<String>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed_if")]
    #[schema(value_type = String, required = false)]
    qr_code: Option<Secret<String>>,
}

impl EnableMfaSignInAnswer {
    fn of(turned_on: TurnOnResult) -> model::Result<Self> {
        match turned_on {
            TurnOnResult::On(changed) => enabled(&changed).map(Self::Enabled),
            TurnOnResult::Begun { begun, asked } => {
                pending(*begun, asked).map(Box::new).map(Self::Pending)
            }
        }
    }
}

fn enabled(changed: &FactorChange) -> model::Result<MfaSignInEnabledResponse> {
    let mfa_method = MfaMethod::of(changed.method).ok_or_else(unknown)?;
    Ok(MfaSignInEnabledResponse {
        status: Enabled::Enabled,
        success: true,
        mfa_enabled: !changed.methods.is_empty(),
        mfa_method,
        message: match mfa_method {
            MfaMethod::Sms => {
                "Multi-factor authentication is on. Signing in asks for a code sent by text message."
            }
            MfaMethod::Email => {
                "Multi-factor authentication is on. Signing in asks for a code sent by e-mail."
            }
            MfaMethod::Authenticator => {
                "Multi-factor authentication is on. Signing in asks for the code of your authenticator app."
            }
        },
    })
}

fn pending(begun: PendingSetup, asked: bool) -> model::Result<MfaSignInPendingResponse> {
    let mut answer = MfaSignInPendingResponse {
        status: Pending::Pending,
        success: true,
        mfa_enabled: asked,
        mfa_method: MfaMethod::Sms,
        message: "A code was sent by text message. Send it with this mfaToken and shortMessageType ContactInfoUpdateRequest to /api/CodeVerification/check.",
        mfa_token: begun.mfa_token,
        phone_number: None,
        secret: None,
        otpauth_uri: None,
        qr_code: None,
    };
    match begun.needs {
        SetupNeeds::Sms { phone } => answer.phone_number = Some(masked(&phone)),
        SetupNeeds::Authenticator {
            secret,
            otpauth_url,
            qr_code,
        } => {
            answer.mfa_method = MfaMethod::Authenticator;
            answer.message = "Scan the QR code with your authenticator app. Send its code with this mfaToken and shortMessageType ContactInfoUpdateRequest to /api/CodeVerification/check.";
            answer.secret = Some(secret);
            answer.otpauth_uri = Some(otpauth_url);
            answer.qr_code = Some(qr_code);
        }
        SetupNeeds::Email | SetupNeeds::Passkey { .. } => return Err(unknown().into()),
    }
    Ok(answer)
}

/// The fault for a method that this API never turns on or sets up.
fn unknown() -> Fault {
    Fault::bug(anyhow::anyhow!("a method that Netevia's API does not know"))
}

/// Says that the second factor is off.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisableMfaSignInAnswer {
    #[schema(inline)]
    status: Disabled,
    success: bool,
    mfa_enabled: bool,
    message: &'static str,
}

impl DisableMfaSignInAnswer {
    const OFF: Self = Self {
        status: Disabled::Disabled,
        success: true,
        mfa_enabled: false,
        message: "Multi-factor authentication is off. Signing in asks for the password alone.",
    };
}
