//! What stands before every call: what is sent along, what is repeated and what is not, how a session is renewed and lifted.
#![expect(clippy::expect_used, reason = "the helpers of tests are tests as well")]

mod listing;
mod renewing;
mod repeating;
mod seeing;
mod sending;
mod stepping_up;

use countersign_sdk::identity::mock;
use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, HttpMockResponse, MockServer};
use countersign_sdk::identity::types::*;
use countersign_sdk::{Client, Session};
use serde_json::{Value, json};

async fn served() -> (MockServer, Client) {
    let server = MockServer::start_async().await;
    let client = Client::new(&server.base_url()).expect("this machine");
    (server, client)
}

fn answer(status: u16, retry_after: Option<u32>, body: &Value) -> HttpMockResponse {
    let mut answer = HttpMockResponse::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body.to_string());
    if let Some(seconds) = retry_after {
        answer = answer.header("retry-after", seconds.to_string());
    }
    answer.build()
}

fn error(status: u16, code: &str) -> Value {
    json!({
        "code": code,
        "message": "A sentence for the user.",
        "statusCode": status,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
        "retryAfter": 1,
    })
}

fn me() -> Value {
    let mut me = serde_json::to_value(mock::user()).expect("JSON");
    me["session"] = json!({
        "id": "session-01a2038e-7f00-7bd8-86c9-7f0e00af1a1f", "acr": "aal2", "amr": ["pwd", "otp", "mfa"],
        "authTime": "2026-11-22T14:15:22.123Z", "expiresAt": "2026-11-23T14:15:22.123Z",
    });
    me
}

fn tokens(number: usize, expires_in: u32) -> Value {
    let mut tokens = mock::tokens();
    tokens.access_token = format!("access-{number}").into();
    tokens.refresh_token = format!("refresh-{number}").into();
    tokens.expires_in = expires_in;
    serde_json::to_value(tokens).expect("JSON")
}

fn session(number: usize, expires_in: u32) -> Session {
    Session::new(
        format!("access-{number}"),
        format!("refresh-{number}"),
        expires_in,
    )
}

fn bearer(request: &HttpMockRequest) -> Option<String> {
    let headers = request.headers();
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

fn proof() -> MfaVerifyRequest {
    MfaVerifyRequest::new("mfa_a-token", "123456")
}

fn login() -> LoginRequest {
    LoginRequest::new("alice@example.com", "right")
}
