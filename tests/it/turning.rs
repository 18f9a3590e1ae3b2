//! Turning methods on and off, and switching between them.

use contract_tests::{Server, json, tests};

tests! {
    a_set_up_takes_the_password,
    a_second_set_up_takes_a_fresh_sign_in_with_the_first_factor,
    nothing_is_on_until_it_is_proved,
    turning_off_takes_password_and_code,
    what_was_turned_off_is_turned_off_once,
    turning_one_method_off_leaves_the_other,
    what_is_not_on_cannot_be_turned_off,
    what_was_turned_off_answers_no_sign_in,
    switching_sends_one_mail,
    switching_takes_a_method_that_is_on,
    a_turned_off_app_starts_over_with_a_new_secret,
}

async fn a_set_up_takes_the_password() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    for method in ["authenticator", "email"] {
        let body = json!({ "method": method, "password": "wrong" });
        let refused = alice
            .post("/identity/mfa/setup", &body)
            .await
            .refused(400, "INVALID_PASSWORD");
        assert!(refused["secret"].is_null());
    }
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to("alice@example.com").len(),
        1,
        "no code for a wrong password"
    );
}

async fn a_second_set_up_takes_a_fresh_sign_in_with_the_first_factor() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    server.clock.advance(301);
    let refused = alice
        .begin_setup("email")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(refused["maxAge"], 300);
    alice.sign_in().await;
    server.clock.advance(300);
    alice.begin_setup("email").await.is(200);
    server.clock.advance(1);
    alice
        .begin_setup("email")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice
        .begin_setup("authenticator")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
}

async fn nothing_is_on_until_it_is_proved() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    alice.begin_setup("authenticator").await.is(200);
    alice.begin_setup("email").await.is(200);
    assert_eq!(alice.me().await["mfaEnabled"], false);
    alice.login().await.is(200).text("accessToken");
}

async fn turning_off_takes_password_and_code() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let body = json!({ "method": "authenticator", "password": "wrong" });
    alice
        .post("/identity/mfa/disable", &body)
        .await
        .refused(400, "INVALID_PASSWORD");
    let begun = alice.begin_disable("authenticator").await.is(200);
    assert_eq!(begun["method"], "authenticator");
    assert_eq!(
        alice.me().await["mfaEnabled"],
        true,
        "on until the code is there"
    );
    let wrong = server
        .verify_disable(&begun.text("mfaToken"), &alice.wrong_code())
        .await;
    assert_eq!(
        wrong.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
        4
    );
    let code = alice.fresh_code();
    let off = server
        .verify_disable(&begun.text("mfaToken"), &code)
        .await
        .is(200);
    assert_eq!(
        (&off["mfaMethods"], &off["method"]),
        (&json!([]), &json!("authenticator"))
    );
    assert_eq!(off["disabledAt"], "2026-11-22T14:00:30.000Z");
    server.mail.notice_to("alice@example.com", "off").await;
    alice.login().await.is(200).text("accessToken");
}

async fn what_was_turned_off_is_turned_off_once() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let one = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let other = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    server.verify_disable(&one, &code).await.is(200);
    server
        .verify_disable(&other, &code)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    alice
        .begin_disable("authenticator")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    let last = alice.begin_disable("email").await.is(200).text("mfaToken");
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_disable(&last, &code).await.is(200);
    alice
        .begin_disable("email")
        .await
        .refused(400, "MFA_NOT_ENABLED");
}

async fn turning_one_method_off_leaves_the_other() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_disable("email").await.is(200).text("mfaToken");
    let code = server.mail.code_to("alice@example.com").await;
    let off = server.verify_disable(&token, &code).await.is(200);
    assert_eq!(off["mfaMethods"], json!(["authenticator"]));
    assert_eq!(alice.login().await["method"], "authenticator");
    alice
        .begin_disable("email")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn what_is_not_on_cannot_be_turned_off() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice
        .begin_disable("email")
        .await
        .refused(400, "MFA_NOT_ENABLED");
    alice.begin_setup("authenticator").await.is(200);
    alice
        .begin_disable("authenticator")
        .await
        .refused(400, "MFA_NOT_ENABLED");
    alice.enable_authenticator().await;
    alice
        .begin_disable("email")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn what_was_turned_off_answers_no_sign_in() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let sign_in = alice.begin_sign_in().await;
    let disable = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    server.verify_disable(&disable, &code).await.is(200);
    server
        .switch(&sign_in, "authenticator")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    let code = alice.fresh_code();
    server
        .verify_login(&sign_in, &code)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn switching_sends_one_mail() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    for _ in 0..3 {
        server.switch(&token, "email").await.is(200);
        server.switch(&token, "authenticator").await.is(200);
    }
    server.switch(&token, "email").await.is(200);
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to("alice@example.com").len(),
        before + 1,
        "a code that still fits is enough"
    );
    let app = alice.fresh_code();
    server
        .verify_login(&token, &app)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
}

async fn switching_takes_a_method_that_is_on() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server
        .switch(&token, "email")
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    server.switch(&token, "authenticator").await.is(200);
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn a_turned_off_app_starts_over_with_a_new_secret() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let mut old = alice.authenticator.clone().expect("an app");
    let token = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    server.verify_disable(&token, &code).await.is(200);
    alice.enable_authenticator().await;
    assert_ne!(
        alice.authenticator.clone().expect("an app").secret,
        old.secret
    );
    server.clock.advance(30);
    let token = alice.begin_sign_in().await;
    server
        .verify_login(&token, &old.code(&server.clock))
        .await
        .refused(400, "INVALID_MFA_CODE");
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}
