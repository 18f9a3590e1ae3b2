//! SMS codes in the native API: set-up, sign-in, resending, switching, turning off; and their
//! limits in all APIs.

use contract_tests::gateway::Gateway;
use contract_tests::{Call, PASSWORD, Person, Server, json, tests};

use super::netevia::{PHONE, with_texts};
use super::veeam;

tests! {
    a_phone_is_proved_asked_for_and_turned_off,
    a_number_must_be_one_that_messages_are_sent_to,
    a_code_by_sms_lives_five_minutes,
    text_messages_are_limited_wherever_they_are_sent,
    with_sms_turned_off_since_a_recovery_code_is_asked_for,
    what_an_old_phone_was_sent_ends_when_another_takes_its_place,
    what_an_old_phone_was_sent_ends_when_it_is_removed,
    what_an_old_phone_was_sent_does_not_come_back_by_a_switch,
}

/// The number of another phone.
const NEXT: &str = "+12025550199";

fn begin_setup(person: &Person, number: &str) -> Call {
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": number });
    person.post("/identity/mfa/setup", &body)
}

async fn enable_sms(person: &Person, gateway: &Gateway) {
    enable_phone(person, gateway, PHONE).await;
}

async fn enable_phone(person: &Person, gateway: &Gateway, number: &str) {
    let begun = begin_setup(person, number).await.is(200);
    assert_eq!(begun["method"], "sms");
    assert!(!begun.text("phoneNumber").contains("2025550"));
    let code = gateway.code().await;
    let server = &person.server;
    let proved = server
        .verify_setup(&begun.text("mfaToken"), &code)
        .await
        .is(200);
    assert_eq!(proved["mfaMethods"], json!(["sms"]));
}

/// Signs in by SMS, and stores the tokens.
async fn sign_in(person: &mut Person, gateway: &Gateway) {
    let token = person.begin_sign_in().await;
    let code = gateway.code().await;
    let answer = person.server.verify_login(&token, &code).await.is(200);
    person.keep(&answer);
}

async fn a_phone_is_proved_asked_for_and_turned_off() {
    let (server, gateway) = with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    enable_sms(&alice, &gateway).await;
    sign_in(&mut alice, &gateway).await;
    let token = alice.begin_sign_in().await;
    let old = gateway.code().await;
    server.clock.advance(60);
    server.resend(&token).await.is(200);
    let new = gateway.code().await;
    server
        .verify_login(&token, &old)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.verify_login(&token, &new).await.is(200);
    server.clock.advance(3600);
    let answer = alice.login().await.is(200);
    let code = gateway.code().await;
    let answer = server
        .verify_login(&answer.text("mfaToken"), &code)
        .await
        .is(200);
    alice.keep(&answer);
    let begun = alice.begin_disable("sms").await.is(200);
    let code = gateway.code().await;
    let off = server
        .verify_disable(&begun.text("mfaToken"), &code)
        .await
        .is(200);
    assert_eq!(off["mfaMethods"], json!([]));
}

async fn a_number_must_be_one_that_messages_are_sent_to() {
    let (server, gateway) = with_texts().await;
    let alice = server.registered("alice@example.com").await;
    for number in ["2025550123", "+4915123456789", "+19002345678"] {
        let refused = begin_setup(&alice, number).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "phoneNumber");
    }
    let body = json!({ "method": "sms", "password": PASSWORD });
    alice
        .post("/identity/mfa/setup", &body)
        .await
        .refused(400, "VALIDATION");
    assert!(gateway.taken().is_empty());
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    begin_setup(&alice, PHONE)
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
}

