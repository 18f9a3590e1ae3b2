//! Passkeys: set-up, use as a second factor, and sign-in without a password.

use actix_web::post;
use actix_web::web::Json;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::TokenResponse;
use super::error::refuses;
use super::mfa_login::MfaLoginVerifyResponse;
use super::mfa_setup::MfaVerifySetupResponse;
use super::{Answer, App, Body, MaybeCaller};
use crate::flow;
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::source::Source;
use crate::model::{Secret, session};
use crate::outcome::PasskeyChallenge;

refuses!(VerifyPasskeySetup: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    PasskeyRefused, MfaAlreadyEnabled, TokenInvalid, TokenExpired, MfaMethodLocked, UserNotFound,
    TooManyMfaAttempts);

/// Confirms the set-up of a passkey.
#[utoipa::path(operation_id = "verifyPasskeySetup", tag = "MFA Setup", request_body = PasskeyVerifyRequest,
    security((), ("bearerAuth" = [])),
    responses((status = 200, body = MfaVerifySetupResponse), VerifyPasskeySetup))]
#[post("/identity/mfa/setup/verify-passkey")]
pub async fn verify_passkey_setup(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<MaybeCaller, Body<PasskeyVerifyRequest>>,
) -> Answer<MfaVerifySetupResponse> {
    let command = body.into_inner().setup(caller.into_inner(), source);
    let changed = app.run(flow::setup::verify, command).await?;
    Ok(Json(changed.into()))
}

refuses!(GetPasskeyOptions: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Returns what the browser needs to finish a sign-in with a passkey.
#[utoipa::path(operation_id = "getPasskeyOptions", tag = "MFA Login", request_body = PasskeyOptionsRequest,
    responses((status = 200, body = PasskeyOptionsResponse), GetPasskeyOptions))]
#[post("/identity/mfa/login/passkey-options")]
pub async fn get_passkey_options(
    app: App,
    Client(source): Client,
    body: Body<PasskeyOptionsRequest>,
) -> Answer<PasskeyOptionsResponse> {
    let command = body.into_inner().command(source);
    let public_key = app.run(flow::passkey::options, command).await?;
    Ok(Json(PasskeyOptionsResponse { public_key }))
}

refuses!(VerifyPasskeyLogin: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    PasskeyRefused, MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Finishes a sign-in with a passkey.
#[utoipa::path(operation_id = "verifyPasskeyLogin", tag = "MFA Login", request_body = PasskeyVerifyRequest,
    responses((status = 200, body = MfaLoginVerifyResponse), VerifyPasskeyLogin))]
#[post("/identity/mfa/login/verify-passkey")]
pub async fn verify_passkey_login(
    app: App,
    Client(source): Client,
    body: Body<PasskeyVerifyRequest>,
) -> Answer<MfaLoginVerifyResponse> {
    let command = body.into_inner().login(source);
    let signed_in = app.run(flow::login::verify, command).await?;
    Ok(Json(signed_in.into()))
}

refuses!(GetSignInPasskeyOptions: WITHOUT_BODY, MfaMethodUnavailable, TooManyRequests);

/// Returns what the browser needs to sign in with a passkey alone.
#[utoipa::path(operation_id = "getSignInPasskeyOptions", tag = "Passkeys",
    responses((status = 200, body = SignInPasskeyOptionsResponse), GetSignInPasskeyOptions))]
#[post("/identity/passkey/options")]
pub async fn get_sign_in_passkey_options(
    app: App,
    Client(source): Client,
) -> Answer<SignInPasskeyOptionsResponse> {
    let asked = app.run(flow::passkey::begin, source).await?;
    Ok(Json(asked.into()))
}

refuses!(SignInWithPasskey: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, PasskeyRefused);

/// Signs in with a passkey alone.
#[utoipa::path(operation_id = "signInWithPasskey", tag = "Passkeys", request_body = SignInPasskeyRequest,
    responses((status = 200, body = TokenResponse), SignInWithPasskey))]
#[post("/identity/passkey/login")]
pub async fn sign_in_with_passkey(
    app: App,
    Client(source): Client,
    body: Body<SignInPasskeyRequest>,
) -> Answer<TokenResponse> {
    let command = body.into_inner().command(source);
    let signed_in = app.run(flow::passkey::sign_in, command).await?;
    Ok(Json(signed_in.into()))
}

