//! A new password: with the old one, or by mail when it was forgotten.

use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{HttpResponse, post, put};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::dto::{ChallengeStatus, MfaMethod, asks_for, methods};
use super::error::{Error, refuses};
use super::mfa_setup::MfaVerifyRequest;
use super::passkeys::PasskeyVerifyRequest;
use super::sessions::{CARRIES, UNSENT};
use super::{Answer, App, Body, Caller};
use crate::flow;
use crate::http::input::{SecretText, Then, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::source::Source;
use crate::model::{Secret, session};
use crate::outcome::{ResetChallenge, ResetResult};

refuses!(ForgotPassword: WITH_BODY, Validation, TooManyRequests);

/// Mails a link and a code for a new password.
#[utoipa::path(operation_id = "forgotPassword", tag = "Password", request_body = ForgotPasswordRequest,
    responses((status = 202, body = ForgotPasswordAnswer), ForgotPassword))]
#[post("/identity/password/forgot")]
pub async fn forgot_password(
    app: App,
    Client(source): Client,
    body: Body<ForgotPasswordRequest>,
) -> Result<(Json<ForgotPasswordAnswer>, StatusCode), Error> {
    let command = body.into_inner().command(source);
    app.run(flow::password_reset::forgot, command).await?;
    Ok((Json(ForgotPasswordAnswer::SENT), StatusCode::ACCEPTED))
}

refuses!(ResetPassword: WITH_BODY, Validation, ResetTokenInvalid, ResetTokenExpired, InvalidResetCode,
    TooManyResetAttempts);

/// Changes the password, or asks for the second factor first.
#[utoipa::path(operation_id = "resetPassword", tag = "Password", request_body = ResetPasswordRequest,
    responses((status = 200, body = ResetPasswordAnswer), ResetPassword))]
#[post("/identity/password/reset")]
pub async fn reset_password(
    app: App,
    Client(source): Client,
    body: Body<ResetPasswordRequest>,
) -> Answer<ResetPasswordAnswer> {
    let command = body.into_inner().command(source);
    let reset = app.run(flow::password_reset::reset, command).await?;
    Ok(Json(reset.into()))
}

refuses!(VerifyPasswordReset: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    InvalidMfaCode, MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Changes the password after a code.
#[utoipa::path(operation_id = "verifyPasswordReset", tag = "Password", request_body = MfaVerifyRequest,
    responses((status = 200, body = PasswordResetResponse), VerifyPasswordReset))]
#[post("/identity/password/reset/verify")]
pub async fn verify_password_reset(
    app: App,
    Client(source): Client,
    body: Body<MfaVerifyRequest>,
) -> Answer<PasswordResetResponse> {
    let command = body.into_inner().password_reset(source);
    let remaining = app.run(flow::password_reset::verify, command).await?;
    Ok(Json(PasswordResetResponse::new(remaining)))
}

refuses!(VerifyPasskeyPasswordReset: WITH_BODY, Validation, MfaTokenInvalid, MfaTokenExpired, MfaWrongPurpose,
    PasskeyRefused, MfaMethodNotEnabled, MfaMethodLocked, UserNotFound, TooManyMfaAttempts);

/// Changes the password after a passkey's answer.
#[utoipa::path(operation_id = "verifyPasskeyPasswordReset", tag = "Password", request_body = PasskeyVerifyRequest,
    responses((status = 200, body = PasswordResetResponse), VerifyPasskeyPasswordReset))]
#[post("/identity/password/reset/verify-passkey")]
pub async fn verify_passkey_password_reset(
    app: App,
    Client(source): Client,
    body: Body<PasskeyVerifyRequest>,
) -> Answer<PasswordResetResponse> {
    let command = body.into_inner().password_reset(source);
    let remaining = app.run(flow::password_reset::verify, command).await?;
    Ok(Json(PasswordResetResponse::new(remaining)))
}

