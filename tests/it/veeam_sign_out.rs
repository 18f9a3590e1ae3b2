//! The Veeam API's sign-out: `DELETE /api/oauth2/token`.

use contract_tests::call::Method;
use contract_tests::{Call, PASSWORD, Server, tests};

use crate::veeam::{refresh, sign_in};

tests! {
    signing_out_ends_the_bearers_session_only,
    a_sign_out_says_which_version_it_speaks_or_nothing,
}

fn sign_out(server: &Server, access_token: &str, query: &str) -> Call {
    let path = format!("/api/oauth2/token{query}");
    server.call(Method::DELETE, &path).bearer(access_token)
}

async fn signing_out_ends_the_bearers_session_only() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let session = async || {
        let answer = sign_in(&server, "alice@example.com", PASSWORD).await;
        let answer = answer.is(200);
        (answer.text("access_token"), answer.text("refresh_token"))
    };
    let ((access, refreshing), (other, _)) = (session().await, session().await);
    let done = sign_out(&server, &access, "").await.is(204);
    assert_eq!(done.text, "");
    for path in ["/api/v1/users", "/identity/me"] {
        let refused = server.get(path).bearer(&access).await;
        refused.refused(401, "TOKEN_INVALID");
    }
    let refused = refresh(&server, &refreshing).await;
    refused.refused(401, "TOKEN_INVALID");
    sign_out(&server, &access, "")
        .await
        .refused(401, "TOKEN_INVALID");
    let still = server.get("/api/v1/users").bearer(&other).await;
    still.is(200);
    let trail = server
        .database
        .texts("SELECT event AS found FROM audit_events");
    assert!(trail.contains(&"signed_out".to_owned()), "{trail:?}");
}

async fn a_sign_out_says_which_version_it_speaks_or_nothing() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let long = format!("?api-version={}", "1".repeat(33));
    for bad in ["?all=true", long.as_str()] {
        let refused = sign_out(&server, &alice.access_token, bad).await;
        refused.refused(400, "VALIDATION");
    }
    sign_out(&server, &alice.access_token, "?api-version=v8.1")
        .await
        .is(204);
}
