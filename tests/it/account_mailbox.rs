//! What somebody who reads another's mailbox can do, and what not.

use contract_tests::call::{at_once, outcomes};
use contract_tests::{Answer, Person, Server, json, tests};
use countersign::flow::operator;

use super::other_than;
use super::veeam::OTHER_PASSWORD;

tests! {
    the_mailbox_is_no_second_step_beside_another_method,
    a_mailbox_that_is_no_longer_alone_finishes_nothing,
    wrong_codes_before_a_new_password_keep_nobody_out,
    too_many_of_them_stop_new_passwords_only,
    wrong_codes_at_once_before_a_new_password_are_counted,
    a_method_that_is_locked_at_sign_in_sets_no_password,
    guesses_of_codes_are_limited_by_network,
    what_is_not_compared_is_no_guess_of_the_network,
}

const EMAIL: &str = "alice@example.com";
const NEW: &str = OTHER_PASSWORD;

/// Returns somebody with an app and codes by mail.
async fn with_both(server: &Server) -> Person {
    let mut alice = server.registered(EMAIL).await;
    alice.enable_email().await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice
}

/// Asks for a new password and takes the first step. Returns the answer.
async fn begun(server: &Server) -> Answer {
    let link = server.forgotten(EMAIL).await;
    server.reset_by_link(&link, NEW).await.is(200)
}

/// Does the same, and answers the second step.
async fn guess(server: &Server, code: &str) -> Answer {
    let token = begun(server).await.text("mfaToken");
    let answer = server.verify_reset(&token, code).await;
    // A further mail of this hour may not be sent.
    server.clock.advance(3600);
    answer
}

async fn the_mailbox_is_no_second_step_beside_another_method() {
    let server = Server::start().await;
    let mut alice = with_both(&server).await;
    let mailbox = alice.factor_id("email").await;
    alice.prefer(&mailbox).await.is(200);
    let asked = begun(&server).await;
    assert_eq!(asked["method"], "authenticator");
    assert_eq!(asked["mfaMethods"], json!(["authenticator"]));
    let token = asked.text("mfaToken");
    server.mail_is_out().await;
    let mails = server.mail.all_to(EMAIL).len();
    let refused = server.switch(&token, "email").await;
    refused.refused(400, "MFA_METHOD_NOT_ENABLED");
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to(EMAIL).len(), mails, "no code was mailed");
    let refused = server.resend(&token).await;
    refused.refused(400, "RESEND_ONLY_FOR_EMAIL");
    server
        .login(EMAIL, NEW)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    // A recovery code counts, and so does the app.
    let codes = alice.recovery_codes().await;
    server.verify_reset(&token, &codes[0]).await.is(200);
    let login = server.login(EMAIL, NEW).await.is(200);
    assert_eq!(
        login["method"], "email",
        "sign-in goes on with the chosen one"
    );
    server.clock.advance(3600);
    let token = begun(&server).await.text("mfaToken");
    let code = alice.fresh_code();
    server.verify_reset(&token, &code).await.is(200);
}

async fn a_mailbox_that_is_no_longer_alone_finishes_nothing() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_email().await;
    alice.sign_in().await;
    let asked = begun(&server).await;
    assert_eq!(asked["method"], "email", "it is the only one");
    let mail = server.mail.notice_to(EMAIL, "change your").await;
    alice.enable_authenticator().await;
    let code = mail.code().expect("a code");
    let late = server.verify_reset(&asked.text("mfaToken"), &code).await;
    late.refused(400, "MFA_METHOD_NOT_ENABLED");
    let link = mail.link().expect("a link");
    let late = server.verify_reset(&asked.text("mfaToken"), &link).await;
    late.refused(400, "MFA_METHOD_NOT_ENABLED");
    server
        .login(EMAIL, NEW)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

async fn wrong_codes_before_a_new_password_keep_nobody_out() {
    // The wait must not be over before it is looked for.
    let server = Server::with(|settings| settings.policy.wait_first_seconds = 300).await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    for _ in 0..2 {
        let token = begun(&server).await.text("mfaToken");
        for _ in 0..5 {
            let wrong = server.verify_reset(&token, &alice.wrong_code()).await;
            wrong.refused(400, "INVALID_MFA_CODE");
        }
    }
    let told = server.mail.notice_to(EMAIL, "for a new password").await;
    assert!(told.text.contains("mailbox"), "{}", told.text);
    alice.sign_in().await;
    alice.step_up().await;
    // Only new passwords wait, right codes as well.
    let token = begun(&server).await.text("mfaToken");
    let code = alice.fresh_code();
    let refused = server.verify_reset(&token, &code).await;
    let refused = refused.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let wait = refused.number("retryAfter");
    assert!((120..=300).contains(&wait), "{wait}");
    server.clock.advance(wait);
    let code = alice.fresh_code();
    server.verify_reset(&token, &code).await.is(200);
    // A right code begins the count anew.
    server.clock.advance(3600);
    let wrong = guess(&server, &alice.wrong_code()).await;
    wrong.refused(400, "INVALID_MFA_CODE");
    let code = alice.fresh_code();
    guess(&server, &code).await.is(200);
}

/// Returns a server whose counters stop after ten wrong codes, and somebody with an app and recovery codes
/// whose new passwords were stopped.
async fn stopped() -> (Server, Person, Vec<String>) {
    let server = Server::with(|settings| {
        settings.policy.soft_limit = 5;
        settings.policy.hard_limit = 10;
    })
    .await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    for _ in 0..10 {
        let wrong = guess(&server, &alice.wrong_code()).await;
        wrong.refused(400, "INVALID_MFA_CODE");
    }
    (server, alice, codes)
}

