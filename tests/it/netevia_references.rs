//! Netevia's `/api/CodeVerification/*` with an `mfaToken`: the code of a sign-in, and the proof of
//! a method.

use contract_tests::call::Method;
use contract_tests::{Authenticator, Call, PASSWORD, Person, Server, json, tests};

use super::netevia::{Client, PHONE, authenticate, second, with_texts};

tests! {
    a_sign_in_is_sent_for_and_finished_here,
    a_channel_is_sent_for_again_here,
    a_reference_fits_its_own_step_only,
    resends_are_limited,
    what_was_begun_elsewhere_is_proved_here,
    a_set_up_that_another_one_ended_is_told,
    a_clock_that_is_off_is_told,
    what_an_administrator_began_needs_their_fresh_proof,
}

/// Makes a call with a reference and no bearer.
fn with(server: &Server, path: &str, kind: &str, token: &str, code: Option<&str>) -> Call {
    let mut body = json!({ "shortMessageType": kind, "mfaToken": token });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    server.post(&format!("/api/CodeVerification/{path}"), &body)
}

async fn a_sign_in_is_sent_for_and_finished_here() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    let token = alice.begin().await.text("mfaToken");
    let old = server.mail.code_to("alice@example.com").await;
    with(&server, "send", "AttemptLogin", &token, None)
        .await
        .refused(429, "RESEND_COOLDOWN");
    server.clock.advance(60);
    with(&server, "send", "ATTEMPT_LOGIN", &token, None)
        .await
        .is(200);
    let new = server.mail.code_to("alice@example.com").await;
    second(&server, &token, &old)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let finished = with(&server, "check", "AttemptLogin", &token, Some(&new))
        .await
        .is(200);
    assert_eq!(finished["status"], "verified");
    server
        .get("/identity/me")
        .bearer(&finished.text("token"))
        .await
        .is(200);
    server.refresh(&finished.text("refreshToken")).await.is(200);
    with(&server, "send", "AttemptLogin", &token, None)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_channel_is_sent_for_again_here() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let body = json!({ "mfaMethod": "sms", "phoneNumber": PHONE });
    let token = alice.enable(&body).await.is(200).text("mfaToken");
    let old = gateway.code().await;
    server.clock.advance(60);
    with(&server, "send", "ContactInfoUpdateRequest", &token, None)
        .await
        .is(200);
    let new = gateway.code().await;
    alice
        .prove(&token, &old)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let proved = with(
        &server,
        "check",
        "ContactInfoUpdateRequest",
        &token,
        Some(&new),
    )
    .await;
    assert_eq!(proved.is(200)["mfaMethod"], "sms");
}

async fn a_reference_fits_its_own_step_only() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    let begun = alice
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    let set_up = begun.text("mfaToken");
    let mallory = Client::registered(&server, "mallory@example.com").await;
    mallory
        .prove(&set_up, "123456")
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    for (path, code) in [("send", None), ("check", Some("123456"))] {
        with(&server, path, "AttemptLogin", &set_up, code)
            .await
            .refused(400, "MFA_WRONG_PURPOSE");
    }
    second(&server, &set_up, "123456")
        .await
        .refused(400, "MFA_WRONG_PURPOSE");
    alice.enable_app().await;
    let sign_in = alice.begin().await.text("mfaToken");
    for (path, code) in [("send", None), ("check", Some("123456"))] {
        with(&server, path, "ContactInfoUpdateRequest", &sign_in, code)
            .await
            .refused(400, "MFA_WRONG_PURPOSE");
    }
    with(&server, "send", "AttemptLogin", &sign_in, None)
        .await
        .refused(400, "RESEND_ONLY_FOR_EMAIL");
    server.clock.advance(900);
    for (path, code) in [("send", None), ("check", Some("123456"))] {
        with(&server, path, "AttemptLogin", &sign_in, code)
            .await
            .refused(400, "MFA_TOKEN_EXPIRED");
    }
}

