//! Operations to set up a method and to prove it, by code or by its link.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{MessageResponse, Method, RegistrationCredential, base64, base64url, of_setup};
use super::error::{Error, refuses};
use super::sessions::fault;
use super::{Answer, App, Body, Caller};
use crate::flow::Target;
use crate::flow::{self, setup};
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::{exposed, exposed_all};
use crate::model::kinds::{CodeSetKind, FactorKind};
use crate::model::source::Source;
use crate::model::{Fault, Refusal, Secret, session, typed};
use crate::outcome::{PendingSetup, SetupNeeds};

refuses!(SetupMfa: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodUnavailable, MfaAlreadyEnabled, TokenInvalid,
    TokenExpired, InsufficientUserAuthentication, TooManyMfaEmails, TooManyRequests);

/// Starts setting up a method.
#[utoipa::path(operation_id = "setupMfa", tag = "MFA", request_body = SetupMfaRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = SetupMfaAnswer), SetupMfa))]
#[post("/mfa/setup")]
pub async fn setup_mfa(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<SetupMfaRequest>>,
) -> Answer<SetupMfaAnswer> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    let begun = app.run(setup::begin, command).await?;
    let origin = &app.ctx().settings.public_url;
    Ok(Json(SetupMfaAnswer::new(begun, origin)?))
}

refuses!(VerifyMfaSetup: WITH_BODY, Validation, InvalidMfaMethod, MfaMethodNotConfigured, MfaTokenInvalid,
    InvalidMfaCode, AuthenticatorClockOff, PasskeyRefused, TokenInvalid, TokenExpired, MfaMethodLocked,
    TooManyMfaAttempts);

/// Proves a method and turns it on.
#[utoipa::path(operation_id = "verifyMfaSetup", tag = "MFA", request_body = VerifyMfaSetupRequest,
    security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), VerifyMfaSetup))]
#[post("/mfa/verify-setup")]
pub async fn verify_mfa_setup(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<VerifyMfaSetupRequest>>,
) -> Answer<MessageResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    app.run(setup::verify, command).await.map_err(of_setup)?;
    Ok(Json(MessageResponse::new("MFA setup verified and enabled")))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupMfaRequest {
    #[schema(value_type = super::dto::MfaType)]
    mfa_type: Method,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 254))]
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(nested)]
    #[schema(nullable = false)]
    device_info: Option<DeviceInfo>,
}

/// The client's device. Only its name is stored.
#[derive(Deserialize, Validate, ToSchema)]
pub struct DeviceInfo {
    #[serde(default, deserialize_with = "present")]
    #[validate(
        length(max = 100),
        custom(function = "crate::http::input::harmless_name")
    )]
    #[schema(max_length = 100, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "type")]
    #[validate(length(max = 100))]
    #[schema(max_length = 100, nullable = false)]
    kind: Option<String>,
}

