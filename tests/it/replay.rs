//! A code works once: not in the next session, for another purpose or after a restart, and no older
//! one afterwards.

use contract_tests::totp::STEP;
use contract_tests::{Authenticator, Person, Server, tests};

tests! {
    the_code_of_the_enrolment_signs_nobody_in needs Oathtool,
    a_used_code_never_works_again needs Oathtool,
    a_used_code_serves_no_other_purpose needs Oathtool,
    an_older_code_does_not_work_after_a_newer_one needs Oathtool,
    the_step_before_is_let_in_and_none_further_off needs Oathtool,
    the_next_step_is_let_in_where_the_setting_says_so needs Oathtool,
    a_used_challenge_is_over,
    a_used_mailed_code_never_works_again,
    a_clock_that_went_back_brings_no_code_back,
    oathtool_and_the_library_agree needs Oathtool,
}

async fn with_app(server: &Server) -> (Person, Authenticator) {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let app = alice.authenticator.clone().expect("an app");
    (alice, app)
}

async fn the_code_of_the_enrolment_signs_nobody_in() {
    let server = Server::start().await;
    let (alice, app) = with_app(&server).await;
    let code = app.by_oathtool(server.clock.now());
    let token = alice.begin_sign_in().await;
    let refused = server
        .verify_login(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(refused["reason"], "already_used");
    assert_eq!(refused["attemptsRemaining"], 4);
    assert_eq!(
        refused["retryAfter"], 23,
        "seconds until the app shows the next one"
    );
    assert!(
        refused.header("retry-after").is_none(),
        "a 400 is no throttling"
    );
    server.clock.advance(refused.number("retryAfter"));
    let code = app.by_oathtool(server.clock.now());
    server.verify_login(&token, &code).await.is(200);
}

async fn a_used_code_never_works_again() {
    let server = Server::start().await;
    let (mut alice, app) = with_app(&server).await;
    server.clock.advance(STEP);
    let code = app.by_oathtool(server.clock.now());
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &code).await.is(200);

    let again = async |alice: &Person| {
        let token = alice.begin_sign_in().await;
        let refused = alice
            .server
            .verify_login(&token, &code)
            .await
            .refused(400, "INVALID_MFA_CODE");
        refused["reason"].clone()
    };
    assert_eq!(again(&alice).await, "already_used", "in another sign-in");
    server.clock.advance(STEP);
    assert_eq!(
        again(&alice).await,
        "already_used",
        "while the window is still open"
    );
    let replica = server.replica().await;
    alice.server = replica;
    assert_eq!(again(&alice).await, "already_used", "on a replica");
    alice.server = server.restarted().await;
    assert_eq!(again(&alice).await, "already_used", "after a restart");
    alice.clock().advance(STEP);
    assert!(
        again(&alice).await.is_null(),
        "past the window it is a wrong code like any other"
    );
}

async fn a_used_code_serves_no_other_purpose() {
    let server = Server::start().await;
    let (mut alice, app) = with_app(&server).await;
    server.clock.advance(STEP);
    let code = app.by_oathtool(server.clock.now());
    let token = alice.begin_sign_in().await;
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.keep(&signed_in);
    let token = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let refused = server
        .verify_disable(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(refused["reason"], "already_used");
    server.clock.advance(STEP);
    let code = app.by_oathtool(server.clock.now());
    server.verify_disable(&token, &code).await.is(200);
}

async fn an_older_code_does_not_work_after_a_newer_one() {
    let server = Server::start().await;
    let (alice, app) = with_app(&server).await;
    server.clock.advance(2 * STEP);
    let older = app.by_oathtool(server.clock.now().plus_seconds(-STEP));
    let newer = app.by_oathtool(server.clock.now());
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &newer).await.is(200);
    let token = alice.begin_sign_in().await;
    let refused = server
        .verify_login(&token, &older)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(
        refused["reason"], "already_used",
        "never used, but older than a used one"
    );
}

async fn the_step_before_is_let_in_and_none_further_off() {
    let server = Server::start().await;
    let (alice, app) = with_app(&server).await;
    server.clock.advance(10 * STEP);
    let now = server.clock.now();
    let token = alice.begin_sign_in().await;
    for steps in [-2, 1, 2] {
        let code = app.by_oathtool(now.plus_seconds(steps * STEP));
        let refused = server
            .verify_login(&token, &code)
            .await
            .refused(400, "INVALID_MFA_CODE");
        assert!(refused["reason"].is_null(), "step {steps}");
    }
    let before = app.by_oathtool(now.plus_seconds(-STEP));
    server.verify_login(&token, &before).await.is(200);
    let token = alice.begin_sign_in().await;
    server
        .verify_login(&token, &app.by_oathtool(now))
        .await
        .is(200);
}

async fn the_next_step_is_let_in_where_the_setting_says_so() {
    let server = Server::with(|settings| settings.policy.totp_accept_next_step = true).await;
    let (alice, app) = with_app(&server).await;
    let next = app.by_oathtool(server.clock.now().plus_seconds(STEP));
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &next).await.is(200);
    let token = alice.begin_sign_in().await;
    let refused = server
        .verify_login(&token, &next)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(refused["reason"], "already_used");
    assert_eq!(
        refused["retryAfter"], 53,
        "the step after the used one, not the running one"
    );
    server.clock.advance(STEP);
    let refused = server
        .verify_login(&token, &next)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(
        refused["reason"], "already_used",
        "used while it was the next one"
    );
}

async fn a_used_challenge_is_over() {
    let server = Server::start().await;
    let (mut alice, _) = with_app(&server).await;
    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let fresh = alice.fresh_code();
    server
        .verify_login(&token, &fresh)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    server
        .switch(&token, "authenticator")
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    server
        .resend(&token)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_used_mailed_code_never_works_again() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let token = alice.begin_sign_in().await;
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
}

async fn a_clock_that_went_back_brings_no_code_back() {
    let server = Server::start().await;
    let (mut alice, app) = with_app(&server).await;
    server.clock.advance(10 * STEP);
    alice.sign_in().await;
    server.clock.advance(-5 * STEP);
    let token = alice.begin_sign_in().await;
    let code = app.code_at(server.clock.now());
    let refused = server
        .verify_login(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(refused["reason"], "already_used");
    server.clock.advance(refused.number("retryAfter") - 1);
    let token = alice.begin_sign_in().await;
    let code = app.code_at(server.clock.now());
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.clock.advance(1);
    let code = app.code_at(server.clock.now());
    server.verify_login(&token, &code).await.is(200);
}

async fn oathtool_and_the_library_agree() {
    let server = Server::start().await;
    let (_, app) = with_app(&server).await;
    for steps in 0..40 {
        let time = server.clock.now().plus_seconds(steps * 7919);
        assert_eq!(app.by_oathtool(time), app.by_library(time));
    }
}