async fn too_many_of_them_stop_new_passwords_only() {
    let (server, mut alice, codes) = stopped().await;
    server.mail.notice_to(EMAIL, "are blocked").await;
    server.clock.advance(365 * 86_400);
    let code = alice.fresh_code();
    guess(&server, &code)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    let code = &codes[0];
    guess(&server, code).await.refused(403, "MFA_METHOD_LOCKED");
    let token = begun(&server).await.text("mfaToken");
    let refused = server.switch(&token, "authenticator").await;
    refused.refused(403, "MFA_METHOD_LOCKED");
    // A sign-in is as before, and lifts the stop. Waits go on.
    alice.sign_in().await;
    server.clock.advance(3600);
    let wrong = guess(&server, &alice.wrong_code()).await;
    wrong.refused(400, "INVALID_MFA_CODE");
    let code = alice.fresh_code();
    guess(&server, &code).await.is(200);

    let (server, mut alice, _codes) = stopped().await;
    server
        .app
        .call(async |ctx| operator::unlock(ctx, EMAIL).await)
        .await
        .expect("unlocked");
    let code = alice.fresh_code();
    guess(&server, &code).await.is(200);
}

async fn wrong_codes_at_once_before_a_new_password_are_counted() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let mut judged = 0;
    for _ in 0..3 {
        let token = begun(&server).await.text("mfaToken");
        let wrong = alice.wrong_code();
        let calls = [0; 12].map(|_| server.verify_reset(&token, &wrong));
        let answers = outcomes(&at_once(calls).await);
        judged += answers.get("INVALID_MFA_CODE").copied().unwrap_or(0);
    }
    assert_eq!(judged, 10, "then there is a wait");
    alice.sign_in().await;
}

async fn a_method_that_is_locked_at_sign_in_sets_no_password() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    let token = alice.begin_sign_in().await;
    let wrong = server.verify_login(&token, &alice.wrong_code()).await;
    wrong.refused(400, "INVALID_MFA_CODE");
    server
        .database
        .run("UPDATE factor_attempts SET failures = 50 WHERE kind = 'authenticator'");
    let token = begun(&server).await.text("mfaToken");
    for code in [alice.fresh_code(), alice.wrong_code()] {
        let refused = server.verify_reset(&token, &code).await;
        refused.refused(403, "MFA_METHOD_LOCKED");
    }
    server.verify_reset(&token, &codes[0]).await.is(200);
}

async fn guesses_of_codes_are_limited_by_network() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 6;
    })
    .await;
    let people = [EMAIL, "bob@example.com", "carol@example.com"];
    for email in people {
        server.registered(email).await;
        server.forgot(email).from("198.51.100.1").await.is(202);
    }
    let mail = server.mail.notice_to(EMAIL, "A new password").await;
    let code = mail.code().expect("a code");
    let by =
        |email: &str, code: &str, from: &str| server.reset_by_code(email, code, NEW).from(from);
    for email in &people[1..] {
        for _ in 0..3 {
            let refused = by(email, "000000x", "203.0.113.9").await;
            refused.refused(400, "INVALID_RESET_CODE");
        }
    }
    // Right codes are refused, too, and cost no try of the mail.
    for _ in 0..6 {
        let refused = by(EMAIL, &code, "203.0.113.77").await;
        let refused = refused.refused(429, "TOO_MANY_RESET_ATTEMPTS");
        let wait = refused.number("retryAfter");
        assert!((3500..=3600).contains(&wait), "{wait}");
    }
    let wrong = by(EMAIL, other_than(&code), "192.0.2.1").await;
    let wrong = wrong.refused(400, "INVALID_RESET_CODE");
    assert_eq!(wrong.number("attemptsRemaining"), 4);
    // The link is no guess, and another network has tries.
    by(EMAIL, &code, "192.0.2.1").await.is(200);
    let mail = server.mail.notice_to(people[1], "A new password").await;
    let link = mail.link().expect("a link");
    let linked = server.reset_by_link(&link, NEW).from("203.0.113.9");
    linked.await.is(200);
    server.clock.advance(3600);
    server.forgot(EMAIL).from("203.0.113.9").await.is(202);
    let refused = by(EMAIL, "000000x", "203.0.113.9").await;
    refused.refused(400, "INVALID_RESET_CODE");
}

async fn what_is_not_compared_is_no_guess_of_the_network() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 6;
    })
    .await;
    let by = |email: &str| {
        let guess = server.reset_by_code(email, "000000x", NEW);
        guess.from("203.0.113.9")
    };
    for email in [EMAIL, "bob@example.com"] {
        server.forgot(email).await.is(202);
    }
    for _ in 0..5 {
        by(EMAIL).await.refused(400, "INVALID_RESET_CODE");
    }
    for _ in 0..5 {
        let over = by(EMAIL).await.refused(429, "TOO_MANY_RESET_ATTEMPTS");
        assert_eq!(over.number("retryAfter"), 1, "the mail has no tries");
    }
    by("bob@example.com")
        .await
        .refused(400, "INVALID_RESET_CODE");
    let over = by("bob@example.com").await;
    let over = over.refused(429, "TOO_MANY_RESET_ATTEMPTS");
    assert_eq!(over.number("retryAfter"), 3600, "the network has none");
}
