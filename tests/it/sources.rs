//! The source of a request: the peer, or what a trusted proxy says, and nothing else.

use contract_tests::{Call, Method, Server, json, tests};

tests! {
    the_word_of_a_stranger_does_not_count,
    a_trusted_proxy_counts_up_to_the_first_stranger,
    a_letter_says_where_it_was_caused,
    a_link_says_where_its_mail_was_last_asked_for,
    a_loopback_peer_causes_as_many_mails_as_it_likes,
    a_loopback_peer_counts_where_the_server_is_there_for_others,
}

/// Makes the call of a sign-in that sends mail.
type Sending = fn(&Server, &str) -> Call;

async fn the_word_of_a_stranger_does_not_count() {
    let server = Server::start().await;
    for host in 1..=5 {
        let address = format!("203.0.{host}.1");
        let wrong = server
            .login("alice@example.com", "wrong")
            .from(&address)
            .await;
        wrong.refused(401, "INVALID_CREDENTIALS");
    }
    for header in [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
    ] {
        let elsewhere = server.login("alice@example.com", "wrong");
        let refused = elsewhere.header(header, "198.51.100.1").await;
        refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    }
}

async fn a_trusted_proxy_counts_up_to_the_first_stranger() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    for host in 1..=5 {
        // Entries further left were written by the client.
        let hops = format!("192.0.2.{host}, 203.0.113.{host}, 127.0.0.1");
        let wrong = server.login("alice@example.com", "wrong").from(&hops).await;
        wrong.refused(401, "INVALID_CREDENTIALS");
    }
    let same = server
        .login("alice@example.com", "wrong")
        .from("198.51.100.1, 203.0.113.77");
    same.await.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    let other = server
        .login("alice@example.com", "wrong")
        .from("203.0.113.1, 198.51.100.1");
    other.await.refused(401, "INVALID_CREDENTIALS");
}

async fn a_letter_says_where_it_was_caused() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    server
        .register("alice@example.com")
        .from("192.0.2.1, 203.0.113.7")
        .await
        .is(202);
    let letter = server.mail.next_to("alice@example.com").await;
    let text = letter.text.replace('\n', " ");
    assert!(
        text.contains("203.0.113.7 at 2026-11-22 14:00 UTC"),
        "{text}"
    );
}

async fn a_link_says_where_its_mail_was_last_asked_for() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let mailbox = alice.factor_id("email").await;
    let app = alice.factor_id("authenticator").await;
    let again: [(&str, Sending); 3] = [
        (&mailbox, |server, token| server.resend(token)),
        (&app, |server, token| server.switch(token, "email")),
        (&app, |server, token| {
            let sends = server.call(Method::POST, "/mfa/magic-link/send");
            sends.bearer(token)
        }),
    ];
    for (first, again) in again {
        alice.prefer(first).await.is(200);
        let asked = alice.login().from("203.0.113.7").await.is(200);
        if asked["method"] == "email" {
            let link = server.mail.link_to("alice@example.com").await;
            assert!(!link.is_empty());
        }
        server.clock.advance(60);
        let sent = again(&server, &asked.text("mfaToken"));
        sent.from("198.51.100.9").await.is(200);
        let at = server.clock.now().to_string();
        let link = server.mail.link_to("alice@example.com").await;
        server.clock.advance(60);
        let opened = server.open_link(&link).from("192.0.2.1").await.is(200);
        assert_eq!(
            (&opened["askedFrom"], &opened["askedAt"]),
            (&json!("198.51.100.9"), &json!(at)),
            "{}",
            asked["method"]
        );
    }
}

async fn a_loopback_peer_causes_as_many_mails_as_it_likes() {
    let server = Server::with(|settings| settings.policy.mail_calls_per_source = 1).await;
    for number in 0..4 {
        server
            .register(&format!("user{number}@example.com"))
            .await
            .is(202);
    }
}

async fn a_loopback_peer_counts_where_the_server_is_there_for_others() {
    // Behind a proxy on the same machine that is not configured: all clients seem to be on this
    // machine.
    let server = Server::with(|settings| {
        settings.public_url = "https://login.example.com".to_owned();
        settings.passkey_rp_id = "login.example.com".to_owned();
        settings.policy.mail_calls_per_source = 2;
        settings.policy.passkey_sign_ins_per_source = 10;
    })
    .await;
    for number in 0..2 {
        server
            .register(&format!("user{number}@example.com"))
            .await
            .is(202);
    }
    server
        .register("more@example.com")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    let body = super::flashback::registration("more@example.com", None);
    server
        .post("/user/register", &body)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    for _ in 0..10 {
        server
            .call(Method::POST, "/identity/passkey/options")
            .await
            .is(200);
    }
    server
        .call(Method::POST, "/identity/passkey/options")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
}
