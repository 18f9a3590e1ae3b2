//! What a stolen session cannot do: lock its owner out, use up a network's limits, or become valid
//! again because of the clock.

use contract_tests::call::{Method, at_once};
use contract_tests::{Person, Server, json, tests};
use countersign::model::UserId;
use countersign::model::reference::{Reference, ReferenceKind};

use super::veeam::OTHER_PASSWORD;

tests! {
    ten_wrong_codes_end_the_session_and_keep_nobody_out,
    wrong_recovery_codes_of_a_session_keep_nobody_out,
    a_right_code_begins_the_count_of_a_session_anew,
    a_right_answer_of_another_kind_clears_no_guesses,
    no_clock_gives_a_session_its_tries_again,
    proof_of_a_time_to_come_does_not_become_fresh_when_it_comes,
    a_resend_that_is_refused_keeps_the_link,
    a_reset_that_no_message_can_follow_keeps_the_link,
    ten_wrong_codes_at_once_are_ten,
    a_burst_of_resends_counts_as_the_one_that_went_out,
    what_a_session_begins_voids_no_link_of_a_sign_in,
    recovery_codes_of_the_first_session_come_back_by_no_clock,
    proof_that_was_too_old_stays_so_when_the_clock_goes_back,
    proof_is_given_anew_after_a_clock_that_was_ahead,
    a_clock_that_jumped_ends_no_api_key,
    a_native_registration_is_not_resent_by_a_link,
}

async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

/// Steps up with a wrong code as often as the session allows, up to `most` times.
async fn guess(thief: &Person, most: usize) -> usize {
    let wrong = thief.wrong_code();
    let mut compared = 0;
    while compared < most {
        let begun = thief
            .begin_step_up(&json!({ "method": "authenticator" }))
            .await;
        if begun.status == 401 {
            break;
        }
        let token = begun.is(200).text("mfaToken");
        for _ in 0..5 {
            if compared == most {
                return compared;
            }
            let answer = thief.verify_step_up(&token, &wrong).await;
            if answer.status == 401 {
                return compared;
            }
            answer.refused(400, "INVALID_MFA_CODE");
            compared += 1;
        }
    }
    compared
}

async fn ten_wrong_codes_end_the_session_and_keep_nobody_out() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    let thief = alice.clone();
    server.clock.advance(400);
    assert_eq!(guess(&thief, 50).await, 10);
    thief.me().await.refused(401, "TOKEN_INVALID");
    let told = server
        .mail
        .notice_to("alice@example.com", "A session of your")
        .await;
    assert!(told.text.contains("ten wrong"), "{}", told.text);
    // The owner signs in at once, with the same method.
    alice.sign_in().await;
    alice.me().await.is(200);
}

async fn wrong_recovery_codes_of_a_session_keep_nobody_out() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    server.clock.advance(400);
    for _ in 0..2 {
        let begun = alice.begin_step_up(&json!({})).await.is(200);
        for _ in 0..5 {
            alice
                .verify_step_up(&begun.text("mfaToken"), "aaaaa-aaaaa")
                .await
                .refused(400, "INVALID_MFA_CODE");
        }
    }
    alice.me().await.refused(401, "TOKEN_INVALID");
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &codes[0]).await.is(200);
}

async fn a_right_code_begins_the_count_of_a_session_anew() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    for _ in 0..3 {
        assert_eq!(guess(&alice, 4).await, 4);
        server.clock.advance(30);
        alice.step_up().await;
    }
    alice.me().await.is(200);
}

async fn a_right_answer_of_another_kind_clears_no_guesses() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    assert_eq!(guess(&alice, 9).await, 9);
    let act = json!({ "shortMessageType": "RestorePassword" });
    alice.post("/api/CodeVerification/send", &act).await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    let proof = json!({ "shortMessageType": "RestorePassword", "code": code });
    alice
        .post("/api/CodeVerification/check", &proof)
        .await
        .is(200);
    assert_eq!(guess(&alice, 9).await, 1);
    alice.me().await.refused(401, "TOKEN_INVALID");
}

async fn no_clock_gives_a_session_its_tries_again() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    server.clock.advance(700);
    assert_eq!(guess(&alice, 9).await, 9);
    server.clock.advance(-80);
    let renewed = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&renewed);
    assert_eq!(guess(&alice, 9).await, 1);
    alice.me().await.refused(401, "TOKEN_INVALID");
}

async fn proof_of_a_time_to_come_does_not_become_fresh_when_it_comes() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    server.clock.advance(-1800);
    let renewed = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&renewed);
    for later in [0, 800, 1010] {
        server.clock.advance(later);
        let renewed = server.refresh(&alice.refresh_token).await.is(200);
        alice.keep(&renewed);
        alice
            .new_recovery_codes()
            .await
            .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
}

async fn a_resend_that_is_refused_keeps_the_link() {
    let server = Server::with(|settings| settings.policy.mails_per_hour = 4).await;
    let register = |email: &str| {
        let body = super::flashback::registration(email, None);
        server.post("/user/register", &body)
    };
    let first = register("alice@example.com").await.is(201);
    let link = server.mail.link_to("alice@example.com").await;
    register("bob@example.com").await.is(201);
    // Strangers have half of the server's mails.
    let path = format!(
        "/user/resend-verification/{}",
        first.text("verificationTokenId")
    );
    let resent = server.call(Method::POST, &path).await;
    resent.refused(503, "SERVICE_UNAVAILABLE");
    let body = json!({ "token": link });
    server.post("/user/pre-verify-email", &body).await.is(200);
}

