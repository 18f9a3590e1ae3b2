//! A stand-in for the server of the last release, made of the mocks of its SDK: it prints its address, and serves until its standard input closes.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use countersign_sdk::Secret;
use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, MockServer, When};
use countersign_sdk::identity::mock::{self, MockServerExt};
use countersign_sdk::identity::types::{
    GetCurrentUserResponse, HealthResponse, LoginError, LoginRequest, LoginResponse,
    MfaLoginVerifyResponse, MfaSetupAuthenticatorResponse, MfaVerifySetupResponse,
    RegisterResponse, RegisterVerifyRequest, VerifyMfaLoginError,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use totp_rs::Totp;

/// Who types a wrong password, and who has no second factor; everybody else is asked for one.
const MISTAKEN: &str = "mistaken@example.com";
const PLAIN: &str = "plain@example.com";

/// What `sign_in` of every SDK types.
const PASSWORD: &str = "correct horse battery staple";

/// What is mailed, here to nobody: who starts this writes the mail.
const MAILED: &str = "123456";

const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

fn main() -> Result<()> {
    let server = MockServer::start();
    register(&server)?;
    set_up(&server)?;
    sign_in(&server)?;
    println!("{}", server.base_url());
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end")?;
    Ok(())
}

fn register(server: &MockServer) -> Result<()> {
    let health: HealthResponse = typed(json!({ "status": "ok" }))?;
    server.get_health(|_, then| {
        then.ok(&health);
    });
    let token = Secret::from("reg_a-token");
    let registered = RegisterResponse {
        message: "A verification code is on its way.".to_owned(),
        registration_token: token.clone(),
    };
    server.register_user(|_, then| {
        then.accepted(&registered);
    });
    let proof = RegisterVerifyRequest {
        registration_token: token,
        code: MAILED.into(),
    };
    server.verify_registration(|when, then| {
        when.body(&proof);
        then.created(&mock::tokens());
    });
    Ok(())
}

fn set_up(server: &MockServer) -> Result<()> {
    let begun: MfaSetupAuthenticatorResponse = typed(json!({
        "message": "Scan the QR code.",
        "mfaToken": "mfa_a-set-up",
        "method": "authenticator",
        "secret": SECRET,
        "otpauthUrl": otpauth_url(),
        "qrCode": "data:image/png;base64,iVBORw0KGgo=",
    }))?;
    let done: MfaVerifySetupResponse = typed(json!({
        "message": "Authenticator MFA enabled successfully.",
        "mfaMethods": ["authenticator"],
        "enabledAt": "2026-11-22T14:15:22.123Z",
        "method": "authenticator",
    }))?;
    server.setup_mfa(|when, then| {
        signed_in(when.into_inner());
        then.ok(&begun.into());
    });
    let app = app()?;
    server.verify_mfa_setup(|when, then| {
        when.into_inner()
            .is_true(move |request| shown(&app, "mfa_a-set-up", request));
        then.ok(&done);
    });
    server.logout(|when, then| {
        signed_in(when.into_inner());
        then.no_content();
    });
    Ok(())
}

fn sign_in(server: &MockServer) -> Result<()> {
    let wrong: LoginError = mock::error(401, "INVALID_CREDENTIALS", []);
    server.login(|when, then| {
        when.body(&login(MISTAKEN));
        then.unauthorized(&wrong);
    });
    server.login(|when, then| {
        when.body(&login(PLAIN));
        then.ok(&mock::tokens().into());
    });
    let step: LoginResponse = mock::mfa_required().into();
    server.login(|when, then| {
        when.into_inner()
            .json_body_includes(json!({ "password": PASSWORD }).to_string())
            .is_true(|request| ![MISTAKEN, PLAIN].contains(&field(request, "email").as_str()));
        then.ok(&step);
    });
    let (right, other) = (app()?, app()?);
    let done: MfaLoginVerifyResponse = typed(with_message(&mock::tokens())?)?;
    server.verify_mfa_login(|when, then| {
        when.into_inner()
            .is_true(move |request| shown(&right, "mfa_a-token", request));
        then.ok(&done);
    });
    let refused: VerifyMfaLoginError =
        mock::error(400, "INVALID_MFA_CODE", [("attemptsRemaining", 4.into())]);
    server.verify_mfa_login(|when, then| {
        when.into_inner()
            .is_false(move |request| shown(&other, "mfa_a-token", request));
        then.bad_request(&refused);
    });
    let mut me = serde_json::to_value(mock::user())?;
    me["session"] = json!({
        "id": "session-01a2038f-6d48-743a-b187-74c572bd8a25",
        "acr": "aal2",
        "amr": ["pwd", "otp", "mfa"],
        "authTime": "2026-11-22T14:01:01.000Z",
        "expiresAt": "2026-11-23T14:01:01.000Z",
    });
    let me: GetCurrentUserResponse = typed(me)?;
    server.get_current_user(|when, then| {
        signed_in(when.into_inner());
        then.ok(&me);
    });
    Ok(())
}

/// An answer as that release had it: its own type reads it, and its own type is what is written.
fn typed<T: DeserializeOwned>(answer: Value) -> Result<T> {
    let shown = answer.to_string();
    serde_json::from_value(answer).with_context(|| format!("the release has no answer {shown}"))
}

/// Tokens as the second step gives them.
fn with_message(tokens: &impl serde::Serialize) -> Result<Value> {
    let mut answer = serde_json::to_value(tokens)?;
    answer["message"] = "Signed in successfully.".into();
    Ok(answer)
}

fn login(email: &str) -> LoginRequest {
    LoginRequest {
        email: email.to_owned(),
        password: PASSWORD.into(),
    }
}

/// The token that every sign-in gives is sent.
fn signed_in(when: When) -> When {
    when.header("authorization", "Bearer an-access-token")
}

fn otpauth_url() -> String {
    format!("otpauth://totp/Countersign:alice%40example.com?secret={SECRET}&issuer=Countersign")
}

fn app() -> Result<Totp> {
    Totp::from_url(otpauth_url()).context("reading our own secret")
}

/// Whether the request has this reference, and the code that the app shows now or showed half a minute ago.
fn shown(app: &Totp, reference: &str, request: &HttpMockRequest) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let code = field(request, "code");
    let right = [now, now.saturating_sub(30)]
        .into_iter()
        .any(|time| app.generate(time).to_string() == code);
    right && field(request, "mfaToken") == reference
}

/// A text of the body; empty without one.
fn field(request: &HttpMockRequest, name: &str) -> String {
    let body: Value = serde_json::from_slice(request.body_ref()).unwrap_or_default();
    body[name].as_str().unwrap_or_default().to_owned()
}
