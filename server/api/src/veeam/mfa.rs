//! Operations to enable, accept and disable a user's authenticator.

use std::fmt;

use actix_web::{HttpResponse, post};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::Number;
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, OptionalBody, Utf8Json};
use crate::flow::authenticator::{self, Accept, Enable, NewAuthenticator};
use crate::http::input::{SecretText, Then, Then3};
use crate::http::limits::Client;
use crate::http::output::{exposed, exposed_all};
use crate::model::source::Source;
use crate::model::{Secret, session};

refuses!(EnableMfa: WITH_BODY, Validation, MfaAlreadyEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden, UserNotFound, TooManyRequests);

/// Starts setting up an authenticator. It is not on before `acceptMfa`.
#[utoipa::path(operation_id = "enableMfa", tag = "MFA", params(("id" = i64, Path, minimum = 1)),
    request_body = Option<EnableMfaRequest>, security(("bearerAuth" = [])),
    responses((status = 200, body = EnableMfaAnswer), EnableMfa))]
#[post("/api/v1/users/{id}/enableMfa")]
pub async fn enable_mfa(
    app: App,
    Client(source): Client,
    Then3(caller, number, body): Then3<Caller, Number, OptionalBody<EnableMfaRequest>>,
) -> Answer<EnableMfaAnswer> {
    let body = body.into_inner().unwrap_or_default();
    let command = body.command(caller.into_inner(), number, source);
    let enabled = app.run(authenticator::enable, command).await?;
    Ok(Utf8Json(EnableMfaAnswer::new(number, enabled)))
}

refuses!(AcceptMfa: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose, InvalidMfaCode,
    AuthenticatorClockOff, AuthenticatorNotConfigured, MfaAlreadyEnabled, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Proves the authenticator and turns it on.
#[utoipa::path(operation_id = "acceptMfa", tag = "MFA", params(("id" = i64, Path, minimum = 1)),
    request_body = AcceptMfaRequest, security(("bearerAuth" = [])), responses((status = 200), AcceptMfa))]
#[post("/api/v1/users/{id}/acceptMfa")]
pub async fn accept_mfa(
    app: App,
    Client(source): Client,
    Then3(caller, number, body): Then3<Caller, Number, Body<AcceptMfaRequest>>,
) -> Result<HttpResponse, Error> {
    let body = body.into_inner();
    let command = body.command(caller.into_inner(), number, source);
    app.run(authenticator::accept, command).await?;
    Ok(HttpResponse::Ok().finish())
}

refuses!(DisableMfa: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, MfaEnforced, UserNotFound);

/// Removes the authenticators and the scratch codes.
#[utoipa::path(operation_id = "disableMfa", tag = "MFA", params(("id" = i64, Path, minimum = 1)),
    security(("bearerAuth" = [])), responses((status = 200), DisableMfa))]
#[post("/api/v1/users/{id}/disableMfa")]
pub async fn disable_mfa(
    app: App,
    Client(source): Client,
    Then(caller, Number(number)): Then<Caller, Number>,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| authenticator::disable(ctx, caller, number, source).await)
        .await?;
    Ok(HttpResponse::Ok().finish())
}

#[derive(Default, Deserialize, Validate, ToSchema)]
pub struct EnableMfaRequest {
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = false, nullable = false)]
    recreate: Flag,
}

impl EnableMfaRequest {
    /// Makes the command that begins the set-up for the user with this number.
    pub fn command(self, caller: session::Caller, number: Number, source: Source) -> Enable {
        Enable {
            caller,
            number: number.0,
            recreate: self.recreate.0,
            source,
        }
    }
}

/// A boolean, also accepted as a string, as later samples of the vendor have it.
#[derive(Clone, Copy, Default)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
        Ok(Flag(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Flag, E> {
        match value.to_ascii_lowercase().as_str() {
            "true" => Ok(Flag(true)),
            "false" => Ok(Flag(false)),
            _other => Err(E::custom("neither true nor false, expected a boolean")),
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct AcceptMfaRequest {
    #[validate(length(min = 1, max = 64))]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    code: SecretText,
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    token: SecretText,
}

impl AcceptMfaRequest {
    /// Makes the command that proves the authenticator of the user with this number.
    pub fn command(self, caller: session::Caller, number: Number, source: Source) -> Accept {
        Accept {
            caller,
            number: number.0,
            code: self.code.into_secret(),
            token: self.token.into_secret(),
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnableMfaAnswer {
    user_id: i64,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    qr_string: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    secret_key: Secret<String>,
    #[serde(serialize_with = "exposed_all")]
    #[schema(value_type = Vec<String>)]
    scratch_codes: Vec<Secret<String>>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    token: Secret<String>,
}

impl EnableMfaAnswer {
    /// Makes the answer about the user with this number.
    pub fn new(Number(user_id): Number, enabled: NewAuthenticator) -> Self {
        Self {
            user_id,
            qr_string: enabled.otpauth_url,
            secret_key: enabled.secret,
            scratch_codes: enabled.codes,
            token: enabled.mfa_token,
        }
    }
}

/// The same answer in the form of v8.1.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnableMfaAnswerV81 {
    user_id: String,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    qr_string: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    secret_key: Secret<String>,
    #[serde(serialize_with = "exposed_all")]
    #[schema(value_type = Vec<String>)]
    scratch_codes: Vec<Secret<String>>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    token: Secret<String>,
}

impl From<EnableMfaAnswer> for EnableMfaAnswerV81 {
    fn from(answer: EnableMfaAnswer) -> Self {
        Self {
            user_id: answer.user_id.to_string(),
            qr_string: answer.qr_string,
            secret_key: answer.secret_key,
            scratch_codes: answer.scratch_codes,
            token: answer.token,
        }
    }
}
