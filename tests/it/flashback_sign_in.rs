//! Flashback's sign-in in two steps: what an unfinished one allows, what finishes it, and its
//! limits.

use contract_tests::{Server, json, tests};

use super::flashback::Client;

tests! {
    a_sign_in_mails_nothing_before_it_is_asked_to,
    a_link_finishes_the_sign_in_of_who_asked,
    an_unfinished_sign_in_opens_what_finishes_it_and_nothing_else,
    an_unfinished_sign_in_can_be_abandoned,
    wrong_codes_are_counted_and_told,
    a_stopped_method_stays_stopped_here,
    mails_are_limited,
}

async fn a_sign_in_mails_nothing_before_it_is_asked_to() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_link().await;
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    let asked = alice.login().await;
    assert_eq!(asked["mfaMethods"], json!(["MAGIC_LINK"]));
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before);
    let link = alice.mailed_link().await;
    for _ in 0..3 {
        alice.poke("/mfa/magic-link/send").await.is(200);
    }
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to("alice@example.com").len(),
        before + 1,
        "within the cooldown"
    );
    alice
        .verify(&json!({ "mfaType": "MAGIC_LINK", "token": link }))
        .await;
}

async fn a_link_finishes_the_sign_in_of_who_asked() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_link().await;
    let first = alice.login().await.text("accessToken");
    let link = alice.mailed_link().await;
    let second = alice.login().await.text("accessToken");
    let with = |bearer: &str, token: &str| {
        let body = json!({ "mfaType": "MAGIC_LINK", "token": token });
        server.post("/mfa/verify-login", &body).bearer(bearer)
    };
    with(&second, &link).await.refused(400, "INVALID_MFA_CODE");
    server
        .post("/mfa/magic-link/activate", &json!({ "token": link }))
        .await
        .refused(400, "MFA_WRONG_PURPOSE");
    server
        .get("/user/profile")
        .bearer(&link)
        .await
        .refused(401, "TOKEN_INVALID");
    with(&first, &link).await.is(200);
    with(&first, &link).await.refused(401, "TOKEN_INVALID");
}

async fn an_unfinished_sign_in_opens_what_finishes_it_and_nothing_else() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    alice.login().await;
    for path in ["/organization/users", "/identity/me"] {
        alice.get(path).await.refused(401, "TOKEN_INVALID");
    }
    for path in [
        "/mfa/setup",
        "/mfa/verify-setup",
        "/mfa/enable",
        "/mfa/disable",
        "/mfa/primary",
        "/mfa/reset",
        "/mfa/organization/enforce",
        "/mfa/passkey/complete-registration",
        "/mfa/passkey/complete-registration-1",
    ] {
        alice
            .of(path, "GOOGLE_AUTH")
            .await
            .refused(401, "TOKEN_INVALID");
    }
    server
        .post("/user/refresh", &json!({ "refreshToken": alice.token }))
        .await
        .refused(401, "TOKEN_INVALID");
    alice
        .poke("/mfa/magic-link/send")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    alice
        .poke("/mfa/passkey/auth-options")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    server.clock.advance(600);
    for path in [
        "/mfa/magic-link/send",
        "/mfa/passkey/auth-options",
        "/user/logout",
    ] {
        alice.poke(path).await.refused(401, "TOKEN_EXPIRED");
    }
    alice.get("/mfa/status").await.refused(401, "TOKEN_EXPIRED");
    alice
        .of("/mfa/verify-login", "GOOGLE_AUTH")
        .await
        .refused(401, "TOKEN_EXPIRED");
    let finished = alice.sign_in().await.text("fullAccessToken");
    for path in ["/mfa/verify-login", "/mfa/passkey/auth-options"] {
        server
            .call(contract_tests::call::Method::POST, path)
            .bearer(&finished)
            .await
            .refused(401, "TOKEN_INVALID");
    }
}

async fn an_unfinished_sign_in_can_be_abandoned() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    alice.login().await;
    alice.poke("/user/logout").await.is(200);
    alice.get("/mfa/status").await.refused(401, "TOKEN_INVALID");
    alice
        .poke("/user/logout")
        .await
        .refused(401, "TOKEN_INVALID");
}

async fn wrong_codes_are_counted_and_told() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_app().await;
    alice.login().await;
    let wrong = alice
        .app
        .as_ref()
        .expect("an app")
        .wrong_code(&server.clock);
    for left in (0..5).rev() {
        let body = json!({ "mfaType": "GOOGLE_AUTH", "code": wrong });
        let refused = alice.post("/mfa/verify-login", &body).await;
        let refused = refused.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], left);
    }
    let code = alice.code();
    let body = json!({ "mfaType": "GOOGLE_AUTH", "code": code });
    alice
        .post("/mfa/verify-login", &body)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    alice.login().await;
    for (body, field) in [
        (json!({ "mfaType": "GOOGLE_AUTH" }), "code"),
        (json!({ "mfaType": "MAGIC_LINK" }), "token"),
        (json!({ "mfaType": "PASSKEY" }), "credential"),
    ] {
        let refused = alice.post("/mfa/verify-login", &body).await;
        let refused = refused.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], field);
    }
    let body = json!({ "mfaType": "MAGIC_LINK", "token": "123456" });
    alice
        .post("/mfa/verify-login", &body)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn a_stopped_method_stays_stopped_here() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_link().await;
    for _ in 0..10 {
        alice.login().await;
        alice.poke("/mfa/magic-link/send").await;
        for _ in 0..5 {
            server.clock.advance(3600);
            alice.login().await;
            let body = json!({ "mfaType": "MAGIC_LINK", "code": "000000" });
            alice.post("/mfa/verify-login", &body).await;
        }
    }
    alice.login().await;
    let body = json!({ "mfaType": "MAGIC_LINK", "code": "000000" });
    alice
        .post("/mfa/verify-login", &body)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    alice
        .poke("/mfa/magic-link/send")
        .await
        .refused(403, "MFA_METHOD_LOCKED");
}

async fn mails_are_limited() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_link().await;
    alice.login().await;
    for wait in [0, 60, 120, 240] {
        server.clock.advance(wait);
        alice.poke("/mfa/magic-link/send").await.is(200);
    }
    alice
        .poke("/mfa/magic-link/send")
        .await
        .refused(429, "MAX_RESEND_LIMIT");
    alice.login().await;
    alice.poke("/mfa/magic-link/send").await.is(200);
    alice.login().await;
    alice
        .poke("/mfa/magic-link/send")
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
}
