//! A typed stand-in for the server in an integrator's own tests, built on httpmock.
//!
//! ```no_run
//! use countersign_sdk::Client;
//! use countersign_sdk::identity::{mock, types::LoginRequest};
//! use mock::{MockServerExt, httpmock::MockServer};
//!
//! # async fn test() {
//! let server = MockServer::start_async().await;
//! let login = server.login(|when, then| {
//!     when.body(&LoginRequest::new("alice@example.com", "guessed"));
//!     then.error("INVALID_CREDENTIALS", []);
//! });
//! let client = Client::new(&server.base_url()).expect("an address of this machine");
//! // … your code, with this client …
//! login.assert();
//! # let _ = client;
//! # }
//! ```
//!
//! A mock of an operation checks method and path. Anything else is up to you. `tests/mock.rs` in
//! this crate's repository shows more, such as a server that is busy at first.

#[rustfmt::skip]
#[path = "../generated/identity_mock.rs"]
mod generated;

pub use crate::mock::{Mocked, Then, When, error};
pub use generated::*;
pub use httpmock;

use chrono::DateTime;
use serde_json::{Value, json};

use super::types::{
    Acr, MfaMethod, MfaRequiredResponse, Role, StepUpChallengeResponse, StepUpCompleteResponse,
    TokenResponse, User,
};

/// Alice Archer, with an authenticator app. Change what your test is about.
#[must_use]
pub fn user() -> User {
    User {
        id: "user-01a2038e-7f00-7bd8-86c9-7f0e00af1a1f".to_owned(),
        number: 2,
        email: "alice@example.com".to_owned(),
        first_name: Some("Alice".to_owned()),
        last_name: Some("Archer".to_owned()),
        role: Role::User,
        mfa_enabled: true,
        mfa_methods: vec![MfaMethod::Authenticator],
        created_at: DateTime::UNIX_EPOCH,
    }
}

/// Tokens of [`user`], valid for 15 minutes.
#[must_use]
pub fn tokens() -> TokenResponse {
    TokenResponse {
        access_token: "an-access-token".into(),
        refresh_token: "rt_a-refresh-token".into(),
        expires_in: 900,
        user: user(),
    }
}

/// Asks for a code of [`user`]'s authenticator app.
#[must_use]
pub fn mfa_required() -> MfaRequiredResponse {
    MfaRequiredResponse {
        mfa_required: true,
        mfa_token: "mfa_a-token".into(),
        method: MfaMethod::Authenticator,
        mfa_methods: vec![MfaMethod::Authenticator],
        message: "Enter the code from your authenticator app.".to_owned(),
    }
}

/// Asks for another code of [`user`]'s authenticator app, before an action that needs fresh proof.
#[must_use]
pub fn step_up_challenge() -> StepUpChallengeResponse {
    StepUpChallengeResponse {
        message: "Enter the current code from your authenticator app.".to_owned(),
        mfa_token: "mfa_a-token".into(),
        method: MfaMethod::Authenticator,
        mfa_methods: vec![MfaMethod::Authenticator],
        public_key: serde_json::Map::new(),
    }
}

/// The session of [`user`] after a step-up.
#[must_use]
pub fn stepped_up() -> StepUpCompleteResponse {
    StepUpCompleteResponse {
        access_token: "a-lifted-access-token".into(),
        expires_in: 900,
        acr: Acr::Aal2,
        auth_time: DateTime::UNIX_EPOCH,
        recovery_codes_remaining: None,
    }
}

/// The fields of every error of the document.
fn envelope(status: u16, code: &str) -> Value {
    json!({
        "code": code,
        "message": "A sentence for the user.",
        "statusCode": status,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
    })
}