async fn a_code_by_sms_lives_five_minutes() {
    let (server, gateway) = with_texts().await;
    let alice = server.registered("alice@example.com").await;
    let begun = begin_setup(&alice, PHONE).await.is(200);
    let code = gateway.code().await;
    server.clock.advance(300);
    server
        .verify_setup(&begun.text("mfaToken"), &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
}

async fn text_messages_are_limited_wherever_they_are_sent() {
    let (server, gateway) = with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    enable_sms(&alice, &gateway).await;
    sign_in(&mut alice, &gateway).await;
    alice.enable_authenticator().await;
    let sms = "UPDATE factors SET is_primary = (kind = 'sms')";
    server.database.run(sms);
    let waiting = alice.begin_sign_in().await;
    gateway.code().await;
    for _ in 0..2 {
        alice.begin_sign_in().await;
        gateway.code().await;
    }
    // A session has a limit of the same size, counted separately.
    let step_up = json!({ "method": "sms" });
    for _ in 0..4 {
        alice.post("/identity/step-up", &step_up).await.is(200);
        gateway.code().await;
    }
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "authenticator", "which needs no message");
    let begun = asked.text("mfaToken");
    let asked = veeam::sign_in(&server, "alice@example.com", PASSWORD).await;
    assert_eq!(asked.is(200)["mfa_method"], "authenticator");
    let refused = server.switch(&begun, "sms").await;
    let refused = refused.refused(429, "TOO_MANY_MFA_SMS");
    assert_eq!(refused["retryAfter"], 3600);
    alice
        .post("/identity/step-up", &step_up)
        .await
        .refused(429, "TOO_MANY_MFA_SMS");
    alice
        .begin_disable("sms")
        .await
        .refused(429, "TOO_MANY_MFA_SMS");
    server.clock.advance(60);
    server
        .resend(&waiting)
        .await
        .refused(429, "TOO_MANY_MFA_SMS");
    let app = "UPDATE factors SET is_primary = (kind = 'authenticator')";
    server.database.run(app);
    let token = alice.begin_sign_in().await;
    server
        .switch(&token, "sms")
        .await
        .refused(429, "TOO_MANY_MFA_SMS");
    server.mail_is_out().await;
    let sent = gateway.taken().len();
    assert_eq!(
        sent,
        1 + 4 + 4,
        "the set-up's, and twice four an hour for a number"
    );
}

async fn with_sms_turned_off_since_a_recovery_code_is_asked_for() {
    let (server, gateway) = with_texts().await;
    let alice = server.registered("alice@example.com").await;
    enable_sms(&alice, &gateway).await;
    // The operator has removed the country of this number from the list. The method is still
    // demanded.
    server
        .database
        .run("UPDATE factors SET target = '+4915123456789'");
    let asked = alice.login().await.is(200);
    assert_eq!(
        (&asked["mfaRequired"], &asked["method"]),
        (&json!(true), &json!("recovery_code"))
    );
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 1, "nothing more was sent");
}

/// Replaces the phone that is on by another one.
async fn replace_phone(alice: &Person, gateway: &Gateway) {
    let body = json!({ "mfaMethod": "sms", "phoneNumber": NEXT });
    let begun = alice.post("/settings/MfaSignIn", &body).await.is(200);
    let message = gateway.next().await;
    assert_eq!(message.to(), NEXT);
    let (token, code) = (begun.text("mfaToken"), message.code());
    alice.server.verify_setup(&token, &code).await.is(200);
}

async fn what_an_old_phone_was_sent_ends_when_another_takes_its_place() {
    let (server, gateway) = with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    enable_sms(&alice, &gateway).await;
    sign_in(&mut alice, &gateway).await;
    let pending = alice.begin_sign_in().await;
    let old = gateway.code().await;
    let step_up = alice.begin_step_up(&json!({})).await.is(200);
    let lifting = gateway.code().await;
    replace_phone(&alice, &gateway).await;
    server
        .verify_login(&pending, &old)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    alice
        .verify_step_up(&step_up.text("mfaToken"), &lifting)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    sign_in(&mut alice, &gateway).await;
    alice.me().await.is(200);
}

async fn what_an_old_phone_was_sent_ends_when_it_is_removed() {
    let (server, gateway) = with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    enable_sms(&alice, &gateway).await;
    sign_in(&mut alice, &gateway).await;
    let pending = alice.begin_sign_in().await;
    let old = gateway.code().await;
    let phone = alice.factor_id("sms").await;
    alice.remove(&phone).await.is(204);
    enable_phone(&alice, &gateway, NEXT).await;
    server
        .verify_login(&pending, &old)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    sign_in(&mut alice, &gateway).await;
    alice.me().await.is(200);
}

async fn what_an_old_phone_was_sent_does_not_come_back_by_a_switch() {
    let (server, gateway) = with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    enable_sms(&alice, &gateway).await;
    sign_in(&mut alice, &gateway).await;
    alice.enable_authenticator().await;
    let pending = alice.begin_sign_in().await;
    server.switch(&pending, "sms").await.is(200);
    let old = gateway.next().await;
    assert_eq!(old.to(), PHONE);
    server.switch(&pending, "authenticator").await.is(200);
    alice.sign_in().await;
    replace_phone(&alice, &gateway).await;
    server.switch(&pending, "sms").await.is(200);
    server
        .verify_login(&pending, &old.code())
        .await
        .refused(400, "INVALID_MFA_CODE");
    let new = gateway.next().await;
    assert_eq!(new.to(), NEXT);
    server.verify_login(&pending, &new.code()).await.is(200);
}
