//! Flashback's second factors: setting them up, turning them on and off, and using them to sign in.

use contract_tests::{Server, json, tests};

use super::flashback::Client;

tests! {
    the_request_of_seed_002_works_as_it_stands,
    an_app_is_set_up_and_asked_for,
    backup_codes_count_only_after_the_proof_and_are_shown_once,
    a_magic_link_is_set_up_by_its_link,
    a_magic_link_is_set_up_by_the_code_beside_it,
    links_go_to_the_own_address_only,
    a_disabled_method_is_kept_and_comes_back,
    disabling_needs_fresh_proof,
    adding_a_method_to_one_that_is_on_needs_fresh_proof,
    the_primary_method_is_chosen_among_those_on,
    a_reset_removes_everything,
    a_method_that_does_not_exist_is_refused,
    a_set_up_has_five_tries_and_ten_minutes,
    a_link_of_a_set_up_lives_fifteen_minutes_and_one_use,
}

async fn the_request_of_seed_002_works_as_it_stands() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let asked = || {
        alice
            .poke("/mfa/enable")
            .header("Accept", "application/json")
            .body("application/json", "{\n\"mfaType\": \"GOOGLE_AUTH\"\n}")
    };
    asked().await.refused(400, "MFA_METHOD_NOT_CONFIGURED");
    alice.enable_app().await;
    let enabled = alice
        .poke("/mfa/enable")
        .header("Accept", "application/json")
        .body("application/json", "{\n\"mfaType\": \"GOOGLE_AUTH\"\n}")
        .await
        .is(200);
    assert_eq!(
        enabled.body,
        json!({ "success": true, "message": "MFA method enabled" })
    );
}

async fn an_app_is_set_up_and_asked_for() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let before = alice.get("/mfa/status").await.is(200);
    assert_eq!(
        before["data"],
        json!({ "isEnabled": false, "isRequired": false, "isEnforced": false, "enabledMethods": [], "sessionVerified": true })
    );
    let codes = alice.enable_app().await;
    assert_eq!(codes.len(), 10);
    let after = alice.get("/mfa/status").await.is(200);
    assert_eq!(
        after["data"],
        json!({ "isEnabled": true, "isRequired": false, "isEnforced": false, "enabledMethods": ["GOOGLE_AUTH"], "primaryMethod": "GOOGLE_AUTH", "sessionVerified": true })
    );
    let asked = alice.login().await;
    assert_eq!(asked["mfaRequired"], true);
    assert_eq!(asked["mfaMethods"], json!(["GOOGLE_AUTH"]));
    assert_eq!(asked["refreshToken"], "");
    assert!(!alice.token.contains('.'), "no JWT");
    assert!(!asked.text("tokenId").is_empty());
    let pending = alice.get("/mfa/status").await.is(200);
    assert_eq!(pending["data"]["sessionVerified"], false);
    let code = alice.code();
    alice
        .verify(&json!({
            "mfaType": "GOOGLE_AUTH", "code": code, "sessionId": "x", "ipAddress": "203.0.113.7", "userAgent": "x",
        }))
        .await;
    let me = server
        .get("/identity/me")
        .bearer(&alice.token)
        .await
        .is(200);
    assert_eq!(me["session"]["acr"], "aal2");
    let profile = alice.get("/user/profile").await.is(200);
    assert_eq!(profile["data"]["mfaRequired"], true);
    let methods = alice.get("/mfa/methods").await.is(200);
    let of = |index: usize, member: &str| methods["data"][index][member].clone();
    assert_eq!(of(0, "name"), "Google Authenticator");
    assert_eq!(
        [of(0, "isEnabled"), of(1, "isEnabled"), of(1, "isAvailable")],
        [json!(true), json!(false), json!(true)]
    );
}

