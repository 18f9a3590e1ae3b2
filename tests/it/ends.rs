//! What ends together: codes with the app they came with, waiting flows with a password, sessions
//! with a reset.

use contract_tests::call::Method;
use contract_tests::{Authenticator, Call, PASSWORD, Person, Server, json, tests};

use super::flashback::Client;
use super::veeam::{OTHER_PASSWORD, enabled, number, registered, root, second, sign_in};

tests! {
    scratch_codes_go_with_the_app_they_came_with,
    scratch_codes_wait_while_the_app_is_not_asked_for,
    a_new_password_ends_the_sign_ins_begun_with_the_old_one,
    a_reset_of_ones_own_ends_the_other_sessions,
    a_reset_of_somebody_else_ends_all_their_sessions,
    a_displaced_set_up_is_not_the_one_that_is_proved,
}

/// Starts a sign-in through Veeam's API. Returns its reference.
async fn begin(server: &Server) -> String {
    let asked = sign_in(server, "alice@example.com", PASSWORD).await;
    asked.is(200).text("mfa_token")
}

/// Asserts that this scratch code cannot finish a sign-in.
async fn is_void(server: &Server, code: &str) {
    let refused = second(server, &begin(server).await, code).await;
    refused.refused(400, "INVALID_MFA_CODE");
}

/// Removes the app through the native API, in one of two ways.
async fn remove_app(alice: &mut Person, way: &str) {
    if way == "methods" {
        let app = alice.factor_id("authenticator").await;
        alice.remove(&app).await.is(204);
        return;
    }
    let begun = alice.begin_disable("authenticator").await.is(200);
    let code = alice.fresh_code();
    let token = begun.text("mfaToken");
    alice.server.verify_disable(&token, &code).await.is(200);
}

async fn scratch_codes_go_with_the_app_they_came_with() {
    for way in ["methods", "disable"] {
        let server = Server::start().await;
        let mut alice = registered(&server, "alice@example.com").await;
        let codes = enabled(&mut alice).await;
        alice.sign_in().await;
        alice.enable_email().await;
        second(&server, &begin(&server).await, &codes[0])
            .await
            .is(200);
        remove_app(&mut alice, way).await;
        is_void(&server, &codes[1]).await;
        // Another app does not revive them.
        alice.enable_authenticator().await;
        is_void(&server, &codes[1]).await;
        let code = alice.fresh_code();
        second(&server, &begin(&server).await, &code).await.is(200);
    }
}

async fn scratch_codes_wait_while_the_app_is_not_asked_for() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let codes = enabled(&mut alice).await;
    alice.sign_in().await;
    alice.enable_email().await;
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    alice.post("/mfa/disable", &app).await.is(200);
    is_void(&server, &codes[0]).await;
    alice.post("/mfa/enable", &app).await.is(200);
    second(&server, &begin(&server).await, &codes[0])
        .await
        .is(200);
}

fn set_password(person: &Person, number: i64) -> Call {
    let path = format!("/api/v1/users/{number}");
    let body = json!({ "password": OTHER_PASSWORD });
    person.call(Method::PUT, &path).json(&body)
}

async fn a_new_password_ends_the_sign_ins_begun_with_the_old_one() {
    let server = Server::start().await;
    let root = root(&server).await;
    for setter in ["alice", "root"] {
        let email = format!("{setter}s-friend@example.com");
        let mut alice = server.registered(&email).await;
        alice.enable_authenticator().await;
        alice.sign_in().await;
        let own = number(&alice).await;
        let pending = alice.begin_sign_in().await;
        match setter {
            "alice" => set_password(&alice, own).await.is(200),
            _ => set_password(&root, own).await.is(200),
        };
        let code = alice.fresh_code();
        let refused = server.verify_login(&pending, &code).await;
        refused.refused(400, "MFA_TOKEN_INVALID");
        let refused = second(&server, &pending, &code).await;
        refused.refused(400, "MFA_TOKEN_INVALID");
        alice.password = OTHER_PASSWORD.to_owned();
        alice.sign_in().await;
        alice.me().await.is(200);
    }
}

/// Asserts that this session's tokens are no longer accepted.
async fn is_out(server: &Server, client: &Client) {
    let refused = client.get("/user/profile").await;
    refused.refused(401, "TOKEN_INVALID");
    let refused = server.refresh(&client.refresh_token).await;
    refused.refused(401, "TOKEN_INVALID");
}

/// Returns the same user in another session, signed in with the app.
async fn elsewhere(client: &mut Client) -> Client {
    let (token, refresh_token) = (client.token.clone(), client.refresh_token.clone());
    client.sign_in().await;
    let app = client.app.clone();
    Client {
        server: client.server.clone(),
        email: client.email.clone(),
        token: std::mem::replace(&mut client.token, token),
        refresh_token: std::mem::replace(&mut client.refresh_token, refresh_token),
        app,
    }
}

async fn a_reset_of_ones_own_ends_the_other_sessions() {
    let server = Server::start().await;
    let mut here = Client::registered(&server, "alice@example.com", None).await;
    here.enable_app().await;
    here.sign_in().await;
    let there = elsewhere(&mut here).await;
    there.get("/user/profile").await.is(200);
    here.poke("/mfa/reset").await.is(200);
    here.get("/user/profile").await.is(200);
    server.refresh(&here.refresh_token).await.is(200);
    is_out(&server, &there).await;
}

async fn a_reset_of_somebody_else_ends_all_their_sessions() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut here = Client::registered(&server, "alice@example.com", None).await;
    here.enable_app().await;
    here.sign_in().await;
    let there = elsewhere(&mut here).await;
    let profile = here.get("/user/profile").await.is(200);
    let target = json!({ "resetUserId": profile["data"]["id"] });
    root.post("/mfa/reset", &target).await.is(200);
    is_out(&server, &here).await;
    is_out(&server, &there).await;
    root.me().await.is(200);
    let plain = here.login().await;
    assert_eq!(plain["mfaRequired"], false);
}

async fn a_displaced_set_up_is_not_the_one_that_is_proved() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let begin = async || {
        let begun = alice.setup("GOOGLE_AUTH").await.is(200);
        Authenticator::new(begun["data"]["secret"].as_str().expect("a secret"))
    };
    let verify = |code: String| {
        let body = json!({ "mfaType": "GOOGLE_AUTH", "code": code });
        alice.post("/mfa/verify-setup", &body)
    };
    server.clock.advance(2);
    let old = begin().await;
    // Another replica's clock is a second behind: the ids are not in the order of the calls.
    server.clock.advance(-1);
    let new = begin().await;
    server.clock.advance(1);
    let refused = verify(old.code_at(server.clock.now())).await;
    refused.refused(400, "INVALID_MFA_CODE");
    verify(new.code_at(server.clock.now())).await.is(200);
    // When the newer one is proved, the older one does not take its place.
    let refused = verify(old.code_at(server.clock.now())).await;
    refused.refused(400, "MFA_METHOD_NOT_CONFIGURED");
}
