//! Guessing on one challenge: five tries, whoever asks and from anywhere, and none is given back.

use contract_tests::{Person, Server, json, tests};

tests! {
    one_wrong_code_then_the_right_one_works,
    the_sixth_try_is_refused_whoever_asks_and_from_wherever,
    the_sixth_try_of_a_mailed_code_is_refused,
    the_sixth_try_of_a_set_up_is_refused,
    the_sixth_try_of_turning_off_is_refused,
    a_code_of_impossible_form_costs_a_try,
    a_link_that_a_newer_one_replaced_costs_no_try,
    a_resend_gives_no_tries_back,
    a_switch_gives_no_tries_back,
    a_mailed_code_fits_its_own_challenge_only,
    a_mailed_code_lives_as_long_as_the_setting_says,
    wrong_codes_after_a_right_password_are_told,
    who_goes_on_past_a_limit_fills_no_disk,
}

/// Sends wrong codes until no try is left.
async fn use_up(server: &Server, path: &str, token: &str, wrong: &str) {
    for remaining in (0..5).rev() {
        let refused = server
            .post(path, &json!({ "mfaToken": token, "code": wrong }))
            .await;
        let refused = refused.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], remaining);
        assert!(refused["reason"].is_null());
    }
}

async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

async fn one_wrong_code_then_the_right_one_works() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let token = alice.begin_sign_in().await;
    let refused = server.verify_login(&token, &alice.wrong_code()).await;
    assert_eq!(
        refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
        4
    );
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn the_sixth_try_is_refused_whoever_asks_and_from_wherever() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut alice = with_app(&server).await;
    let token = alice.begin_sign_in().await;
    use_up(
        &server,
        "/identity/mfa/login/verify",
        &token,
        &alice.wrong_code(),
    )
    .await;

    let code = alice.fresh_code();
    let refused = server
        .verify_login(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    assert_eq!(
        refused["retryAfter"], 1,
        "a new challenge is let in at once"
    );
    let message = refused.text("message");
    assert!(
        message.contains("start again") && !message.contains("Wait"),
        "{message}"
    );
    for address in ["203.0.113.7", "198.51.100.9", "2001:db8::7"] {
        let elsewhere = server.verify_login(&token, &code).from(address).await;
        elsewhere.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    }
    let others = server.over_new_connections();
    others
        .verify_login(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    others
        .verify_login(&token, &code)
        .header("User-Agent", "another")
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    server
        .switch(&token, "authenticator")
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let server = server.restarted().await;
    server
        .verify_login(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");

    alice.server = server.clone();
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &code).await.is(200);
}

async fn the_sixth_try_of_a_mailed_code_is_refused() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    use_up(
        &server,
        "/identity/mfa/login/verify",
        &token,
        super::other_than(&code),
    )
    .await;
    server
        .verify_login(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    server.clock.advance(61);
    server
        .resend(&token)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn the_sixth_try_of_a_set_up_is_refused() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("email").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    let token = setup.text("mfaToken");
    use_up(
        &server,
        "/identity/mfa/setup/verify",
        &token,
        super::other_than(&code),
    )
    .await;
    server
        .verify_setup(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let bearer = server
        .verify_setup(&token, &code)
        .bearer(&alice.access_token)
        .await;
    bearer.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    alice.enable_email().await;
}

async fn the_sixth_try_of_turning_off_is_refused() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let token = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    use_up(
        &server,
        "/identity/mfa/disable/verify",
        &token,
        &alice.wrong_code(),
    )
    .await;
    let code = alice.fresh_code();
    server
        .verify_disable(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    assert_eq!(alice.me().await["mfaEnabled"], true);
}

async fn a_code_of_impossible_form_costs_a_try() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    let token = alice.begin_sign_in().await;
    let fullwidth = "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}";
    for (remaining, typed) in [
        (4, "abcdef"),
        (3, "12345"),
        (2, "1234567"),
        (1, fullwidth),
        (0, "-"),
    ] {
        let refused = server
            .verify_login(&token, typed)
            .await
            .refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], remaining, "{typed}");
    }
    server
        .verify_login(&token, "123456")
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn a_link_that_a_newer_one_replaced_costs_no_try() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let first = alice.begin_sign_in().await;
    let old = server.mail.link_to(&alice.email).await;
    let second = alice.begin_sign_in().await;
    for token in [&first, &second, &first, &second, &first, &second] {
        let refused = server.verify_login(token, &old).await;
        let refused = refused.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], 5);
    }
    let code = server.mail.code_to(&alice.email).await;
    server.verify_login(&second, &code).await.is(200);
}

async fn a_resend_gives_no_tries_back() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    let first = server.mail.code_to("alice@example.com").await;
    for remaining in [4, 3, 2] {
        let refused = server.verify_login(&token, super::other_than(&first)).await;
        assert_eq!(
            refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
            remaining
        );
    }
    server.clock.advance(60);
    server.resend(&token).await.is(200);
    let second = server.mail.code_to("alice@example.com").await;
    let old = server
        .verify_login(&token, &first)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(
        old["attemptsRemaining"], 1,
        "the first code stopped working"
    );
    server.verify_login(&token, &second).await.is(200);
}

async fn a_switch_gives_no_tries_back() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    for _ in 0..3 {
        server
            .verify_login(&token, &alice.wrong_code())
            .await
            .refused(400, "INVALID_MFA_CODE");
    }
    server.switch(&token, "email").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    let refused = server.verify_login(&token, super::other_than(&code)).await;
    assert_eq!(
        refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
        1
    );
    server.switch(&token, "authenticator").await.is(200);
    let refused = server.verify_login(&token, &alice.wrong_code()).await;
    assert_eq!(
        refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
        0
    );
    server
        .switch(&token, "email")
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let last = alice.fresh_code();
    server
        .verify_login(&token, &last)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn a_mailed_code_fits_its_own_challenge_only() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let one = alice.begin_sign_in().await;
    let code_of_one = server.mail.code_to("alice@example.com").await;
    let two = alice.begin_sign_in().await;
    let code_of_two = server.mail.code_to("alice@example.com").await;
    assert_ne!(code_of_one, code_of_two);
    server
        .verify_login(&one, &code_of_two)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server
        .verify_login(&two, &code_of_one)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.verify_login(&one, &code_of_one).await.is(200);
    server.verify_login(&two, &code_of_two).await.is(200);
}

async fn a_mailed_code_lives_as_long_as_the_setting_says() {
    let server = Server::with(|settings| settings.policy.mail_code_seconds = 60).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    server.clock.advance(60);
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.resend(&token).await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    server.clock.advance(59);
    server.verify_login(&token, &code).await.is(200);
}

async fn wrong_codes_after_a_right_password_are_told() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    let token = alice.begin_sign_in().await;
    use_up(
        &server,
        "/identity/mfa/login/verify",
        &token,
        &alice.wrong_code(),
    )
    .await;
    let notice = server
        .mail
        .notice_to("alice@example.com", "Wrong codes")
        .await;
    assert!(notice.text.contains("127.0.0.1"), "{}", notice.text);
    assert!(notice.code().is_none());
}

async fn who_goes_on_past_a_limit_fills_no_disk() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let wrong = "four wooden spoons sing";
    for _ in 0..40 {
        server.login("alice@example.com", wrong).await;
    }
    let told = "SELECT count(*) AS found FROM audit_events WHERE event = 'limited'";
    assert_eq!(server.database.number(told), 1);
    server.clock.advance(3600);
    for _ in 0..3 {
        server.login("alice@example.com", wrong).await;
    }
    assert_eq!(server.database.number(told), 2, "once an hour");
}
