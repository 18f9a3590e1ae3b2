//! How often mail is sent: again for a challenge, for an account, to an address, from a network, from the whole server.

use contract_tests::call::outcomes;
use contract_tests::{Person, Server, tests};
use countersign::flow::admin;

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
    a_network_causes_thirty_mails_an_hour,
    a_registration_counts_for_its_network,
    strangers_use_up_nothing_of_a_networks_owners,
    the_whole_server_has_a_limit_where_the_operator_sets_one,
    notices_beyond_the_limit_become_one_digest,
    notices_use_up_no_codes,
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
        assert_eq!(server.resend(&token).await.refused(429, "RESEND_COOLDOWN")["retryAfter"], 1);
        server.clock.advance(1);
        let sent = server.resend(&token).await.is(200);
        assert_eq!(sent["resendsRemaining"], 3 - resend);
        assert_eq!(sent["mfaToken"], token.as_str());
        assert_eq!(sent["retryAfter"], 2 * wait, "until the next would be let in");
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
    server.resend(&token).await.refused(400, "RESEND_ONLY_FOR_EMAIL");
    server.switch(&token, "email").await.is(200);
    server.clock.advance(60);
    server.resend(&token).await.is(200);
    server.switch(&token, "authenticator").await.is(200);
    server.resend(&token).await.refused(400, "RESEND_ONLY_FOR_EMAIL");
}

async fn a_resend_works_for_every_purpose() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("email").await.is(200).text("mfaToken");
    let first = server.mail.code_to("alice@example.com").await;
    server.clock.advance(60);
    server.resend(&setup).await.is(200);
    let second = server.mail.code_to("alice@example.com").await;
    server.verify_setup(&setup, &first).await.refused(400, "INVALID_MFA_CODE");
    server.verify_setup(&setup, &second).await.is(200);
    alice.sign_in().await;
    let disable = alice.begin_disable("email").await.is(200).text("mfaToken");
    let first = server.mail.code_to("alice@example.com").await;
    server.clock.advance(60);
    server.resend(&disable).await.is(200);
    let second = server.mail.code_to("alice@example.com").await;
    server.verify_disable(&disable, &first).await.refused(400, "INVALID_MFA_CODE");
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
    let refused = alice.login().await.refused(429, "TOO_MANY_MFA_EMAILS");
    assert_eq!(refused["retryAfter"], 3595, "five seconds of the hour are over");
    alice.begin_disable("email").await.refused(429, "TOO_MANY_MFA_EMAILS");
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before);
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
    let refused = alice.login().await.refused(429, "TOO_MANY_MFA_EMAILS");
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
    let refused = server.switch(&tokens[4], "email").await.refused(429, "TOO_MANY_MFA_EMAILS");
    let wait = refused.number("retryAfter");
    server.clock.advance(60);
    server.resend(&tokens[0]).await.refused(429, "TOO_MANY_MFA_EMAILS");
    assert_eq!(server.resend(&tokens[4]).await.refused(400, "RESEND_ONLY_FOR_EMAIL").status, 400);
    let code = alice.fresh_code();
    server.verify_login(&tokens[4], &code).await.is(200);
    server.clock.advance(wait);
    let token = alice.begin_sign_in().await;
    server.switch(&token, "email").await.is(200);

    let bob = server.registered("bob@example.com").await;
    for _ in 0..6 {
        bob.begin_setup("email").await.is(200);
    }
    bob.begin_setup("email").await.refused(429, "TOO_MANY_MFA_EMAILS");
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
    alice.login().await.refused(429, "TOO_MANY_MFA_EMAILS");
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
    alice.login().await.refused(429, "TOO_MANY_MFA_EMAILS");
    server.clock.advance(wait - 1);
    alice.login().await.refused(429, "TOO_MANY_MFA_EMAILS");
    server.clock.advance(1);
    alice.begin_sign_in().await;
}

