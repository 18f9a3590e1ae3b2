//! What goes where, and what goes nowhere.

use countersign_sdk::identity::mock::httpmock::MockServer;
use countersign_sdk::{Client, Problem};
use serde_json::json;

use super::{login, me, served, session, tokens};

#[tokio::test]
async fn each_operation_gets_what_opens_it_and_no_more() {
    let server = MockServer::start_async().await;
    let client = Client::builder(&server.base_url())
        .api_key("csk_key")
        .user_agent("shop/3.1")
        .build()
        .expect("this machine");
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
    client.login(login()).await.expect("an answer");
    client.get_current_user().await.expect("an answer");
    client.list_users().limit(5).await.expect("an answer");
    for mock in [public, with_bearer, with_key] {
        mock.assert();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, client) = served().await;
    let other = MockServer::start_async().await;
    let any = other.mock(|_, then| {
        then.status(200);
    });
    client.sign_in_with(session(1, 900));
    // It would take the password along.
    server.mock(|when, then| {
        when.path("/identity/login");
        then.status(307)
            .header("location", other.url("/identity/login"));
    });
    let error = client.login(login()).await.expect_err("no answer of ours");
    assert!(error.to_string().starts_with("307: "), "{error}");
    any.assert_calls(0);
}

#[tokio::test]
async fn no_server_is_said_plainly() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let client = Client::new(&format!("http://127.0.0.1:{port}")).expect("this machine");
    let error = client.get_health().await.expect_err("nobody is there");
    assert!(error.is_retryable() && error.status().is_none());
    assert!(std::error::Error::source(&error).is_some());
    let said = error.to_string();
    assert!(
        said.starts_with("no answer from the server") && said.contains("refused"),
        "{said}"
    );
}
