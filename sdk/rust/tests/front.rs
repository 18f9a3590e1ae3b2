//! The front: what is sent along, what is repeated and what is not, and how a session is renewed.
#![expect(clippy::expect_used, reason = "the helpers of tests are tests as well")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, HttpMockResponse, MockServer};
use countersign_sdk::identity::mock::{self, MockServerExt};
use countersign_sdk::identity::types::*;
use countersign_sdk::identity::{Client, Error};
use countersign_sdk::{Front, Problem, Repeats, Session};
use serde_json::{Value, json};

async fn served() -> (MockServer, Client) {
    let server = MockServer::start_async().await;
    let client = Client::at(&server.base_url()).expect("this machine");
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
    let error: LoginError = mock::error(status, code, [("retryAfter", 1.into())]);
    serde_json::to_value(error).expect("JSON")
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
        format!("access-{number}").into(),
        format!("refresh-{number}").into(),
        expires_in,
    )
}

fn bearer(request: &HttpMockRequest) -> Option<String> {
    let headers = request.headers();
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

fn proof() -> MfaVerifyRequest {
    MfaVerifyRequest {
        mfa_token: "mfa_a-token".into(),
        code: "123456".into(),
    }
}

fn login() -> LoginRequest {
    LoginRequest {
        email: "alice@example.com".to_owned(),
        password: "right".into(),
    }
}

/// A server that is busy for the first calls.
fn busy_first(
    times: usize,
    path: &'static str,
    server: &MockServer,
    then_answer: Value,
) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    server.mock(move |when, then| {
        when.path(path);
        then.respond_with(move |_: &HttpMockRequest| {
            if counted.fetch_add(1, Ordering::SeqCst) < times {
                answer(503, Some(1), &error(503, "SERVICE_UNAVAILABLE"))
            } else {
                answer(200, None, &then_answer)
            }
        });
    });
    calls
}

#[tokio::test]
async fn a_call_that_carries_a_code_is_never_repeated() {
    for (status, code) in [
        (503, "SERVICE_UNAVAILABLE"),
        (429, "TOO_MANY_MFA_ATTEMPTS"),
        (500, "INTERNAL"),
    ] {
        let (server, client) = served().await;
        let verify = server.mock(|when, then| {
            when.path("/identity/mfa/login/verify");
            then.status(status)
                .header("retry-after", "0")
                .json_body(error(status, code));
        });
        let error = client
            .verify_mfa_login()
            .body(proof())
            .send()
            .await
            .expect_err("an error");
        assert_eq!(error.code().as_deref(), Some(code));
        assert_eq!(error.is_retryable(), status != 500);
        verify.assert_calls(1);
    }
}

