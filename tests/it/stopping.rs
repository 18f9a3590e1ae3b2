//! Limits over all challenges of a method: waits that grow, a lock that stays, and the ways out of
//! it.

use contract_tests::call::outcomes;
use contract_tests::{Answer, Authenticator, Person, Server, json, tests};
use countersign::flow::operator;

tests! {
    waits_double_to_an_hour_and_fifty_wrong_codes_stop_the_method,
    a_throttled_code_is_not_compared,
    a_dead_sign_in_says_when_the_next_one_is_let_in,
    a_right_code_begins_the_count_anew,
    a_restart_forgets_no_wrong_code,
    a_stopped_app_stays_on_and_mail_signs_in,
    another_factor_lifts_the_stop_and_not_the_pace,
    a_stopped_method_is_not_turned_off_by_its_code,
    a_set_up_can_be_stopped_and_an_operator_lifts_it,
    wrong_codes_of_a_set_up_count_for_the_method,
    the_oldest_of_too_many_sign_ins_dies,
    one_persons_wrong_codes_stop_nobody_else,
}

async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

/// Sends one wrong code in a sign-in of its own.
async fn guess(alice: &Person) -> Answer {
    let token = alice.begin_sign_in().await;
    alice.server.verify_login(&token, &alice.wrong_code()).await
}

async fn waits_double_to_an_hour_and_fifty_wrong_codes_stop_the_method() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for _ in 0..9 {
        guess(&alice).await.refused(400, "INVALID_MFA_CODE");
    }
    let mut expected = 30;
    for failures in 10..50 {
        guess(&alice).await.refused(400, "INVALID_MFA_CODE");
        let refused = guess(&alice).await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
        assert_eq!(
            refused["retryAfter"], expected,
            "after {failures} wrong codes"
        );
        server.clock.advance(expected - 1);
        guess(&alice).await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
        server.clock.advance(1);
        expected = (2 * expected).min(3600);
    }
    guess(&alice).await.refused(400, "INVALID_MFA_CODE");
    server.mail.notice_to("alice@example.com", "locked").await;
    server.clock.advance(365 * 86_400);
    guess(&alice).await.refused(403, "MFA_METHOD_LOCKED");
    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    server
        .verify_login(&token, &code)
        .await
        .refused(403, "MFA_METHOD_LOCKED");

    server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn a_throttled_code_is_not_compared() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for _ in 0..10 {
        guess(&alice).await.refused(400, "INVALID_MFA_CODE");
    }
    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    let refused = server
        .verify_login(&token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    server.clock.advance(refused.number("retryAfter"));
    server.verify_login(&token, &code).await.is(200);
}

async fn a_dead_sign_in_says_when_the_next_one_is_let_in() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for wait in [1, 30] {
        let token = alice.begin_sign_in().await;
        for _ in 0..5 {
            let wrong = server.verify_login(&token, &alice.wrong_code()).await;
            wrong.refused(400, "INVALID_MFA_CODE");
        }
        let refused = server.verify_login(&token, "123456").await;
        assert_eq!(
            refused.refused(429, "TOO_MANY_MFA_ATTEMPTS")["retryAfter"],
            wait
        );
        server.clock.advance(wait);
    }
    alice.sign_in().await;
}

async fn a_right_code_begins_the_count_anew() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for _ in 0..3 {
        for _ in 0..9 {
            guess(&alice).await.refused(400, "INVALID_MFA_CODE");
        }
        alice.sign_in().await;
    }
}

async fn a_restart_forgets_no_wrong_code() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for _ in 0..10 {
        guess(&alice).await.refused(400, "INVALID_MFA_CODE");
    }
    alice.server = server.restarted().await;
    guess(&alice).await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    alice.server = alice.server.replica().await;
    guess(&alice).await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn small() -> Server {
    Server::with(|settings| {
        settings.policy.soft_limit = 5;
        settings.policy.hard_limit = 10;
        settings.policy.wait_first_seconds = 10;
        settings.policy.wait_max_seconds = 60;
    })
    .await
}

