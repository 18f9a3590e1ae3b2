//! Limits of mail beyond one account: for a network, for the whole server, and for notices.

use contract_tests::call::outcomes;
use contract_tests::{PASSWORD, Person, Server, json, tests};

use super::netevia::{PHONE, with_texts_and};

tests! {
    a_network_causes_thirty_mails_an_hour,
    a_registration_counts_for_its_network,
    strangers_use_up_nothing_of_a_networks_owners,
    the_whole_server_has_a_limit_where_the_operator_sets_one,
    notices_beyond_the_limit_become_one_digest,
    notices_use_up_no_codes,
    a_session_uses_up_no_code_of_a_sign_in,
    a_session_uses_up_no_text_message_of_a_sign_in,
}

async fn with_mail(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice
}

/// Sets up an app and turns it off, which sends two notices.
async fn there_and_back(alice: &mut Person) {
    alice.enable_authenticator().await;
    let token = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    alice.server.verify_disable(&token, &code).await.is(200);
}

/// Causes the four mails that a network may cause: by a sign-in, its code sent again, a method that
/// is to be turned off, and another sign-in. Returns the token of the first sign-in.
async fn causes_four_mails(alice: &Person) -> String {
    let server = &alice.server;
    let begun = alice.login().from("203.0.113.1").await.is(200);
    let token = begun.text("mfaToken");
    server.clock.advance(60);
    server.resend(&token).from("203.0.113.2").await.is(200);
    let off = alice.begin_disable("email").from("203.0.113.3").await;
    off.is(200);
    alice.login().from("203.0.113.4").await.is(200);
    server.mail_is_out().await;
    token
}

/// Asserts that a sign-in begins and sends nothing, and says when its code can be asked for.
async fn gets_no_fifth_mail(alice: &Person) {
    let server = &alice.server;
    let before = server.mail.all_to("alice@example.com").len();
    let asked = alice.login().from("203.0.113.5").await.is(200);
    let refused = server
        .resend(&asked.text("mfaToken"))
        .from("203.0.113.5")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused["retryAfter"], 3540);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before);
}

/// Asserts that set-ups have a count of their own.
async fn begins_four_set_ups_and_no_more(bob: &Person) {
    let begin = || bob.begin_setup("email").from("203.0.113.8");
    for _ in 0..4 {
        begin().await.is(200);
        bob.server.mail.code_to("bob@example.com").await;
    }
    begin().await.refused(429, "TOO_MANY_REQUESTS");
}

/// Asserts that strangers have a count of their own.
async fn registers_four_strangers_and_no_more(server: &Server) {
    let register = |email: &str| server.register(email).from("203.0.113.9");
    for number in 0..4 {
        let registered = register(&format!("user{number}@example.com")).await;
        registered.is(202);
    }
    let refused = register("carol@example.com").await;
    refused.refused(429, "TOO_MANY_REQUESTS");
}

/// Asserts that a sign-in with an app begins, and cannot be switched to mail.
async fn switches_no_sign_in_to_mail(bob: &mut Person) {
    bob.enable_authenticator().await;
    bob.sign_in().await;
    bob.enable_email().await;
    let begun = bob.login().from("203.0.113.1").await.is(200);
    bob.server
        .switch(&begun.text("mfaToken"), "email")
        .from("203.0.113.10")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
}

async fn a_network_causes_thirty_mails_an_hour() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 4;
    })
    .await;
    let alice = with_mail(&server).await;
    let mut bob = server.registered("bob@example.com").await;
    let token = causes_four_mails(&alice).await;
    gets_no_fifth_mail(&alice).await;
    server.clock.advance(120);
    let again = server.resend(&token).from("203.0.113.6").await;
    again.refused(429, "TOO_MANY_REQUESTS");
    let off = alice.begin_disable("email").from("203.0.113.7").await;
    off.refused(429, "TOO_MANY_REQUESTS");
    begins_four_set_ups_and_no_more(&bob).await;
    registers_four_strangers_and_no_more(&server).await;
    alice.me().from("203.0.113.1").await.is(200);
    switches_no_sign_in_to_mail(&mut bob).await;
    // Other networks have counts of their own.
    alice.login().from("203.0.114.1").await.is(200);
    alice.login().await.is(200);
    server.clock.advance(3600);
    let registered = server.register("carol@example.com").from("203.0.113.9");
    registered.await.is(202);
    alice.login().from("203.0.113.1").await.is(200);
}