#[tokio::test]
async fn reading_is_repeated_after_the_pause_that_the_server_asks_for() {
    let (server, client) = served().await;
    let calls = busy_first(1, "/identity/me", &server, me());
    let begun = Instant::now();
    let answer = client.get_current_user().send().await.expect("an answer");
    assert_eq!(answer.email, "alice@example.com");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_busy_server_is_not_asked_for_ever() {
    let (server, _) = served().await;
    let front = Front::builder(&server.base_url())
        .repeats(Repeats::new(2, Duration::from_secs(10)))
        .build()
        .expect("this machine");
    let calls = busy_first(9, "/identity/me", &server, me());
    let error = Client::from(&front)
        .get_current_user()
        .send()
        .await
        .expect_err("an error");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_sign_in_is_repeated_when_the_server_says_that_it_has_not_begun() {
    let (server, client) = served().await;
    let required = serde_json::to_value(mock::mfa_required()).expect("JSON");
    let calls = busy_first(1, "/identity/login", &server, required);
    client
        .login()
        .body(login())
        .send()
        .await
        .expect("an answer");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_password_is_not_sent_again_on_429_or_by_a_proxys_word() {
    for (status, code) in [(429, "TOO_MANY_PASSWORD_ATTEMPTS"), (503, "A_PROXY")] {
        let (server, client) = served().await;
        let mock = server.mock(|when, then| {
            when.path("/identity/login");
            then.status(status)
                .header("retry-after", "0")
                .json_body(error(status, code));
        });
        client
            .login()
            .body(login())
            .send()
            .await
            .expect_err("an error");
        mock.assert_calls(1);
    }
}

/// Answers `/identity/me` to the bearer `access-2` only, and renews slowly, once.
fn renewing(server: &MockServer) -> Arc<AtomicUsize> {
    let renewals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&renewals);
    server.mock(move |when, then| {
        when.path("/identity/token/refresh")
            .json_body(json!({ "refreshToken": "refresh-1" }));
        then.delay(Duration::from_millis(300))
            .respond_with(move |_: &HttpMockRequest| {
                counted.fetch_add(1, Ordering::SeqCst);
                answer(200, None, &tokens(2, 900))
            });
    });
    server.mock(|when, then| {
        when.path("/identity/me");
        then.respond_with(
            |request: &HttpMockRequest| match bearer(request).as_deref() {
                Some("access-2") => answer(200, None, &me()),
                _other => answer(401, None, &error(401, "TOKEN_EXPIRED")),
            },
        );
    });
    renewals
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_renew_once() {
    // Near its end for this side, and expired only for the server: both ways lead to one renewal.
    for expires_in in [0, 900] {
        let (server, client) = served().await;
        let renewals = renewing(&server);
        client.sign_in_with(session(1, expires_in));
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.get_current_user().send().await.map(drop) })
            })
            .collect();
        for call in calls {
            call.await.expect("it ends").expect("an answer");
        }
        assert_eq!(
            renewals.load(Ordering::SeqCst),
            1,
            "expires in {expires_in} s"
        );
        let session = client.session().expect("signed in");
        assert_eq!(session.refresh_token().expose(), "refresh-2");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_lose_the_next_tokens() {
    let (server, client) = served().await;
    let renewals = renewing(&server);
    client.sign_in_with(session(1, 0));
    let call = client.get_current_user().send();
    let given_up = tokio::time::timeout(Duration::from_millis(100), call).await;
    assert!(given_up.is_err(), "it was given up while it renewed");
    client.get_current_user().send().await.expect("an answer");
    assert_eq!(renewals.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_expired_bearer_beside_a_code_is_renewed_but_the_code_is_left_to_the_user() {
    let (server, client) = served().await;
    let renewals = renewing(&server);
    let verify = server.mock(|when, then| {
        when.path("/identity/mfa/setup/verify");
        then.status(401).json_body(error(401, "TOKEN_EXPIRED"));
    });
    client.sign_in_with(session(1, 900));
    let error = client
        .verify_mfa_setup()
        .body(proof())
        .send()
        .await
        .expect_err("an error");
    assert_eq!(error.code().as_deref(), Some("TOKEN_EXPIRED"));
    verify.assert_calls(1);
    assert_eq!(renewals.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_forgotten() {
    let (server, client) = served().await;
    let refresh = server.refresh_token(|_, then| {
        then.unauthorized(&mock::error(401, "TOKEN_INVALID", []));
    });
    server.get_current_user(|_, then| {
        then.unauthorized(&mock::error(401, "TOKEN_EXPIRED", []));
    });
    client.sign_in_with(session(1, 900));
    let error = client
        .get_current_user()
        .send()
        .await
        .expect_err("an error");
    let Error::ErrorResponse(answer) = error else {
        panic!("the server has answered")
    };
    assert!(matches!(
        answer.into_inner(),
        GetCurrentUserError::TokenExpiredErrorResponse(_)
    ));
    assert!(!client.is_signed_in());
    client.get_current_user().send().await.expect_err("still");
    refresh.assert_calls(1);
}

#[tokio::test]
async fn a_renewal_that_fails_for_now_keeps_the_session() {
    let (server, client) = served().await;
    let refresh = server.refresh_token(|_, then| {
        then.service_unavailable(&mock::error(
            503,
            "SERVICE_UNAVAILABLE",
            [("retryAfter", 1.into())],
        ));
    });
    server.mock(|when, then| {
        when.path("/identity/me")
            .header("authorization", "Bearer access-1");
        then.status(200).json_body(me());
    });
    client.sign_in_with(session(1, 0));
    client
        .get_current_user()
        .send()
        .await
        .expect("the old token may still be good");
    refresh.assert_calls(1);
    assert!(client.is_signed_in());
}

#[tokio::test]
async fn signing_out_forgets_the_session_here_and_nowhere_else() {
    let (server, client) = served().await;
    let logout = server.mock(|when, then| {
        when.path("/identity/logout")
            .header("authorization", "Bearer access-1");
        then.status(204);
    });
    let other = client.apart();
    client.sign_in_with(session(1, 900));
    other.sign_in_with(session(7, 900));
    let same = client.clone();
    client.logout().send().await.expect("signed out");
    logout.assert();
    assert!(!client.is_signed_in() && !same.is_signed_in());
    assert!(other.is_signed_in());
}

#[tokio::test]
async fn each_operation_gets_what_opens_it_and_no_more() {
    let server = MockServer::start_async().await;
    let front = Front::builder(&server.base_url())
        .api_key("csk_key")
        .user_agent("shop/3.1")
        .build()
        .expect("this machine");
    let client = Client::from(&front);
    client.sign_in_with(session(1, 900));
    let public = server.mock(|when, then| {
        when.path("/identity/login")
            .header_missing("authorization")
            .header_missing("x-api-key")
            .header_prefix("user-agent", "shop/3.1 countersign-sdk/");
        then.status(200).json_body(tokens(3, 900));
    });
    let with_bearer = server.mock(|when, then| {
        when.path("/identity/me")
            .header("authorization", "Bearer access-1")
            .header_missing("x-api-key");
        then.status(200).json_body(me());
    });
    let with_key = server.mock(|when, then| {
        when.path("/identity/users").header("x-api-key", "csk_key");
        then.status(200)
            .json_body(json!({ "users": [], "totalCount": 0 }));
    });
    client
        .login()
        .body(login())
        .send()
        .await
        .expect("an answer");
    client.get_current_user().send().await.expect("an answer");
    client
        .list_users()
        .limit(5_u32)
        .send()
        .await
        .expect("an answer");
    for mock in [public, with_bearer, with_key] {
        mock.assert();
    }
}

#[tokio::test]
async fn a_token_goes_to_no_other_server() {
    let (server, client) = served().await;
    let other = MockServer::start_async().await;
    let any = other.mock(|_, then| {
        then.status(200);
    });
    client.sign_in_with(session(1, 900));
    let astray = Client::new(&other.base_url(), client.front().clone());
    astray.get_current_user().send().await.expect_err("refused");

    // A redirect is not followed: it would take the password along.
    server.mock(|when, then| {
        when.path("/identity/login");
        then.status(307)
            .header("location", other.url("/identity/login"));
    });
    client
        .login()
        .body(login())
        .send()
        .await
        .expect_err("no answer of ours");
    any.assert_calls(0);
}

#[tokio::test]
async fn no_server_is_said_plainly() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let client = Client::at(&format!("http://127.0.0.1:{port}")).expect("this machine");
    let error = client
        .get_health()
        .send()
        .await
        .expect_err("nobody is there");
    let failure = error.failure();
    assert!(failure.retryable && failure.status.is_none());
    let said = failure.to_string();
    assert!(
        said.starts_with("no answer from the server") && said.contains("refused"),
        "{said}"
    );
}
