//! Netevia's `/api/CodeVerification/*`: codes for named actions.

use contract_tests::gateway::Gateway;
use contract_tests::{Call, PASSWORD, Server, json, tests};

use super::netevia::{Client, PHONE, authenticate, second, with_texts, with_texts_and};

/// A phone that nobody has proved.
const OTHER_PHONE: &str = "+12025550124";

tests! {
    the_examples_of_the_pages_work_as_they_stand,
    every_action_has_a_code_however_it_is_spelled,
    a_code_is_good_once_and_for_its_action,
    a_code_is_bound_to_its_session,
    a_new_code_takes_the_place_of_the_old_one,
    a_code_of_an_action_takes_five_tries_and_ends,
    a_code_goes_to_the_phone_on_file,
    a_code_goes_to_a_phone_that_was_proved_and_is_used_once,
    a_texted_code_is_good_for_its_action_alone,
    a_texted_code_ends_with_its_phone,
    text_messages_are_limited,
    who_has_no_channel_gets_no_code,
    an_action_needs_a_bearer_and_no_reference,
}

fn send(client: &Client, kind: &str) -> Call {
    client.post(
        "/api/CodeVerification/send",
        &json!({ "shortMessageType": kind }),
    )
}

fn check(client: &Client, kind: &str, code: &str) -> Call {
    let body = json!({ "code": code, "shortMessageType": kind });
    client.post("/api/CodeVerification/check", &body)
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

/// Returns a user with a phone on, signed in with it.
async fn with_phone(server: &Server, gateway: &Gateway) -> Client {
    let mut alice = Client::registered(server, "alice@example.com").await;
    alice.enable_sms(gateway).await;
    let token = alice.begin().await.text("mfaToken");
    let code = gateway.code().await;
    let answer = second(server, &token, &code).await.is(200);
    alice.token = answer.text("token");
    alice
}

/// Starts setting up another phone. Its proof would end the first one.
async fn begin_other_phone(alice: &Client) -> String {
    let body = json!({ "mfaMethod": "sms", "phoneNumber": OTHER_PHONE });
    alice.enable(&body).await.is(200).text("mfaToken")
}

async fn a_code_goes_to_a_phone_that_was_proved_and_is_used_once() {
    let (server, gateway) = with_texts().await;
    let alice = with_phone(&server, &gateway).await;
    begin_other_phone(&alice).await;
    assert_eq!(gateway.next().await.to(), OTHER_PHONE);
    send(&alice, "TransferPoints").await.is(200);
    let message = gateway.next().await;
    assert_eq!(message.to(), PHONE);
    let code = message.code();
    check(&alice, "TransferPoints", &code).await.is(200);
    check(&alice, "TransferPoints", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_texted_code_is_good_for_its_action_alone() {
    let (server, gateway) = with_texts_and(|settings| {
        settings.policy.sms_per_number_hour = 20;
        settings.policy.sms_per_number_day = 20;
        settings.policy.sms_per_account_day = 20;
    })
    .await;
    let alice = with_phone(&server, &gateway).await;
    let person = alice.person();
    let sign_in = alice.begin().await.text("mfaToken");
    let mut others = vec![gateway.code().await];
    let step_up = person.begin_step_up(&json!({ "method": "sms" })).await;
    let step_up = step_up.is(200).text("mfaToken");
    others.push(gateway.code().await);
    let off = person.begin_disable("sms").await.is(200).text("mfaToken");
    others.push(gateway.code().await);
    let set_up = begin_other_phone(&alice).await;
    others.push(gateway.code().await);
    check(&alice, "TransferPoints", &others[1])
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    send(&alice, "TransferPoints").await.is(200);
    let code = gateway.code().await;
    for elsewhere in [
        second(&server, &sign_in, &code),
        person.verify_step_up(&step_up, &code),
        server.verify_disable(&off, &code),
        alice.prove(&set_up, &code),
    ] {
        elsewhere.await.refused(400, "INVALID_MFA_CODE");
    }
    for other in &others {
        let refused = check(&alice, "TransferPoints", other).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    check(&alice, "SetEwaRequest", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    check(&alice, "TransferPoints", &code).await.is(200);
}

async fn a_texted_code_ends_with_its_phone() {
    let (server, gateway) = with_texts().await;
    let alice = with_phone(&server, &gateway).await;
    send(&alice, "TransferPoints").await.is(200);
    let code = gateway.code().await;
    let person = alice.person();
    let phone = person.factor_id("sms").await;
    person.remove(&phone).await.is(204);
    check(&alice, "TransferPoints", &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn who_has_no_channel_gets_no_code() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    server.database.run("UPDATE users SET mailbox = FALSE");
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
    server.clock.advance(911);
    for path in ["send", "check"] {
        let path = format!("/api/CodeVerification/{path}");
        alice.post(&path, &body).await.refused(401, "TOKEN_EXPIRED");
    }
}

async fn text_messages_are_limited() {
    let (server, gateway) = with_texts().await;
    let bob = Client::registered(&server, "bob@example.com").await;
    bob.enable_sms(&gateway).await;
    for _ in 0..4 {
        send(&bob, "TransferPoints").await.is(200);
    }
    send(&bob, "TransferPoints")
        .await
        .refused(429, "TOO_MANY_MFA_SMS");
}
