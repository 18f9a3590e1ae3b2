//! Netevia's `/api/CodeVerification/*`: codes for named actions, and what goes with an `mfaToken`.

use contract_tests::call::Method;
use contract_tests::{Answer, PASSWORD, Person, Server, Value, json, tests};

use super::netevia::{Client, PHONE, authenticate, second, with_texts};

tests! {
    the_examples_of_the_pages_work_as_they_stand,
    every_action_has_a_code_however_it_is_spelled,
    a_code_is_good_once_and_for_its_action,
    a_code_is_bound_to_its_session,
    a_new_code_takes_the_place_of_the_old_one,
    a_code_of_an_action_takes_five_tries_and_ends,
    a_code_goes_to_the_phone_on_file,
    who_has_no_channel_gets_no_code,
    an_action_needs_a_bearer_and_no_reference,
    a_sign_in_is_sent_for_and_finished_here,
    a_channel_is_sent_for_again_here,
    a_reference_fits_its_own_step_only,
    resends_are_limited,
    what_was_begun_elsewhere_is_proved_here,
    a_set_up_that_another_one_ended_is_told,
    a_clock_that_is_off_is_told,
}

fn send(client: &Client, kind: &str) -> contract_tests::Call {
    client.post(
        "/api/CodeVerification/send",
        &json!({ "shortMessageType": kind }),
    )
}

fn check(client: &Client, kind: &str, code: &str) -> contract_tests::Call {
    let body = json!({ "code": code, "shortMessageType": kind });
    client.post("/api/CodeVerification/check", &body)
}

/// Without a bearer, with a reference.
fn with(
    server: &Server,
    path: &str,
    kind: &str,
    token: &str,
    code: Option<&str>,
) -> contract_tests::Call {
    let mut body = json!({ "shortMessageType": kind, "mfaToken": token });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    server.post(&format!("/api/CodeVerification/{path}"), &body)
}

async fn the_examples_of_the_pages_work_as_they_stand() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let sent = send(&alice, "RestorePassword").await.is(200);
    let expected =
        json!({ "status": "success", "message": "Verification code sent successfully." });
    assert_eq!(sent.body, expected);
    let code = server.mail.code_to("alice@example.com").await;
    let checked = check(&alice, "RestorePassword", &code).await.is(200);
    let expected = json!({ "status": "verified", "message": "Verification successful." });
    assert_eq!(checked.body, expected);
}

async fn every_action_has_a_code_however_it_is_spelled() {
    let server = Server::with(|settings| settings.policy.code_mails_per_hour = 60).await;
    let alice = Client::registered(&server, "alice@example.com").await;
    for (one, other) in [
        ("UNKNOWN", "Unknown"),
        ("APPROVE_TRANSACTION", "ApproveTransaction"),
        ("APPROVE_PAYEE", "approvePayee"),
        ("ApproveLinkedAccount", "APPROVE_LINKED_ACCOUNT"),
        ("RestorePassword", "restorepassword"),
        ("TransferPoints", "transfer_points"),
        ("SetEwaRequest", "SET_EWA_REQUEST"),
        ("ContactInfoUpdateRequest", "contactInfoUpdateRequest"),
    ] {
        send(&alice, one).await.is(200);
        let code = server.mail.code_to("alice@example.com").await;
        check(&alice, other, &code).await.is(200);
    }
    for word in ["", "Sing", "APPROVE TRANSACTION"] {
        let refused = send(&alice, word).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "shortMessageType");
        check(&alice, word, "123456")
            .await
            .refused(400, "VALIDATION");
    }
}