async fn backup_codes_count_only_after_the_proof_and_are_shown_once() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_link().await;
    alice.sign_in_by_link().await;
    let begun = alice.setup("GOOGLE_AUTH").await.is(200);
    let early = begun["data"]["backupCodes"][0].as_str().expect("a code");
    let other = alice.login().await.text("accessToken");
    let body = json!({ "mfaType": "MAGIC_LINK", "code": early });
    let verify = |token: &str, body| server.post("/mfa/verify-login", body).bearer(token);
    verify(&other, &body).await.refused(400, "INVALID_MFA_CODE");

    alice.sign_in_by_link().await;
    let codes = alice.enable_app().await;
    assert_eq!(codes.len(), 10, "those shown before were never proved");
    let asked = alice.login().await.text("accessToken");
    verify(&asked, &body).await.refused(400, "INVALID_MFA_CODE");
    let body = json!({ "mfaType": "GOOGLE_AUTH", "code": codes[0] });
    let answer = alice.verify(&body).await;
    assert_eq!(answer["recoveryCodesRemaining"], 9);
    alice.login().await;
    alice
        .post("/mfa/verify-login", &body)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let code = alice.code();
    alice
        .verify(&json!({ "mfaType": "GOOGLE_AUTH", "code": code }))
        .await;
    alice.of("/mfa/disable", "GOOGLE_AUTH").await.is(200);
    let again = alice.setup("GOOGLE_AUTH").await.is(200);
    assert_eq!(again["data"]["backupCodes"], json!([]), "a set is live");
}

async fn a_magic_link_is_set_up_by_its_link() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let begun = alice.setup("MAGIC_LINK").await.is(200);
    assert_eq!(
        begun["data"],
        json!({
            "mfaType": "MAGIC_LINK",
            "email": "alice@example.com",
            "verificationRequired": true
        })
    );
    let token = server.mail.link_to("alice@example.com").await;
    server.get("/magic-link").await.is(200);
    let activate = |token: &str| {
        let body = json!({ "token": token });
        server.post("/mfa/magic-link/activate", &body)
    };
    activate("ml_x").await.refused(400, "MFA_TOKEN_INVALID");
    activate(&token).await.is(200);
    activate(&token).await.refused(400, "MFA_TOKEN_INVALID");
    let status = alice.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["enabledMethods"], json!(["MAGIC_LINK"]));
    alice
        .setup("MAGIC_LINK")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
}

async fn a_magic_link_is_set_up_by_the_code_beside_it() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    alice
        .poke("/mfa/magic-link/send")
        .await
        .refused(400, "MFA_METHOD_NOT_CONFIGURED");
    alice.setup("MAGIC_LINK").await.is(200);
    let first = server.mail.code_to("alice@example.com").await;
    alice.poke("/mfa/magic-link/send").await.is(200);
    server.clock.advance(60);
    alice.poke("/mfa/magic-link/send").await.is(200);
    let second = server.mail.code_to("alice@example.com").await;
    let verify = |code: &str| {
        let body = json!({ "mfaType": "MAGIC_LINK", "code": code });
        alice.post("/mfa/verify-setup", &body)
    };
    verify(&first).await.refused(400, "INVALID_MFA_CODE");
    verify(&second).await.is(200);
}

async fn links_go_to_the_own_address_only() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let with = |email: &str| {
        let body = json!({ "mfaType": "MAGIC_LINK", "email": email });
        alice.post("/mfa/setup", &body)
    };
    let refused = with("mallory@example.com").await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "email");
    with(" Alice@Example.com ").await.is(200);
}

async fn a_disabled_method_is_kept_and_comes_back() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    alice.sign_in().await;
    alice.of("/mfa/disable", "GOOGLE_AUTH").await.is(200);
    let status = alice.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["isEnabled"], false);
    let methods = alice.get("/mfa/methods").await.is(200);
    assert_eq!(
        (
            &methods["data"][0]["isConfigured"],
            &methods["data"][0]["isEnabled"]
        ),
        (&json!(true), &json!(false))
    );
    alice
        .of("/mfa/disable", "GOOGLE_AUTH")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    let plain = alice.login().await;
    assert_eq!(plain["mfaRequired"], false);
    server.clock.advance(301);
    alice
        .of("/mfa/enable", "GOOGLE_AUTH")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.login().await;
    alice.of("/mfa/enable", "GOOGLE_AUTH").await.is(200);
    alice.of("/mfa/enable", "GOOGLE_AUTH").await.is(200);
    alice.sign_in().await;
}