async fn a_registration_counts_for_its_network() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut answers = Vec::new();
    for number in 0..32 {
        let call = server
            .register(&format!("user{number}@example.com"))
            .from("2001:db8:0:aa01::1");
        answers.push(call.await);
    }
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["202"], 30, "{outcomes:?}");
    assert_eq!(outcomes["TOO_MANY_REQUESTS"], 2, "{outcomes:?}");
    server
        .register("more@example.com")
        .from("2001:db8:0:aaff::1")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    server
        .register("more@example.com")
        .from("2001:db8:0:ab01::1")
        .await
        .is(202);
}

async fn strangers_use_up_nothing_of_a_networks_owners() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let alice = with_mail(&server).await;
    for number in 0..30 {
        server
            .register(&format!("user{number}@example.com"))
            .from("203.0.113.1")
            .await
            .is(202);
    }
    server
        .register("more@example.com")
        .from("203.0.113.1")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    alice
        .login()
        .from("203.0.113.1")
        .await
        .is(200)
        .text("mfaToken");
}

async fn the_whole_server_has_a_limit_where_the_operator_sets_one() {
    let server = Server::with(|settings| settings.policy.mails_per_hour = 6).await;
    let mut alice = with_mail(&server).await;
    server.register("bob@example.com").await.is(202);
    server
        .register("carol@example.com")
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    for _ in 0..3 {
        alice.sign_in().await;
    }
    let refused = alice.login().await.refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(refused["retryAfter"], 3600);
    server.clock.advance(3600);
    alice.sign_in().await;
    server.register("carol@example.com").await.is(202);
}

async fn notices_beyond_the_limit_become_one_digest() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    for _ in 0..6 {
        there_and_back(&mut alice).await;
    }
    server.mail_is_out().await;
    let subjects = server.mail.subjects_to("alice@example.com");
    let count = |words: &str| {
        subjects
            .iter()
            .filter(|subject| subject.contains(words))
            .count()
    };
    assert_eq!(count("More happened"), 1, "{subjects:?}");
    assert_eq!(
        subjects.len(),
        1 + 8 + 1,
        "the registration's code, eight notices, one digest: {subjects:?}"
    );
    server.clock.advance(3600);
    alice.sign_in().await;
    there_and_back(&mut alice).await;
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to("alice@example.com").len(),
        12,
        "an hour later they are told again"
    );
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

async fn a_session_uses_up_no_code_of_a_sign_in() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let mut sent = 0;
    let refused = loop {
        let begun = alice.begin_step_up(&json!({ "method": "email" })).await;
        if begun.status != 200 {
            break begun;
        }
        sent += 1;
        server.mail.code_to("alice@example.com").await;
    };
    let refused = refused.refused(429, "TOO_MANY_MFA_EMAILS");
    assert!((3595..=3600).contains(&refused.number("retryAfter")));
    assert_eq!(sent, 6, "what one account may have in an hour");
    // Other messages from a session are refused too: they share one count.
    let refused = alice.begin_disable("email").await;
    refused.refused(429, "TOO_MANY_MFA_EMAILS");
    let act = json!({ "shortMessageType": "ApprovePayee" });
    let refused = alice.post("/api/CodeVerification/send", &act).await;
    refused.refused(429, "TOO_MANY_MFA_EMAILS");
    // The owner has the full count of an account, minus the set-up's mail.
    for _ in 0..5 {
        let token = alice.begin_sign_in().await;
        let code = server.mail.code_to("alice@example.com").await;
        server.verify_login(&token, &code).await.is(200);
    }
    alice.begin_unsent("TOO_MANY_MFA_EMAILS").await;
    server.clock.advance(3600);
    alice.login().await.is(200);
    server.mail.code_to("alice@example.com").await;
}

async fn a_session_uses_up_no_text_message_of_a_sign_in() {
    let (server, gateway) = with_texts_and(|_| {}).await;
    let mut alice = server.registered("alice@example.com").await;
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": PHONE });
    let begun = alice.post("/identity/mfa/setup", &body).await.is(200);
    let proof = server.verify_setup(&begun.text("mfaToken"), &gateway.code().await);
    proof.await.is(200);
    // For a day: four an hour for a number, six for an account.
    let mut sent = 0;
    for _ in 0..8 {
        let begun = alice.begin_step_up(&json!({ "method": "sms" })).await;
        if begun.status == 200 {
            sent += 1;
            gateway.next().await;
        } else {
            begun.refused(429, "TOO_MANY_MFA_SMS");
        }
        server.clock.advance(800);
        let refreshed = server.refresh(&alice.refresh_token).await.is(200);
        alice.keep(&refreshed);
    }
    assert_eq!(sent, 6);
    let token = alice.begin_sign_in().await;
    let code = gateway.code().await;
    server.verify_login(&token, &code).await.is(200);
}
