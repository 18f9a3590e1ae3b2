//! One renewal for all that wait for it, and what becomes of the session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_sdk::Problem;
use countersign_sdk::identity::mock::MockServerExt;
use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, MockServer};
use countersign_sdk::identity::types::*;
use serde_json::json;

use super::{answer, bearer, error, me, proof, served, session, tokens};

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
                tokio::spawn(async move { client.get_current_user().await.map(drop) })
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
    let call = client.get_current_user();
    let given_up = tokio::time::timeout(Duration::from_millis(100), call).await;
    assert!(given_up.is_err(), "it was given up while it renewed");
    client.get_current_user().await.expect("an answer");
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
        .verify_mfa_setup(proof())
        .await
        .expect_err("an error");
    assert_eq!(error.code(), Some("TOKEN_EXPIRED"));
    verify.assert_calls(1);
    assert_eq!(renewals.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_forgotten() {
    let (server, client) = served().await;
    let refresh = server.refresh_token(|_, then| {
        then.error("TOKEN_INVALID", []);
    });
    server.get_current_user(|_, then| {
        then.error("TOKEN_EXPIRED", []);
    });
    client.sign_in_with(session(1, 900));
    let error = client.get_current_user().await.expect_err("an error");
    assert!(matches!(error, GetCurrentUserError::TokenExpired { .. }));
    assert!(!client.is_signed_in());
    client.get_current_user().await.expect_err("still");
    refresh.assert_calls(1);
}

#[tokio::test]
async fn a_renewal_that_fails_for_now_keeps_the_session() {
    let (server, client) = served().await;
    let refresh = server.refresh_token(|_, then| {
        then.error("SERVICE_UNAVAILABLE", [("retryAfter", 1.into())]);
    });
    server.mock(|when, then| {
        when.path("/identity/me")
            .header("authorization", "Bearer access-1");
        then.status(200).json_body(me());
    });
    client.sign_in_with(session(1, 0));
    client
        .get_current_user()
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
    let other = client.new_session();
    client.sign_in_with(session(1, 900));
    other.sign_in_with(session(7, 900));
    let same = client.clone();
    client.logout().await.expect("signed out");
    logout.assert();
    assert!(!client.is_signed_in() && !same.is_signed_in());
    assert!(other.is_signed_in());
}
