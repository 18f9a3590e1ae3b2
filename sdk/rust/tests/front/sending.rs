//! What goes where, and what goes nowhere.

use countersign_sdk::identity::Client;
use countersign_sdk::identity::mock::httpmock::MockServer;
use countersign_sdk::{Front, Problem};
use serde_json::json;

use super::{login, me, served, session, tokens};

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