async fn a_network_causes_thirty_mails_an_hour() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 4;
    })
    .await;
    let alice = with_mail(&server).await;
    let mut bob = server.registered("bob@example.com").await;
    let token = alice.login().from("203.0.113.1").await.is(200).text("mfaToken");
    server.clock.advance(60);
    server.resend(&token).from("203.0.113.2").await.is(200);
    alice.begin_disable("email").from("203.0.113.3").await.is(200);
    bob.begin_setup("email").from("203.0.113.4").await.is(200);
    server.mail.code_to("bob@example.com").await;
    let refused = alice.login().from("203.0.113.5").await.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused["retryAfter"], 3540);
    server.clock.advance(120);
    server.resend(&token).from("203.0.113.6").await.refused(429, "TOO_MANY_REQUESTS");
    alice.begin_disable("email").from("203.0.113.7").await.refused(429, "TOO_MANY_REQUESTS");
    bob.begin_setup("email").from("203.0.113.8").await.refused(429, "TOO_MANY_REQUESTS");
    for number in 0..4 {
        // Strangers have a count of their own.
        server.register(&format!("user{number}@example.com")).from("203.0.113.9").await.is(202);
    }
    server.register("carol@example.com").from("203.0.113.9").await.refused(429, "TOO_MANY_REQUESTS");
    alice.me().from("203.0.113.1").await.is(200);
    bob.enable_authenticator().await;
    bob.sign_in().await;
    bob.enable_email().await;
    let app = bob.login().from("203.0.113.1").await.is(200).text("mfaToken");
    server.switch(&app, "email").from("203.0.113.10").await.refused(429, "TOO_MANY_REQUESTS");
    alice.login().from("203.0.114.1").await.is(200);
    alice.login().await.is(200);
    server.clock.advance(3600);
    server.register("carol@example.com").from("203.0.113.9").await.is(202);
    alice.login().from("203.0.113.1").await.is(200);
}

async fn a_registration_counts_for_its_network() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut answers = Vec::new();
    for number in 0..32 {
        let call = server.register(&format!("user{number}@example.com")).from("2001:db8:0:aa01::1");
        answers.push(call.await);
    }
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["202"], 30, "{outcomes:?}");
    assert_eq!(outcomes["TOO_MANY_REQUESTS"], 2, "{outcomes:?}");
    server.register("more@example.com").from("2001:db8:0:aaff::1").await.refused(429, "TOO_MANY_REQUESTS");
    server.register("more@example.com").from("2001:db8:0:ab01::1").await.is(202);
}

async fn strangers_use_up_nothing_of_a_networks_owners() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let alice = with_mail(&server).await;
    for number in 0..30 {
        server.register(&format!("user{number}@example.com")).from("203.0.113.1").await.is(202);
    }
    server.register("more@example.com").from("203.0.113.1").await.refused(429, "TOO_MANY_REQUESTS");
    alice.login().from("203.0.113.1").await.is(200).text("mfaToken");
}

async fn the_whole_server_has_a_limit_where_the_operator_sets_one() {
    let server = Server::with(|settings| settings.policy.mails_per_hour = 4).await;
    let mut alice = with_mail(&server).await;
    server.register("bob@example.com").await.is(202);
    server.register("carol@example.com").await.refused(503, "SERVICE_UNAVAILABLE");
    for _ in 0..3 {
        alice.sign_in().await;
    }
    let refused = alice.login().await.refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(refused["retryAfter"], 3600);
    server.clock.advance(3600);
    alice.sign_in().await;
    server.register("carol@example.com").await.is(202);
}

/// Sets up and turns off an app: two notices.
async fn there_and_back(alice: &mut Person) {
    alice.enable_authenticator().await;
    let token = alice.begin_disable("authenticator").await.is(200).text("mfaToken");
    let code = alice.fresh_code();
    alice.server.verify_disable(&token, &code).await.is(200);
}

async fn notices_beyond_the_limit_become_one_digest() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    for _ in 0..6 {
        there_and_back(&mut alice).await;
    }
    server.mail_is_out().await;
    let subjects = server.mail.subjects_to("alice@example.com");
    let count = |words: &str| subjects.iter().filter(|subject| subject.contains(words)).count();
    assert_eq!(count("More happened"), 1, "{subjects:?}");
    assert_eq!(subjects.len(), 1 + 8 + 1, "the registration's code, eight notices, one digest: {subjects:?}");
    server.clock.advance(3600);
    alice.sign_in().await;
    there_and_back(&mut alice).await;
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), 12, "an hour later they are told again");
}

async fn notices_use_up_no_codes() {
    let server = Server::with(|settings| settings.policy.notices_per_hour = 1).await;
    let mut alice = server.registered("alice@example.com").await;
    there_and_back(&mut alice).await;
    there_and_back(&mut alice).await;
    alice.enable_email().await;
    for _ in 0..5 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
        server.mail.code_to("alice@example.com").await;
    }
}

async fn an_operator_lifts_the_limit_of_codes() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    for _ in 0..5 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
    }
    alice.login().await.refused(429, "TOO_MANY_MFA_EMAILS");
    server.app.call(async |ctx| admin::unlock(ctx, "alice@example.com").await).await.expect("unlocked");
    alice.begin_sign_in().await;
}