async fn disabling_needs_fresh_proof() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    let stale = async |alice: &Client| {
        let of = |path| alice.of(path, "GOOGLE_AUTH");
        for refused in [of("/mfa/disable").await, of("/mfa/reset").await] {
            let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
            let header = refused.header("www-authenticate").expect("a challenge");
            assert!(
                header.contains("insufficient_user_authentication"),
                "{header}"
            );
            assert_eq!(refused["maxAge"], 300);
        }
    };
    server.clock.advance(301);
    stale(&alice).await;
    alice.sign_in().await;
    server.clock.advance(301);
    stale(&alice).await;
    let body = json!({ "refreshToken": alice.refresh_token });
    let fresh = server.post("/user/refresh", &body).await.is(200);
    alice.token = fresh.text("accessToken");
    stale(&alice).await;
    alice.sign_in().await;
    alice.of("/mfa/disable", "GOOGLE_AUTH").await.is(200);
}

async fn adding_a_method_to_one_that_is_on_needs_fresh_proof() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    server.clock.advance(301);
    alice
        .setup("MAGIC_LINK")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.sign_in().await;
    alice
        .setup("GOOGLE_AUTH")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
    alice.enable_link().await;
    let status = alice.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["primaryMethod"], "GOOGLE_AUTH");
}

async fn the_primary_method_is_chosen_among_those_on() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    alice.sign_in().await;
    alice
        .of("/mfa/primary", "MAGIC_LINK")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    alice.enable_link().await;
    alice.of("/mfa/primary", "MAGIC_LINK").await.is(200);
    let status = alice.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["primaryMethod"], "MAGIC_LINK");
    alice.of("/mfa/disable", "MAGIC_LINK").await.is(200);
    let status = alice.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["primaryMethod"], "GOOGLE_AUTH");
}

async fn a_reset_removes_everything() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    alice.sign_in().await;
    alice.poke("/mfa/reset").await.is(200);
    let methods = alice.get("/mfa/methods").await.is(200);
    assert_eq!(methods["data"][0]["isConfigured"], false);
    let plain = alice.login().await;
    assert_eq!(plain["mfaRequired"], false);
    alice
        .of("/mfa/enable", "GOOGLE_AUTH")
        .await
        .refused(400, "MFA_METHOD_NOT_CONFIGURED");
}

async fn a_method_that_does_not_exist_is_refused() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    for path in [
        "/mfa/setup",
        "/mfa/verify-setup",
        "/mfa/enable",
        "/mfa/disable",
        "/mfa/primary",
    ] {
        for word in ["SMS", "google_auth", ""] {
            let refused = alice.of(path, word).await;
            let refused = refused.refused(400, "INVALID_MFA_METHOD");
            assert_eq!(refused["error"], "Invalid MFA type specified.");
        }
    }
    alice.enable_app().await;
    alice.login().await;
    alice
        .of("/mfa/verify-login", "SMS")
        .await
        .refused(400, "INVALID_MFA_METHOD");
}

async fn a_set_up_has_five_tries_and_ten_minutes() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let verify = |alice: &Client, code: &str| {
        let body = json!({ "mfaType": "GOOGLE_AUTH", "code": code });
        alice.post("/mfa/verify-setup", &body)
    };
    verify(&alice, "123456")
        .await
        .refused(400, "MFA_METHOD_NOT_CONFIGURED");
    let begun = alice.setup("GOOGLE_AUTH").await.is(200);
    let secret = begun["data"]["secret"].as_str().expect("a secret");
    let app = contract_tests::Authenticator::new(secret);
    let wrong = app.wrong_code(&server.clock);
    alice.app = Some(app);
    for _ in 0..5 {
        verify(&alice, &wrong)
            .await
            .refused(400, "INVALID_MFA_CODE");
    }
    let code = alice.code();
    verify(&alice, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    alice.setup("GOOGLE_AUTH").await.is(200);
    server.clock.advance(600);
    verify(&alice, "123456")
        .await
        .refused(400, "MFA_METHOD_NOT_CONFIGURED");
}

async fn a_link_of_a_set_up_lives_fifteen_minutes_and_one_use() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let activate = |token: &str| {
        let body = json!({ "token": token });
        server.post("/mfa/magic-link/activate", &body)
    };
    alice.setup("MAGIC_LINK").await.is(200);
    let first = server.mail.link_to("alice@example.com").await;
    alice.setup("MAGIC_LINK").await.is(200);
    let second = server.mail.link_to("alice@example.com").await;
    activate(&first).await.refused(400, "MFA_TOKEN_INVALID");
    server.clock.advance(900);
    activate(&second).await.refused(400, "MFA_TOKEN_EXPIRED");
    alice.get("/mfa/status").await.is(200);
}
