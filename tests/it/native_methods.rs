//! The methods of an account: several apps, names, the primary one, removal.

use contract_tests::{Person, Server, json, tests};

tests! {
    methods_are_listed_with_their_names_and_uses,
    several_apps_sign_in_and_share_one_count,
    a_name_adds_an_app_and_no_name_does_not,
    one_of_several_apps_is_turned_off_by_its_id,
    without_an_id_every_app_goes,
    a_name_is_changed_and_is_nobody_elses,
    sign_in_starts_with_the_primary_method,
    only_what_is_on_can_be_primary,
    removing_takes_fresh_proof,
    what_is_no_method_of_ones_own_is_not_there,
}

/// An id that no method has.
const NOBODYS: &str = "factor-01a2039d-1b20-7c44-9e0a-3f6f8a1d2c5b";

/// Returns a user with an app, signed in with it.
async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice
}

async fn methods_are_listed_with_their_names_and_uses() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let empty = alice.methods().await.is(200);
    assert_eq!(
        empty.body,
        json!({ "factors": [], "recoveryCodes": { "remaining": 0 } })
    );
    alice.enable_authenticator().await;
    let app = alice.factor("authenticator").await;
    assert_eq!(
        (&app["state"], &app["primary"]),
        (&json!("on"), &json!(true))
    );
    assert!(app["name"].is_null(), "{app}");
    assert_eq!(app["lastUsedAt"], app["enabledAt"]);
    alice.sign_in().await;
    alice.add_authenticator("Tablet").await;
    let used = alice.factor("authenticator").await;
    assert_eq!(used["lastUsedAt"], "2026-11-22T14:00:30.000Z");
    let tablet = alice.factor("Tablet").await;
    assert_eq!(
        (&tablet["method"], &tablet["primary"]),
        (&json!("authenticator"), &json!(false))
    );
    alice.begin_setup("email").await.is(200);
    let list = alice.methods().await.is(200);
    assert_eq!(
        list["factors"].as_array().map(Vec::len),
        Some(2),
        "a set-up is no method"
    );
    assert_eq!(alice.me().await["mfaMethods"], json!(["authenticator"]));
}

async fn several_apps_sign_in_and_share_one_count() {
    let server = Server::with(|settings| settings.policy.soft_limit = 5).await;
    let alice = with_app(&server).await;
    let mut tablet = alice.add_authenticator("Tablet").await;
    let token = alice.begin_sign_in().await;
    let code = tablet.fresh_code(&server.clock);
    server.verify_login(&token, &code).await.is(200);
    server.clock.advance(30);
    let token = alice.begin_sign_in().await;
    for left in (0..5).rev() {
        let wrong = server.verify_login(&token, &alice.wrong_code()).await;
        let refused = wrong.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], left);
    }
    let token = alice.begin_sign_in().await;
    let code = tablet.fresh_code(&server.clock);
    let refused = server.verify_login(&token, &code).await;
    refused.refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn a_name_adds_an_app_and_no_name_does_not() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    alice
        .begin_setup("authenticator")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
    alice.add_authenticator("Tablet").await;
    alice
        .begin_setup_named("authenticator", "Tablet")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
    alice
        .begin_setup_named("authenticator", "Tab\nlet")
        .await
        .refused(400, "VALIDATION");
    let list = alice.methods().await.is(200);
    assert_eq!(list["factors"].as_array().map(Vec::len), Some(2));
}

async fn one_of_several_apps_is_turned_off_by_its_id() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let mut tablet = alice.add_authenticator("Tablet").await;
    let body =
        |id: &str| json!({ "method": "authenticator", "password": alice.password, "factorId": id });
    let path = "/identity/mfa/disable";
    let malformed = alice
        .post(path, &body("x"))
        .await
        .refused(400, "VALIDATION");
    assert_eq!(malformed["errors"][0]["field"], "factorId");
    alice
        .post(path, &body(NOBODYS))
        .await
        .refused(404, "FACTOR_NOT_FOUND");
    let id = alice.factor_id("Tablet").await;
    let token = alice.post(path, &body(&id)).await.is(200).text("mfaToken");
    let code = tablet.fresh_code(&server.clock);
    let off = server.verify_disable(&token, &code).await.is(200);
    assert_eq!(off["mfaMethods"], json!(["authenticator"]));
    let token = alice.begin_sign_in().await;
    let gone = tablet.fresh_code(&server.clock);
    let refused = server.verify_login(&token, &gone).await;
    refused.refused(400, "INVALID_MFA_CODE");
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn without_an_id_every_app_goes() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.add_authenticator("Tablet").await;
    let begun = alice.begin_disable("authenticator").await.is(200);
    let code = alice.fresh_code();
    let token = begun.text("mfaToken");
    let off = server.verify_disable(&token, &code).await.is(200);
    assert_eq!(off["mfaMethods"], json!([]));
    assert_eq!(alice.methods().await["factors"], json!([]));
}

