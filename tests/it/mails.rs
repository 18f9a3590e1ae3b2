//! How often codes are mailed: for one challenge, and for an account.

use contract_tests::{Person, Server, tests};
use countersign::flow::operator;

tests! {
    a_resend_too_soon_is_refused_and_the_wait_doubles,
    three_resends_are_the_most,
    a_resend_is_for_mailed_codes,
    a_resend_works_for_every_purpose,
    a_new_sign_in_sends_at_once,
    six_codes_an_hour_is_what_an_account_gets,
    twenty_codes_a_day_is_what_an_account_gets,
    codes_of_every_kind_count_for_the_account,
    one_accounts_codes_are_nobody_elses,
    a_spent_resend_limit_says_when_a_new_sign_in_may_send,
    an_operator_lifts_the_limit_of_codes,
}

async fn with_mail(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice
}

async fn a_resend_too_soon_is_refused_and_the_wait_doubles() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    server.mail.code_to("alice@example.com").await;
    for (resend, wait) in [(1, 60), (2, 120), (3, 240)] {
        let refused = server.resend(&token).await.refused(429, "RESEND_COOLDOWN");
        assert_eq!(refused["retryAfter"], wait);
        server.clock.advance(wait - 1);
        assert_eq!(
            server.resend(&token).await.refused(429, "RESEND_COOLDOWN")["retryAfter"],
            1
        );
        server.clock.advance(1);
        let sent = server.resend(&token).await.is(200);
        assert_eq!(sent["resendsRemaining"], 3 - resend);
        assert_eq!(sent["mfaToken"], token.as_str());
        assert_eq!(
            sent["retryAfter"],
            2 * wait,
            "until the next would be let in"
        );
        let code = server.mail.code_to("alice@example.com").await;
        if resend == 3 {
            server.verify_login(&token, &code).await.is(200);
        }
    }
}

async fn three_resends_are_the_most() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    for wait in [60, 120, 240] {
        server.clock.advance(wait);
        server.resend(&token).await.is(200);
    }
    server.resend(&token).await.refused(429, "MAX_RESEND_LIMIT");
    server.clock.advance(170);
    server.resend(&token).await.refused(429, "MAX_RESEND_LIMIT");
}

async fn a_resend_is_for_mailed_codes() {
    let server = Server::start().await;
    let mut alice = with_mail(&server).await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server
        .resend(&token)
        .await
        .refused(400, "RESEND_ONLY_FOR_EMAIL");
    server.switch(&token, "email").await.is(200);
    server.clock.advance(60);
    server.resend(&token).await.is(200);
    server.switch(&token, "authenticator").await.is(200);
    server
        .resend(&token)
        .await
        .refused(400, "RESEND_ONLY_FOR_EMAIL");
}

async fn a_resend_works_for_every_purpose() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("email").await.is(200).text("mfaToken");
    let first = server.mail.code_to("alice@example.com").await;
    server.clock.advance(60);
    server.resend(&setup).await.is(200);
    let second = server.mail.code_to("alice@example.com").await;
    server
        .verify_setup(&setup, &first)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.verify_setup(&setup, &second).await.is(200);
    alice.sign_in().await;
    let disable = alice.begin_disable("email").await.is(200).text("mfaToken");
    let first = server.mail.code_to("alice@example.com").await;
    server.clock.advance(60);
    server.resend(&disable).await.is(200);
    let second = server.mail.code_to("alice@example.com").await;
    server
        .verify_disable(&disable, &first)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.verify_disable(&disable, &second).await.is(200);
}

async fn a_new_sign_in_sends_at_once() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    for _ in 0..3 {
        let token = alice.begin_sign_in().await;
        let code = server.mail.code_to("alice@example.com").await;
        server.verify_login(&token, &code).await.is(200);
    }
}

async fn six_codes_an_hour_is_what_an_account_gets() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    for _ in 0..5 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
    }
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    let (_, refused) = alice.begin_unsent_for("TOO_MANY_MFA_EMAILS").await;
    assert_eq!(
        refused["retryAfter"], 3595,
        "five seconds of the hour are over"
    );
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before);
    // Codes from a session count separately.
    alice.begin_disable("email").await.is(200);
    server.mail.code_to("alice@example.com").await;
    server.clock.advance(3595);
    alice.begin_sign_in().await;
    server.mail.code_to("alice@example.com").await;
}

async fn twenty_codes_a_day_is_what_an_account_gets() {
    let server = Server::with(|settings| {
        settings.policy.code_mails_per_hour = 20;
        settings.policy.password_free_tries = 20;
    })
    .await;
    let alice = with_mail(&server).await;
    for _ in 0..19 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
    }
    server.clock.advance(3600);
    let (_, refused) = alice.begin_unsent_for("TOO_MANY_MFA_EMAILS").await;
    assert_eq!(refused["retryAfter"], 86_400 - 3619);
    server.clock.advance(86_400 - 3619);
    alice.begin_sign_in().await;
}

async fn codes_of_every_kind_count_for_the_account() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut alice = with_mail(&server).await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        server.clock.advance(1);
        tokens.push(alice.begin_sign_in().await);
    }
    for token in &tokens[..4] {
        server.switch(token, "email").await.is(200);
    }
    let refused = server
        .switch(&tokens[4], "email")
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
    let wait = refused.number("retryAfter");
    server.clock.advance(60);
    server
        .resend(&tokens[0])
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
    assert_eq!(
        server
            .resend(&tokens[4])
            .await
            .refused(400, "RESEND_ONLY_FOR_EMAIL")
            .status,
        400
    );
    let code = alice.fresh_code();
    server.verify_login(&tokens[4], &code).await.is(200);
    server.clock.advance(wait);
    let token = alice.begin_sign_in().await;
    server.switch(&token, "email").await.is(200);

    let bob = server.registered("bob@example.com").await;
    for _ in 0..6 {
        bob.begin_setup("email").await.is(200);
    }
    bob.begin_setup("email")
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
    bob.begin_setup("authenticator").await.is(200);
}

async fn one_accounts_codes_are_nobody_elses() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let mut bob = server.registered("bob@example.com").await;
    for _ in 0..6 {
        server.clock.advance(1);
        alice.login().await;
    }
    alice.begin_unsent("TOO_MANY_MFA_EMAILS").await;
    bob.enable_email().await;
    bob.begin_sign_in().await;
}

async fn a_spent_resend_limit_says_when_a_new_sign_in_may_send() {
    let server = Server::with(|settings| settings.policy.resends_per_challenge = 1).await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    server.clock.advance(60);
    server.resend(&token).await.is(200);
    let refused = server.resend(&token).await.refused(429, "MAX_RESEND_LIMIT");
    assert_eq!(refused["retryAfter"], 1, "a new sign-in sends at once");
    for _ in 0..3 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
    }
    let refused = server.resend(&token).await.refused(429, "MAX_RESEND_LIMIT");
    let wait = refused.number("retryAfter");
    alice.begin_unsent("TOO_MANY_MFA_EMAILS").await;
    server.clock.advance(wait - 1);
    alice.begin_unsent("TOO_MANY_MFA_EMAILS").await;
    server.clock.advance(1);
    alice.begin_sign_in().await;
}

async fn an_operator_lifts_the_limit_of_codes() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    for _ in 0..5 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
    }
    alice.begin_unsent("TOO_MANY_MFA_EMAILS").await;
    server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    alice.begin_sign_in().await;
}
