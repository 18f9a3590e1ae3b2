//! Which calls are made again, and which never are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_sdk::identity::mock;
use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, MockServer};
use countersign_sdk::{Client, Problem, Retry};
use serde_json::Value;

use super::{answer, error, login, me, proof, served};

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
            .verify_mfa_login(proof())
            .await
            .expect_err("an error");
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.is_retryable(), status != 500);
        verify.assert_calls(1);
    }
}

#[tokio::test]
async fn reading_is_repeated_after_the_pause_that_the_server_asks_for() {
    let (server, client) = served().await;
    let calls = busy_first(1, "/identity/me", &server, me());
    let begun = Instant::now();
    let answer = client.get_current_user().await.expect("an answer");
    assert_eq!(answer.email, "alice@example.com");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_busy_server_is_not_asked_for_ever() {
    let (server, _) = served().await;
    let client = Client::builder(&server.base_url())
        .retry(Retry::new(2, Duration::from_secs(10)))
        .build()
        .expect("this machine");
    let calls = busy_first(9, "/identity/me", &server, me());
    let error = client.get_current_user().await.expect_err("an error");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_sign_in_is_repeated_when_the_server_says_that_it_has_not_begun() {
    let (server, client) = served().await;
    let required = serde_json::to_value(mock::mfa_required()).expect("JSON");
    let calls = busy_first(1, "/identity/login", &server, required);
    client.login(login()).await.expect("an answer");
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
        client.login(login()).await.expect_err("an error");
        mock.assert_calls(1);
    }
}
