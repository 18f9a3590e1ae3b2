//! A stand-in for the server in an integrator's own tests: httpmock, typed by the document.
//!
//! ```no_run
//! use countersign_sdk::identity::types::{LoginError, LoginRequest};
//! use countersign_sdk::identity::{Client, mock};
//! use mock::{MockServerExt, httpmock::MockServer};
//!
//! # async fn test() {
//! let server = MockServer::start_async().await;
//! let login = server.login(|when, then| {
//!     when.body(&LoginRequest { email: "alice@example.com".into(), password: "guessed".into() });
//!     then.unauthorized(&mock::error::<LoginError>(401, "INVALID_CREDENTIALS", []));
//! });
//! let client = Client::at(&server.base_url()).expect("an address of this machine");
//! // … your code, with this client …
//! login.assert();
//! # let _ = client;
//! # }
//! ```
//!
//! A mock of an operation checks method and path; what else it shall check is up to you. `tests/mock.rs` in this crate's
//! repository has more, such as a server that is busy at first.

#[rustfmt::skip]
#[path = "../generated/identity_mock.rs"]
mod generated;

pub use generated::*;
pub use httpmock;

use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::types::{
    Acr, MfaMethod, MfaRequiredResponse, MfaRequiredResponseStatus, Role, StepUpChallengeResponse,
    StepUpChallengeResponseStatus, StepUpCompleteResponse, StepUpCompleteResponseStatus,
    StepUpCompleteResponseTokenType, TokenResponse, TokenResponseStatus, TokenResponseTokenType,
    User,
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

/// Tokens of [`user`], good for 15 minutes.
#[must_use]
pub fn tokens() -> TokenResponse {
    TokenResponse {
        status: TokenResponseStatus::SignedIn,
        access_token: "an-access-token".into(),
        refresh_token: "rt_a-refresh-token".into(),
        token_type: TokenResponseTokenType::Bearer,
        expires_in: 900,
        user: user(),
    }
}

/// The demand for a code of [`user`]'s authenticator app.
#[must_use]
pub fn mfa_required() -> MfaRequiredResponse {
    MfaRequiredResponse {
        status: MfaRequiredResponseStatus::MfaRequired,
        mfa_required: true,
        mfa_token: "mfa_a-token".into(),
        method: MfaMethod::Authenticator,
        mfa_methods: vec![MfaMethod::Authenticator],
        message: "Enter the code from your authenticator app.".to_owned(),
    }
}

/// The demand for another code of [`user`]'s authenticator app, before an act that needs fresh proof.
#[must_use]
pub fn step_up_challenge() -> StepUpChallengeResponse {
    StepUpChallengeResponse {
        status: StepUpChallengeResponseStatus::MfaRequired,
        message: "Enter the current code from your authenticator app.".to_owned(),
        mfa_token: "mfa_a-token".into(),
        method: MfaMethod::Authenticator,
        mfa_methods: vec![MfaMethod::Authenticator],
        public_key: serde_json::Map::new(),
    }
}

/// The lifted session of [`user`].
#[must_use]
pub fn stepped_up() -> StepUpCompleteResponse {
    StepUpCompleteResponse {
        status: StepUpCompleteResponseStatus::SteppedUp,
        access_token: "a-lifted-access-token".into(),
        token_type: StepUpCompleteResponseTokenType::Bearer,
        expires_in: 900,
        acr: Acr::Aal2,
        auth_time: DateTime::UNIX_EPOCH,
        recovery_codes_remaining: None,
    }
}

/// An operation's error by its code; `extras` are the fields that it has beyond what all have. If one is missing, or the
/// code is not of this operation, it becomes the last variant, as it would in a real answer.
///
/// ```
/// use countersign_sdk::identity::{mock, types::VerifyMfaLoginError};
///
/// let error = mock::error::<VerifyMfaLoginError>(400, "INVALID_MFA_CODE", [("attemptsRemaining", 4.into())]);
/// assert!(matches!(error, VerifyMfaLoginError::InvalidMfaCodeErrorResponse(_)));
/// ```
///
/// # Panics
///
/// When `E` is no operation's error.
#[must_use]
#[expect(clippy::expect_used, reason = "made for tests, and says so")]
pub fn error<E: DeserializeOwned>(
    status: u16,
    code: &str,
    extras: impl IntoIterator<Item = (&'static str, Value)>,
) -> E {
    let mut body = json!({
        "code": code,
        "message": "A sentence for the user.",
        "statusCode": status,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
    });
    for (name, value) in extras {
        body[name] = value;
    }
    serde_json::from_value(body).expect("every operation's error reads an open code")
}