refuses!(ChangePassword: WITH_BODY, Validation, InvalidPassword, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, TooManyPasswordAttempts);

/// Changes the password of the bearer's account.
#[utoipa::path(operation_id = "changePassword", tag = "Password", request_body = ChangePasswordRequest,
    security(("bearerAuth" = [])), responses((status = 204), ChangePassword))]
#[put("/identity/me/password")]
pub async fn change_password(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<ChangePasswordRequest>>,
) -> Result<HttpResponse, Error> {
    let command = body.into_inner().command(caller.into_inner(), source);
    app.run(flow::me::change_password, command).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePasswordRequest {
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    old_password: SecretText,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    new_password: SecretText,
}

impl ChangePasswordRequest {
    fn command(self, caller: session::Caller, source: Source) -> flow::me::ChangePassword {
        flow::me::ChangePassword {
            caller,
            old: self.old_password.into_secret(),
            new: self.new_password.into_secret(),
            source,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPasswordRequest {
    #[validate(length(max = 254))]
    #[schema(format = Email, max_length = 254)]
    email: String,
}

impl ForgotPasswordRequest {
    fn command(self, source: Source) -> flow::password_reset::Forgot {
        flow::password_reset::Forgot {
            email: self.email,
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ForgotPasswordAnswer {
    message: &'static str,
}

impl ForgotPasswordAnswer {
    const SENT: Self = Self {
        message: "If this address has an account, a link and a code for a new password are on their way. Please check your inbox.",
    };
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, nullable = false)]
    token: Option<SecretText>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254, nullable = false)]
    email: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 64))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, nullable = false)]
    code: Option<SecretText>,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    password: SecretText,
}

impl ResetPasswordRequest {
    fn command(self, source: Source) -> flow::password_reset::Reset {
        flow::password_reset::Reset {
            token: self.token.map(SecretText::into_secret),
            email: self.email,
            code: self.code.map(SecretText::into_secret),
            password: self.password.into_secret(),
            second_step: Some(CARRIES),
            source,
        }
    }
}

/// The changed password, or the demand for a second factor.
#[derive(Serialize, ToSchema)]
#[schema(discriminator(property_name = "status", mapping(("password_changed" = "#/components/schemas/PasswordResetResponse"), ("mfa_required" = "#/components/schemas/PasswordResetChallengeResponse"))))]
#[serde(untagged)]
pub enum ResetPasswordAnswer {
    Done(PasswordResetResponse),
    Challenge(PasswordResetChallengeResponse),
}

impl From<ResetResult> for ResetPasswordAnswer {
    fn from(reset: ResetResult) -> Self {
        match reset {
            ResetResult::Done => Self::Done(PasswordResetResponse::new(None)),
            ResetResult::Challenge(challenge) => Self::Challenge(challenge.into()),
        }
    }
}

/// The `status` of an answer that says that the password is changed.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasswordStatus {
    PasswordChanged,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordResetResponse {
    #[schema(inline)]
    status: PasswordStatus,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes_remaining: Option<u32>,
}

impl PasswordResetResponse {
    const fn new(recovery_codes_remaining: Option<u32>) -> Self {
        Self {
            status: PasswordStatus::PasswordChanged,
            message: "The password was changed. You can sign in now.",
            recovery_codes_remaining,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordResetChallengeResponse {
    #[schema(inline)]
    status: ChallengeStatus,
    message: &'static str,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    method: MfaMethod,
    mfa_methods: Vec<MfaMethod>,
}

impl From<ResetChallenge> for PasswordResetChallengeResponse {
    fn from(challenge: ResetChallenge) -> Self {
        Self {
            status: ChallengeStatus::MfaRequired,
            message: match challenge.unsent {
                true => UNSENT,
                false => asks_for(challenge.method, true),
            },
            mfa_token: challenge.mfa_token,
            method: challenge.method.into(),
            mfa_methods: methods(&challenge.methods),
        }
    }
}
