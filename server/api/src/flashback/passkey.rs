//! Passkeys: options for a sign-in, and the completion of a set-up.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{
    CredentialType, MessageResponse, RegistrationCredential, base64, base64url, of_setup,
};
use super::error::{Error, refuses};
use super::sessions::fault;
use super::{Answer, App, Body, Caller, Pending};
use crate::flow::session::as_bearer;
use crate::flow::{self, setup};
use crate::http::input::Then;
use crate::http::limits::Client;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::source::Source;
use crate::model::{Fault, Refusal, session};

refuses!(GetPasskeyAuthOptions: WITHOUT_BODY, MfaMethodNotEnabled, TokenInvalid, TokenExpired, MfaMethodLocked,
    TooManyMfaAttempts);

/// Returns what the browser needs to ask for a passkey.
#[utoipa::path(operation_id = "getPasskeyAuthOptions", tag = "Passkey", security(("pendingAuth" = [])),
    responses((status = 200, body = PasskeyAuthOptionsResponse), GetPasskeyAuthOptions))]
#[post("/mfa/passkey/auth-options")]
pub async fn get_passkey_auth_options(
    app: App,
    Client(source): Client,
    pending: Pending,
) -> Answer<PasskeyAuthOptionsResponse> {
    let command = options(pending.into_inner(), source);
    let options = app.run(flow::passkey::options, command).await;
    let answer = PasskeyAuthOptionsResponse::new(options.map_err(as_bearer)?)?;
    Ok(Json(answer))
}

refuses!(CompletePasskeyRegistration: WITH_BODY, Validation, MfaMethodNotConfigured, MfaTokenInvalid, PasskeyRefused,
    TokenInvalid, TokenExpired, MfaMethodLocked, TooManyMfaAttempts);

/// Completes the set-up of a passkey.
#[utoipa::path(operation_id = "completePasskeyRegistration", tag = "Passkey",
    request_body = CompletePasskeyRegistrationRequest, security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), CompletePasskeyRegistration))]
#[post("/mfa/passkey/complete-registration")]
pub async fn complete_passkey_registration(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<CompletePasskeyRegistrationRequest>>,
) -> Answer<MessageResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    app.run(setup::verify, command).await.map_err(of_setup)?;
    Ok(Json(MessageResponse::new(COMPLETED)))
}

/// Completes the set-up of a passkey, at its second path.
#[utoipa::path(operation_id = "completePasskeyRegistrationAlias", tag = "Passkey",
    request_body = CompletePasskeyRegistrationRequest, security(("bearerAuth" = [])),
    responses((status = 200, body = MessageResponse), CompletePasskeyRegistration))]
#[post("/mfa/passkey/complete-registration-1")]
pub async fn complete_passkey_registration_alias(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<CompletePasskeyRegistrationRequest>>,
) -> Answer<MessageResponse> {
    let command = body.into_inner().command(caller.into_inner(), source)?;
    app.run(setup::verify, command).await.map_err(of_setup)?;
    Ok(Json(MessageResponse::new(COMPLETED)))
}

/// What the completion of a set-up answers.
const COMPLETED: &str = "Passkey registration completed";

/// Makes the command that asks for a passkey.
fn options(pending: session::Pending, source: Source) -> flow::passkey::Options {
    flow::passkey::Options {
        mfa_token: pending.mfa_token,
        purpose: Purpose::Login,
        source,
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct CompletePasskeyRegistrationRequest {
    #[validate(nested)]
    credential: RegistrationCredential,
    #[validate(length(min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    challenge: String,
}

impl CompletePasskeyRegistrationRequest {
    fn command(self, caller: session::Caller, source: Source) -> Result<setup::Verify, Error> {
        // The signed challenge is compared with the stored one. The `challenge` field only has to
        // agree with it.
        let signed = self.credential.challenge().as_deref().and_then(base64url);
        if signed.is_none() || signed != base64url(&self.challenge) {
            let sentence = "This must be the challenge that the credential was made for.";
            return Err(Refusal::field("challenge", sentence).into());
        }
        Ok(setup::Verify {
            by: setup::By::Session(FactorKind::Passkey),
            answer: flow::Answer::Passkey(serde_json::to_value(self.credential).map_err(fault)?),
            scratch: false,
            caller: Some(caller),
            source,
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct PasskeyAuthOptionsResponse {
    success: bool,
    data: PasskeyAuthOptions,
}

impl PasskeyAuthOptionsResponse {
    fn new(options: Value) -> Result<Self, Error> {
        Ok(Self {
            success: true,
            data: PasskeyAuthOptions::of(options)?,
        })
    }
}

/// What the browser needs to ask for a passkey.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyAuthOptions {
    challenge: String,
    rp_id: String,
    #[schema(inline)]
    user_verification: UserVerification,
    timeout: u32,
    allow_credentials: Vec<AllowedCredential>,
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserVerification {
    Required,
    Preferred,
    Discouraged,
}

#[derive(Deserialize, Serialize, ToSchema)]
pub struct AllowedCredential {
    id: String,
    #[schema(inline)]
    r#type: CredentialType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transports: Option<Vec<String>>,
}

impl PasskeyAuthOptions {
    /// How many milliseconds the browser may ask, unless the options say so.
    const TIMEOUT: u32 = 60_000;

    /// Converts the options meant for a browser. The challenge is in base64 here, as the vendor's
    /// page has it.
    fn of(options: Value) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Options {
            challenge: String,
            rp_id: String,
            user_verification: UserVerification,
            timeout: Option<u32>,
            #[serde(default)]
            allow_credentials: Vec<AllowedCredential>,
        }
        let options: Options = serde_json::from_value(options).map_err(fault)?;
        let challenge = base64url(&options.challenge).ok_or_else(|| {
            let cause = anyhow::anyhow!("options without a readable challenge");
            crate::model::Error::from(Fault::bug(cause))
        })?;
        Ok(Self {
            challenge: base64(&challenge),
            rp_id: options.rp_id,
            user_verification: options.user_verification,
            timeout: options.timeout.unwrap_or(Self::TIMEOUT),
            allow_credentials: options.allow_credentials,
        })
    }
}