/// Sends wrong codes until the app is locked.
async fn stop(alice: &Person) {
    for _ in 0..10 {
        alice.clock().advance(60);
        guess(alice).await.refused(400, "INVALID_MFA_CODE");
    }
}

async fn a_stopped_app_stays_on_and_mail_signs_in() {
    let server = small().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    stop(&alice).await;
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "email", "the one that can be answered");
    assert_eq!(
        asked["mfaMethods"],
        json!(["authenticator", "email"]),
        "the stopped one stays on"
    );
    let token = asked.text("mfaToken");
    server
        .switch(&token, "authenticator")
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    let code = server.mail.code_to("alice@example.com").await;
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.keep(&signed_in);
    assert_eq!(alice.me().await["session"]["acr"], "two-step");

    alice
        .begin_setup("authenticator")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
}

async fn another_factor_lifts_the_stop_and_not_the_pace() {
    let server = small().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    stop(&alice).await;
    server.clock.advance(3600);
    let token = alice.login().await.is(200).text("mfaToken");
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "authenticator", "it may be tried again");
    guess(&alice).await.refused(400, "INVALID_MFA_CODE");
    let refused = guess(&alice).await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    assert_eq!(
        refused["retryAfter"], 20,
        "the second wait of ten seconds that double"
    );
    server.clock.advance(20);
    alice.sign_in().await;
}

async fn a_stopped_method_is_not_turned_off_by_its_code() {
    let server = small().await;
    let mut alice = with_app(&server).await;
    stop(&alice).await;
    let begun = alice.begin_disable("authenticator").await.is(200);
    let code = alice.fresh_code();
    server
        .verify_disable(&begun.text("mfaToken"), &code)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    assert_eq!(alice.me().await["mfaEnabled"], true);
}

async fn a_set_up_can_be_stopped_and_an_operator_lifts_it() {
    let server = small().await;
    let mut alice = server.registered("alice@example.com").await;
    let mut setup = alice.begin_setup("authenticator").await.is(200);
    let wrong = |setup: &Answer, server: &Server| {
        Authenticator::new(&setup.text("secret")).wrong_code(&server.clock)
    };
    for tried in 0..10 {
        if tried == 5 {
            setup = alice.begin_setup("authenticator").await.is(200);
        }
        server.clock.advance(60);
        let refused = server
            .verify_setup(&setup.text("mfaToken"), &wrong(&setup, &server))
            .await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    let setup = alice.begin_setup("authenticator").await.is(200);
    let right = Authenticator::new(&setup.text("secret")).code_at(server.clock.now());
    server
        .verify_setup(&setup.text("mfaToken"), &right)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    alice.enable_authenticator().await;
}

async fn wrong_codes_of_a_set_up_count_for_the_method() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let mut refused = Vec::new();
    for _ in 0..3 {
        let setup = alice.begin_setup("authenticator").await.is(200);
        let wrong = Authenticator::new(&setup.text("secret")).wrong_code(&server.clock);
        for _ in 0..4 {
            refused.push(server.verify_setup(&setup.text("mfaToken"), &wrong).await);
        }
    }
    let outcomes = outcomes(&refused);
    assert_eq!(outcomes["INVALID_MFA_CODE"], 10, "{outcomes:?}");
    assert_eq!(outcomes["TOO_MANY_MFA_ATTEMPTS"], 2, "{outcomes:?}");
}

async fn the_oldest_of_too_many_sign_ins_dies() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let mut tokens = Vec::new();
    for _ in 0..6 {
        server.clock.advance(1);
        tokens.push(alice.begin_sign_in().await);
    }
    let code = alice.fresh_code();
    server
        .verify_login(&tokens[0], &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    server.verify_login(&tokens[1], &code).await.is(200);
    let code = alice.fresh_code();
    server.verify_login(&tokens[5], &code).await.is(200);
}

async fn one_persons_wrong_codes_stop_nobody_else() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    let mut bob = server.registered("bob@example.com").await;
    bob.enable_authenticator().await;
    for _ in 0..10 {
        guess(&alice).await.refused(400, "INVALID_MFA_CODE");
    }
    guess(&alice).await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    bob.sign_in().await;
}