/// The result of WebAuthn, as a browser prints it. It accepts unknown fields, since browsers add
/// some.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyCredential {
    #[validate(length(min = 1, max = 1400))]
    #[schema(min_length = 1, max_length = 1400)]
    id: String,
    #[validate(length(min = 1, max = 1400))]
    #[schema(min_length = 1, max_length = 1400)]
    raw_id: String,
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: CredentialType,
    #[schema(value_type = Object)]
    response: Map<String, Value>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>, nullable = false)]
    client_extension_results: Option<Map<String, Value>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

impl From<PasskeyCredential> for Value {
    fn from(credential: PasskeyCredential) -> Self {
        let mut whole = credential.others;
        let CredentialType::PublicKey = credential.kind;
        whole.insert("id".to_owned(), credential.id.into());
        whole.insert("rawId".to_owned(), credential.raw_id.into());
        whole.insert("type".to_owned(), PUBLIC_KEY.into());
        whole.insert("response".to_owned(), credential.response.into());
        let results = credential.client_extension_results.unwrap_or_default();
        whole.insert("clientExtensionResults".to_owned(), results.into());
        Self::Object(whole)
    }
}

/// The only type of credential that exists (WebAuthn §5.8.2).
const PUBLIC_KEY: &str = "public-key";

#[derive(Serialize, ToSchema)]
pub enum CredentialType {
    #[serde(rename = "public-key")]
    PublicKey,
}

/// Written by hand, since serde's own would accept the object `{"public-key": null}` for the word.
impl<'de> Deserialize<'de> for CredentialType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            PUBLIC_KEY => Ok(Self::PublicKey),
            _other => Err(D::Error::unknown_variant("it", &[])),
        }
    }
}

/// A challenge and the browser's answer to it.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasskeyVerifyRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    mfa_token: SecretText,
    #[validate(nested)]
    credential: PasskeyCredential,
}

impl PasskeyVerifyRequest {
    /// Makes the command that turns a passkey on.
    fn setup(self, caller: Option<session::Caller>, source: Source) -> flow::setup::Verify {
        flow::setup::Verify {
            by: flow::setup::By::Token(self.mfa_token.into_secret()),
            answer: flow::Answer::Passkey(self.credential.into()),
            scratch: false,
            caller,
            source,
        }
    }

    /// Makes the command that finishes a sign-in.
    fn login(self, source: Source) -> flow::login::Verify {
        flow::login::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::Passkey(self.credential.into()),
            method: Some(FactorKind::Passkey),
            scratch: false,
            source,
        }
    }

    /// Makes the command that finishes a new password.
    pub fn password_reset(self, source: Source) -> flow::password_reset::Verify {
        flow::password_reset::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::Passkey(self.credential.into()),
            source,
        }
    }

    /// Makes the command that finishes a step-up.
    pub fn step_up(self, caller: session::Caller, source: Source) -> flow::step_up::Verify {
        flow::step_up::Verify {
            mfa_token: self.mfa_token.into_secret(),
            answer: flow::Answer::Passkey(self.credential.into()),
            caller: Some(caller),
            source,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasskeyOptionsRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    mfa_token: SecretText,
}

impl PasskeyOptionsRequest {
    fn command(self, source: Source) -> flow::passkey::Options {
        flow::passkey::Options {
            mfa_token: self.mfa_token.into_secret(),
            purpose: Purpose::Login,
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyOptionsResponse {
    #[schema(value_type = Object)]
    public_key: Value,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInPasskeyOptionsResponse {
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    passkey_token: Secret<String>,
    #[schema(value_type = Object)]
    public_key: Value,
}

impl From<PasskeyChallenge> for SignInPasskeyOptionsResponse {
    fn from(asked: PasskeyChallenge) -> Self {
        Self {
            passkey_token: asked.passkey_token,
            public_key: asked.options,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignInPasskeyRequest {
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    passkey_token: SecretText,
    #[validate(nested)]
    credential: PasskeyCredential,
}

impl SignInPasskeyRequest {
    fn command(self, source: Source) -> flow::passkey::SignIn {
        flow::passkey::SignIn {
            passkey_token: self.passkey_token.into_secret(),
            credential: self.credential.into(),
            source,
        }
    }
}