impl SetupMfaRequest {
    fn command(self, caller: session::Caller, source: Source) -> Result<setup::Begin, Error> {
        let method = self.mfa_type.known()?;
        // Links are sent to the proved address only, whatever address a request names.
        let foreign = |email: &String| !caller.has_address(email);
        if self.email.as_ref().is_some_and(foreign) {
            let sentence = "This must be the address of your account, or be left out.";
            return Err(Refusal::field("email", sentence).into());
        }
        let device = self.device_info.and_then(|device| device.name);
        let device = device.filter(|name| typed::shows(name));
        Ok(setup::Begin {
            caller,
            target: Target::Own,
            method,
            confirm: setup::Confirm::Session,
            name: device.filter(|_| method == FactorKind::Passkey),
            phone: None,
            codes: (method == FactorKind::Authenticator).then_some(CodeSetKind::Recovery),
            replace: false,
            source,
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct SetupMfaAnswer {
    success: bool,
    data: MfaSetupData,
}

impl SetupMfaAnswer {
    fn new(begun: PendingSetup, origin: &str) -> Result<Self, Error> {
        Ok(Self {
            success: true,
            data: MfaSetupData::of(begun, origin)?,
        })
    }
}

/// What the method needs for its proof.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "mfaType", mapping(("GOOGLE_AUTH" = "#/components/schemas/SetupGoogleAuthData"), ("MAGIC_LINK" = "#/components/schemas/SetupMagicLinkData"), ("PASSKEY" = "#/components/schemas/SetupPasskeyData"))))]
#[serde(untagged)]
pub enum MfaSetupData {
    GoogleAuth(SetupGoogleAuthData),
    MagicLink(SetupMagicLinkData),
    Passkey(Box<SetupPasskeyData>),
}

/// The `mfaType` of [`SetupGoogleAuthData`].
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnlyGoogleAuth {
    GoogleAuth,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupGoogleAuthData {
    #[schema(inline)]
    mfa_type: OnlyGoogleAuth,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    secret: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    qr_code: Secret<String>,
    #[serde(serialize_with = "exposed_all")]
    #[schema(value_type = Vec<String>)]
    backup_codes: Vec<Secret<String>>,
}

/// The `mfaType` of [`SetupMagicLinkData`].
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnlyMagicLink {
    MagicLink,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupMagicLinkData {
    #[schema(inline)]
    mfa_type: OnlyMagicLink,
    email: String,
    verification_required: bool,
}

/// The `mfaType` of [`SetupPasskeyData`].
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnlyPasskey {
    Passkey,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupPasskeyData {
    #[schema(inline)]
    mfa_type: OnlyPasskey,
    challenge: String,
    rp_name: String,
    user_name: String,
    #[serde(rename = "rpID")]
    rp_id: String,
    origin: String,
    user_id: String,
    #[schema(value_type = Object)]
    options: Value,
}

impl MfaSetupData {
    fn of(begun: PendingSetup, origin: &str) -> Result<Self, Error> {
        Ok(match begun.needs {
            SetupNeeds::Authenticator {
                secret, qr_code, ..
            } => Self::GoogleAuth(SetupGoogleAuthData {
                mfa_type: OnlyGoogleAuth::GoogleAuth,
                secret,
                qr_code,
                backup_codes: begun.codes,
            }),
            SetupNeeds::Email => Self::MagicLink(SetupMagicLinkData {
                mfa_type: OnlyMagicLink::MagicLink,
                email: begun.person.email,
                verification_required: true,
            }),
            SetupNeeds::Passkey { options } => {
                Self::Passkey(Box::new(SetupPasskeyData::of(options, origin)?))
            }
            SetupNeeds::Sms { .. } => return Err(unforeseen("a set-up of SMS")),
        })
    }
}

impl SetupPasskeyData {
    fn of(options: Value, origin: &str) -> Result<Self, Error> {
        let text = |pointer: &str| {
            let found = options.pointer(pointer).and_then(Value::as_str);
            found.map(str::to_owned)
        };
        let challenge = text("/challenge").and_then(|challenge| base64url(&challenge));
        let parts = (
            challenge,
            text("/rp/name"),
            text("/rp/id"),
            text("/user/name"),
            text("/user/id"),
        );
        let (Some(challenge), Some(rp_name), Some(rp_id), Some(user_name), Some(user_id)) = parts
        else {
            return Err(unforeseen("options without their fields"));
        };
        Ok(Self {
            mfa_type: OnlyPasskey::Passkey,
            challenge: base64(&challenge),
            rp_name,
            user_name,
            rp_id,
            origin: origin.to_owned(),
            user_id,
            options,
        })
    }
}

/// Makes a fault of ours.
fn unforeseen(what: &'static str) -> Error {
    crate::model::Error::from(Fault::bug(anyhow::anyhow!(what))).into()
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyMfaSetupRequest {
    #[schema(value_type = super::dto::MfaType)]
    mfa_type: Method,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, nullable = false)]
    code: Option<SecretText>,
    #[serde(default, deserialize_with = "present")]
    #[validate(nested)]
    #[schema(nullable = false)]
    credential: Option<RegistrationCredential>,
}

impl VerifyMfaSetupRequest {
    fn command(self, caller: session::Caller, source: Source) -> Result<setup::Verify, Error> {
        let method = self.mfa_type.known()?;
        Ok(setup::Verify {
            by: setup::By::Session(method),
            answer: self.answer(method)?,
            scratch: false,
            caller: Some(caller),
            source,
        })
    }

    fn answer(self, method: FactorKind) -> Result<flow::Answer, Error> {
        let missing = |field| Err(Refusal::field(field, "This field is required.").into());
        match (method, self.credential, self.code) {
            (FactorKind::Passkey, Some(credential), _) => {
                let value = serde_json::to_value(credential).map_err(fault)?;
                Ok(flow::Answer::Passkey(value))
            }
            (FactorKind::Passkey, None, _) => missing("credential"),
            (_, _, Some(code)) => Ok(flow::Answer::typed(&code.into_secret())),
            (_, _, None) => missing("code"),
        }
    }
}