async fn a_name_is_changed_and_is_nobody_elses() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    alice.add_authenticator("Tablet").await;
    let phone = alice.factor_id("authenticator").await;
    let renamed = alice.rename(&phone, "Phone").await.is(200);
    assert_eq!(
        (&renamed["id"], &renamed["name"]),
        (&json!(phone), &json!("Phone"))
    );
    assert_eq!(alice.factor("Phone").await["id"], json!(phone));
    alice.rename(&phone, "Phone").await.is(200);
    alice
        .rename(&phone, "Tablet")
        .await
        .refused(400, "NAME_TAKEN");
    alice
        .rename(&phone, "a\u{7}b")
        .await
        .refused(400, "VALIDATION");
}

async fn sign_in_starts_with_the_primary_method() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "authenticator", "where none was chosen");
    assert_eq!(asked["mfaMethods"], json!(["authenticator", "email"]));
    assert_eq!(alice.factor("authenticator").await["primary"], true);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before);
    let mailbox = alice.factor_id("email").await;
    let chosen = alice.prefer(&mailbox).await.is(200);
    assert_eq!(
        (&chosen["id"], &chosen["primary"]),
        (&json!(mailbox), &json!(true))
    );
    assert_eq!(alice.factor("authenticator").await["primary"], false);
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "email");
    assert_eq!(asked["mfaMethods"], json!(["email", "authenticator"]));
    server.mail.code_to("alice@example.com").await;
}

async fn only_what_is_on_can_be_primary() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.enable_email().await;
    let mailbox = alice.factor_id("email").await;
    server
        .database
        .run("UPDATE factors SET state = 'ready' WHERE kind = 'email'");
    alice
        .prefer(&mailbox)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    alice.prefer(NOBODYS).await.refused(404, "FACTOR_NOT_FOUND");
    alice.prefer("x").await.refused(400, "VALIDATION");
}

async fn removing_takes_fresh_proof() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let app = alice.factor_id("authenticator").await;
    server.clock.advance(301);
    let refused = alice.remove(&app).await;
    let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(refused["maxAge"], 300);
    assert_eq!(
        refused.header("www-authenticate").as_deref(),
        Some("Bearer error=\"insufficient_user_authentication\", max_age=\"300\"")
    );
    alice.sign_in().await;
    alice.remove(&app).await.is(204);
    server.mail.notice_to("alice@example.com", "off").await;
    alice.remove(&app).await.refused(404, "FACTOR_NOT_FOUND");
    alice.login().await.is(200).text("accessToken");
}

async fn what_is_no_method_of_ones_own_is_not_there() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    let hers = alice.factor_id("authenticator").await;
    let mut bob = server.registered("bob@example.com").await;
    bob.sign_in().await;
    for id in [hers.as_str(), NOBODYS] {
        bob.rename(id, "Mine")
            .await
            .refused(404, "FACTOR_NOT_FOUND");
        bob.prefer(id).await.refused(404, "FACTOR_NOT_FOUND");
        bob.remove(id).await.refused(404, "FACTOR_NOT_FOUND");
    }
    for id in [
        "x",
        "factor-x",
        &hers.to_uppercase(),
        hers.trim_start_matches("factor-"),
    ] {
        bob.rename(id, "Mine").await.refused(400, "VALIDATION");
        bob.remove(id).await.refused(400, "VALIDATION");
    }
    assert_eq!(alice.factor("authenticator").await["id"], json!(hers));
}