async fn resends_are_limited() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    let token = alice.begin().await.text("mfaToken");
    for wait in [60, 120, 240] {
        server.clock.advance(wait);
        with(&server, "send", "AttemptLogin", &token, None)
            .await
            .is(200);
    }
    with(&server, "send", "AttemptLogin", &token, None)
        .await
        .refused(429, "MAX_RESEND_LIMIT");
    alice.begin().await;
    let token = alice.begin().await.text("mfaToken");
    server.clock.advance(60);
    with(&server, "send", "AttemptLogin", &token, None)
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
    for _ in 0..5 {
        with(&server, "check", "AttemptLogin", &token, Some("x")).await;
    }
    with(&server, "send", "AttemptLogin", &token, None)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn what_was_begun_elsewhere_is_proved_here() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let mut person = alice.person();
    let begun = person.begin_setup("authenticator").await.is(200);
    person.authenticator = Some(Authenticator::new(&begun.text("secret")));
    let code = person.fresh_code();
    let proved = alice.prove(&begun.text("mfaToken"), &code).await.is(200);
    assert_eq!(proved["mfaMethod"], "authenticator");
    // A set-up that began here can be proved there.
    let bob = Client::registered(&server, "bob@example.com").await;
    let begun = bob
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    let mut app = Authenticator::new(&begun.text("secret"));
    let code = app.fresh_code(&server.clock);
    server
        .verify_setup(&begun.text("mfaToken"), &code)
        .await
        .is(200);
}

/// Returns a user with the mailbox on and a fresh session. Their app is proved but not on.
async fn with_a_paused_app(server: &Server) -> (Client, Person) {
    let mut alice = Client::registered(server, "alice@example.com").await;
    alice.enable_app().await;
    alice.sign_in().await;
    alice.disable().await.is(200);
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    alice.sign_in_by_mail().await;
    let person = alice.person();
    (alice, person)
}

async fn a_set_up_that_another_one_ended_is_told() {
    let server = Server::start().await;
    let (alice, person) = with_a_paused_app(&server).await;
    let begun = person.begin_setup("authenticator").await.is(200);
    let enabled = alice.enable(&json!({ "mfaMethod": "authenticator" })).await;
    assert_eq!(enabled.is(200)["status"], "enabled");
    let mut app = Authenticator::new(&begun.text("secret"));
    let code = app.fresh_code(&server.clock);
    alice
        .prove(&begun.text("mfaToken"), &code)
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
    let bob = Client::registered(&server, "bob@example.com").await;
    let old = bob
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    bob.enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    bob.prove(&old.text("mfaToken"), "123456")
        .await
        .refused(400, "AUTHENTICATOR_NOT_CONFIGURED");
}

async fn a_clock_that_is_off_is_told() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let begun = alice
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    let app = Authenticator::new(&begun.text("secret"));
    let late = server.clock.now().plus_seconds(-240);
    let refused = alice
        .prove(&begun.text("mfaToken"), &app.code_at(late))
        .await
        .refused(400, "AUTHENTICATOR_CLOCK_OFF");
    assert_eq!(refused["offsetSeconds"], -240);
}

async fn what_an_administrator_began_needs_their_fresh_proof() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let mallory = Client::registered(&server, "mallory@example.com").await;
    let me = alice.call(Method::GET, "/identity/me").await.is(200);
    server.administrator("root@example.com").await;
    let answer = authenticate(&server, "root@example.com", PASSWORD).await;
    let root = Client {
        token: answer.is(200).text("token"),
        ..alice.copy()
    };
    let path = format!("/api/v1/users/{}/enableMfa", me.number("number"));
    let begun = root.post(&path, &json!({})).await.is(200);
    let token = begun.text("token");
    mallory
        .prove(&token, "123456")
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    server.clock.advance(301);
    root.prove(&token, "123456")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}