async fn a_reset_that_no_message_can_follow_keeps_the_link() {
    let server = Server::with(|settings| settings.policy.mails_per_hour = 40).await;
    let email = "alice@example.com";
    let mut alice = server.registered(email).await;
    alice.enable_email().await;
    let link = server.forgotten(email).await;
    let used = |count: u32| {
        let name = "name IN ('mails', 'mails_strangers')";
        let statement = format!("UPDATE limits SET used = {count} WHERE {name}");
        server.database.run(&statement);
    };
    used(40);
    let refused = server.reset_by_link(&link, OTHER_PASSWORD).await;
    refused.refused(503, "SERVICE_UNAVAILABLE");
    used(0);
    let begun = server.reset_by_link(&link, OTHER_PASSWORD).await.is(200);
    assert_eq!(begun["status"], "mfa_required");
}

async fn ten_wrong_codes_at_once_are_ten() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    let wrong = alice.wrong_code();
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let begun = alice
            .begin_step_up(&json!({ "method": "authenticator" }))
            .await;
        tokens.push(begun.is(200).text("mfaToken"));
    }
    let calls = tokens
        .iter()
        .flat_map(|token| (0..5).map(|_| alice.verify_step_up(token, &wrong)));
    let answers = at_once(calls).await;
    let compared = answers
        .iter()
        .filter(|answer| answer["code"] == "INVALID_MFA_CODE");
    assert_eq!(compared.count(), 10);
    alice.me().await.refused(401, "TOKEN_INVALID");
    alice.sign_in().await;
}

async fn a_burst_of_resends_counts_as_the_one_that_went_out() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 6;
        settings.policy.mails_per_hour = 100;
    })
    .await;
    let mut mallory = server.registered("mallory@example.com").await;
    mallory.enable_email().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = mallory
        .login()
        .from("203.0.113.7")
        .await
        .is(200)
        .text("mfaToken");
    server.clock.advance(61);
    let burst = (0..40).map(|_| server.resend(&token).from("203.0.113.7"));
    let answers = at_once(burst).await;
    let sent = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(sent, 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer["code"] != "TOO_MANY_REQUESTS")
    );
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    // The other users of the network have the four calls that are left.
    for _ in 0..4 {
        alice.login().from("203.0.113.8").await.is(200);
    }
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before + 4);
}

async fn what_a_session_begins_voids_no_link_of_a_sign_in() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.keep(&signed_in);
    let thief = alice.clone();
    server.clock.advance(400);
    let token = alice.begin_sign_in().await;
    let link = server.mail.link_to("alice@example.com").await;
    thief
        .begin_step_up(&json!({ "method": "email" }))
        .await
        .is(200);
    let code = server.open_link(&link).await.is(200).text("code");
    server.verify_login(&token, &code).await.is(200);
}

async fn recovery_codes_of_the_first_session_come_back_by_no_clock() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    server.clock.advance(400);
    alice
        .new_recovery_codes()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    for back in [-60, -200, -3600] {
        server.clock.advance(back);
        let renewed = server.refresh(&alice.refresh_token).await.is(200);
        alice.keep(&renewed);
        alice
            .new_recovery_codes()
            .await
            .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
}

async fn proof_that_was_too_old_stays_so_when_the_clock_goes_back() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let begin = || alice.post("/mfa/setup", &json!({ "mfaType": "GOOGLE_AUTH" }));
    server.clock.advance(400);
    begin()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    server.clock.advance(-200);
    begin()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let root = server.administrator("root@example.com").await;
    let key = || {
        let body = json!({ "name": "x", "scopes": ["users:read"] });
        root.post("/identity/api-keys", &body)
    };
    key().await.is(201);
    server.clock.advance(700);
    key().await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    server.clock.advance(-300);
    key().await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn proof_is_given_anew_after_a_clock_that_was_ahead() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    server.clock.advance(800);
    alice.me().await.is(200);
    server.clock.advance(-700);
    alice
        .new_recovery_codes()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.step_up().await;
    assert_eq!(alice.recovery_codes().await.len(), 10);
}

async fn a_clock_that_jumped_ends_no_api_key() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let key = root.api_key(&["users:read"]).await;
    let used = || server.get("/identity/users").key(&key);
    used().await.is(200);
    // The server checks its clock now and then.
    server.forget_after(60).await;
    let jump = 91 * 86_400;
    server.clock.advance(jump);
    used().await.refused(401, "API_KEY_INVALID");
    server.clock.advance(-jump);
    used().await.is(200);
}

async fn a_native_registration_is_not_resent_by_a_link() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for email in ["alice@example.com", "newbie@example.com"] {
        let begun = server.register(email).await.is(202);
        let token = begun.text("registrationToken");
        let reference = Reference::parse(ReferenceKind::Registration, &token);
        let id: UserId = reference.expect("a registration").user();
        server.mail_is_out().await;
        let before = server.mail.all_to(email).len();
        let path = format!("/user/resend-verification/{id}");
        server.call(Method::POST, &path).await.is(200);
        server.mail_is_out().await;
        assert_eq!(server.mail.all_to(email).len(), before, "{email}");
    }
}