async fn a_code_is_good_once_and_for_its_action() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    check(&alice, "TransferPoints", "123456")
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    send(&alice, "TransferPoints").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    check(&alice, "SetEwaRequest", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    check(&alice, "TransferPoints", &code).await.is(200);
    check(&alice, "TransferPoints", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_code_is_bound_to_its_session() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let answer = authenticate(&server, &alice.email, PASSWORD).await.is(200);
    let elsewhere = Client {
        token: answer.text("token"),
        ..alice.copy()
    };
    send(&alice, "TransferPoints").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    check(&elsewhere, "TransferPoints", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    check(&alice, "TransferPoints", &code).await.is(200);
}

async fn a_new_code_takes_the_place_of_the_old_one() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    send(&alice, "TransferPoints").await.is(200);
    let old = server.mail.code_to("alice@example.com").await;
    send(&alice, "TransferPoints").await.is(200);
    let new = server.mail.code_to("alice@example.com").await;
    check(&alice, "TransferPoints", &old)
        .await
        .refused(400, "INVALID_MFA_CODE");
    check(&alice, "TransferPoints", &new).await.is(200);
}

async fn a_code_of_an_action_takes_five_tries_and_ends() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    send(&alice, "TransferPoints").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    for left in (0..5).rev() {
        let refused = check(&alice, "TransferPoints", super::other_than(&code)).await;
        let refused = refused.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], left);
    }
    check(&alice, "TransferPoints", &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    send(&alice, "TransferPoints").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    server.clock.advance(600);
    check(&alice, "TransferPoints", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_code_goes_to_the_phone_on_file() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_sms(&gateway).await;
    send(&alice, "TransferPoints").await.is(200);
    let message = gateway.next().await;
    assert_eq!(message.to(), PHONE);
    server.clock.advance(299);
    check(&alice, "TransferPoints", &message.code())
        .await
        .is(200);
    send(&alice, "TransferPoints").await.is(200);
    let code = gateway.code().await;
    server.clock.advance(300);
    check(&alice, "TransferPoints", &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
}

async fn who_has_no_channel_gets_no_code() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    server.database.run("UPDATE users SET mailbox = 0");
    send(&alice, "TransferPoints")
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
    alice
        .enable(&json!({ "mfaMethod": "email" }))
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
}

async fn an_action_needs_a_bearer_and_no_reference() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let body = json!({ "code": "123456", "shortMessageType": "TransferPoints" });
    for path in ["send", "check"] {
        let path = format!("/api/CodeVerification/{path}");
        server
            .post(&path, &body)
            .await
            .refused(401, "TOKEN_INVALID");
        let mut with = body.clone();
        with["mfaToken"] = json!("mfa_x");
        let refused = alice.post(&path, &with).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "mfaToken");
        with["shortMessageType"] = json!("AttemptLogin");
        alice
            .post(&path, &with)
            .await
            .refused(400, "MFA_TOKEN_INVALID");
        with.as_object_mut().expect("an object").remove("mfaToken");
        let refused = alice.post(&path, &with).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "mfaToken");
    }
    server.clock.advance(906);
    for path in ["send", "check"] {
        let path = format!("/api/CodeVerification/{path}");
        alice.post(&path, &body).await.refused(401, "TOKEN_EXPIRED");
    }
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

/// Sends a sign-in's code again as often as that goes.
async fn resend(server: &Server, token: &str) -> Answer {
    loop {
        let answer = with(server, "send", "AttemptLogin", token, None).await;
        if answer.status != 200 {
            return answer;
        }
        server.clock.advance(241);
    }
}

async fn resends_are_limited() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    let token = alice.begin().await.text("mfaToken");
    server.clock.advance(60);
    resend(&server, &token)
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
    let bob = Client::registered(&server, "bob@example.com").await;
    bob.enable_sms(&gateway).await;
    for _ in 0..3 {
        send(&bob, "TransferPoints").await.is(200);
    }
    send(&bob, "TransferPoints")
        .await
        .refused(429, "TOO_MANY_MFA_SMS");
}

async fn what_was_begun_elsewhere_is_proved_here() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let mut person = alice.person();
    let begun = person.begin_setup("authenticator").await.is(200);
    person.authenticator = Some(contract_tests::Authenticator::new(&begun.text("secret")));
    let code = person.fresh_code();
    let proved = alice.prove(&begun.text("mfaToken"), &code).await.is(200);
    assert_eq!(proved["mfaMethod"], "authenticator");
    // And what was begun here, there.
    let bob = Client::registered(&server, "bob@example.com").await;
    let begun = bob
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    let mut app = contract_tests::Authenticator::new(&begun.text("secret"));
    let code = app.fresh_code(&server.clock);
    server
        .verify_setup(&begun.text("mfaToken"), &code)
        .await
        .is(200);
}

/// Somebody whose mailbox is on, with a fresh session, and whose app is proved and not on.
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
    let mut app = contract_tests::Authenticator::new(&begun.text("secret"));
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
    let app = contract_tests::Authenticator::new(&begun.text("secret"));
    let late = server.clock.now().plus_seconds(-240);
    let refused = alice
        .prove(&begun.text("mfaToken"), &app.code_at(late))
        .await
        .refused(400, "AUTHENTICATOR_CLOCK_OFF");
    assert_eq!(refused["offsetSeconds"], -240);
    let nobody: Value = json!(null);
    assert_eq!(refused["token"], nobody);
    alice.call(Method::GET, "/identity/me").await.is(200);
}
