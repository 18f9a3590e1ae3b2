//! Registration: equal answers for known and unknown addresses, proof by a code, one account for
//! each address.

use contract_tests::{PASSWORD, Server, json, tests};

tests! {
    a_known_and_an_unknown_address_are_answered_alike,
    a_known_address_is_told_by_mail_and_nothing_changes,
    a_registration_for_a_known_address_behaves_like_one_with_a_wrong_code,
    a_code_fits_its_own_registration_only,
    a_code_works_for_ten_minutes,
    a_registration_makes_one_account,
    after_five_wrong_codes_only_a_new_registration_helps,
    a_registration_can_come_too_late,
    an_address_has_one_form,
    an_address_may_have_letters_of_any_script,
    what_is_no_address_is_refused,
    names_are_kept,
    three_mails_an_hour_and_the_fourth_call_looks_the_same,
    mails_of_strangers_use_up_no_codes,
    a_token_of_another_kind_is_no_registration,
    numbers_are_given_in_order,
}

async fn a_known_and_an_unknown_address_are_answered_alike() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let known = server.register("alice@example.com").await.is(202);
    let unknown = server.register("newbie@example.com").await.is(202);
    let hidden = ["registrationToken"];
    assert_eq!(known.looks(&hidden), unknown.looks(&hidden));
}

async fn a_known_address_is_told_by_mail_and_nothing_changes() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let other = json!({ "email": "alice@example.com", "password": "another password altogether" });
    server.post("/identity/register", &other).await.is(202);
    let mail = server.mail.notice_to("alice@example.com", "already").await;
    assert!(mail.code().is_none());
    alice.login().await.is(200);
    alice.me().await.is(200);
}

async fn a_registration_for_a_known_address_behaves_like_one_with_a_wrong_code() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let known = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let unknown = server
        .register("newbie@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let code = server.mail.code_to("newbie@example.com").await;
    for _ in 0..7 {
        let one = server.prove(&known, super::other_than(&code)).await;
        let other = server.prove(&unknown, super::other_than(&code)).await;
        assert_eq!(one.looks(&[]), other.looks(&[]));
    }
    let one = server
        .prove(&known, "no code")
        .await
        .refused(429, "TOO_MANY_REGISTRATION_ATTEMPTS");
    let other = server.prove(&unknown, &code).await;
    assert_eq!(
        one.looks(&[]),
        other.looks(&[]),
        "the right code comes too late as well"
    );
    server.clock.advance(600);
    let one = server
        .prove(&known, "123456")
        .await
        .refused(400, "REGISTRATION_TOKEN_EXPIRED");
    let other = server.prove(&unknown, &code).await;
    assert_eq!(one.looks(&[]), other.looks(&[]));
}

async fn a_code_fits_its_own_registration_only() {
    let server = Server::start().await;
    let one = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let code_of_one = server.mail.code_to("alice@example.com").await;
    let two = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let code_of_two = server.mail.code_to("alice@example.com").await;
    assert_ne!(code_of_one, code_of_two);
    server
        .prove(&one, &code_of_two)
        .await
        .refused(400, "INVALID_REGISTRATION_CODE");
    server
        .prove(&two, &code_of_one)
        .await
        .refused(400, "INVALID_REGISTRATION_CODE");
    server.prove(&two, &code_of_two).await.is(201);
}

async fn a_code_works_for_ten_minutes() {
    let server = Server::start().await;
    let token = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let mail = server.mail.next_to("alice@example.com").await;
    assert!(mail.text.contains("10 minutes"), "{}", mail.text);
    server.clock.advance(599);
    server
        .prove(&token, &mail.code().expect("a code"))
        .await
        .is(201);
}

async fn a_registration_makes_one_account() {
    let server = Server::start().await;
    let token = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let code = server.mail.code_to("alice@example.com").await;
    server
        .prove(&token, &format!("{} {}", &code[..3], &code[3..]))
        .await
        .is(201);
    server
        .prove(&token, &code)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
}

async fn after_five_wrong_codes_only_a_new_registration_helps() {
    let server = Server::start().await;
    let token = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let code = server.mail.code_to("alice@example.com").await;
    for remaining in (0..5).rev() {
        let refused = server.prove(&token, super::other_than(&code)).await;
        assert_eq!(
            refused.refused(400, "INVALID_REGISTRATION_CODE")["attemptsRemaining"],
            remaining
        );
    }
    server
        .prove(&token, &code)
        .await
        .refused(429, "TOO_MANY_REGISTRATION_ATTEMPTS");
    let elsewhere = server.over_new_connections();
    elsewhere
        .prove(&token, &code)
        .await
        .refused(429, "TOO_MANY_REGISTRATION_ATTEMPTS");
    server.registered("alice@example.com").await;
}

async fn a_registration_can_come_too_late() {
    let server = Server::start().await;
    let slow = server
        .register("alice@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let slow_code = server.mail.code_to("alice@example.com").await;
    let alice = server.registered("alice@example.com").await;
    server
        .prove(&slow, &slow_code)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
    alice.me().await.is(200);
    alice.login().await.is(200);
}

async fn an_address_has_one_form() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for typed in ["Alice@EXAMPLE.com", " alice@example.com "] {
        server.register(typed).await.is(202);
        server.mail.notice_to("alice@example.com", "already").await;
    }
    server.login("ALICE@example.COM", PASSWORD).await.is(200);
}

async fn an_address_may_have_letters_of_any_script() {
    let server = Server::start().await;
    let zoe = server.registered("zo\u{eb}@example.com").await;
    assert_eq!(zoe.me().await["email"], "zo\u{eb}@example.com");
    let decomposed = server
        .login("zoe\u{308}@example.com", PASSWORD)
        .await
        .is(200);
    assert_eq!(decomposed["user"]["id"], zoe.me().await["id"]);
}

async fn what_is_no_address_is_refused() {
    let server = Server::start().await;
    let long = format!("{}@example.com", "x".repeat(255));
    for email in [
        "",
        "zelda",
        "@zelda.org",
        "zelda@",
        "zelda@localhost",
        "a@b@zelda.org",
        "a b@zelda.org",
        &long,
    ] {
        let refused = server.register(email).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "email", "{email}");
        assert!(
            !refused.text.contains("zelda") && !refused.text.contains("xxx"),
            "{}",
            refused.text
        );
    }
}

async fn names_are_kept() {
    let server = Server::start().await;
    let body = json!({
        "email": "alice@example.com", "password": PASSWORD, "firstName": "Al\u{ef}ce", "lastName": "O'Archer"
    });
    let begun = server.post("/identity/register", &body).await.is(202);
    let code = server.mail.code_to("alice@example.com").await;
    let proved = server
        .prove(&begun.text("registrationToken"), &code)
        .await
        .is(201);
    assert_eq!(proved["user"]["firstName"], "Al\u{ef}ce");
    assert_eq!(proved["user"]["lastName"], "O'Archer");
    assert_eq!(proved["user"]["role"], "user");
    assert_eq!(proved["user"]["createdAt"], "2026-11-22T14:00:07.000Z");
    for (field, value) in [
        ("firstName", "a\u{0}b"),
        ("lastName", "a\r\nBcc: b"),
        ("firstName", ""),
        ("lastName", &"x".repeat(101)),
    ] {
        let mut body = body.clone();
        body[field] = json!(value);
        let refused = server
            .post("/identity/register", &body)
            .await
            .refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], field);
    }
    for field in ["role", "mfaEnabled", "id", "number"] {
        let mut body = body.clone();
        body[field] = json!("administrator");
        let refused = server
            .post("/identity/register", &body)
            .await
            .refused(400, "VALIDATION");
        assert_eq!(
            refused["errors"][0]["field"], field,
            "who registers chooses nothing else"
        );
    }
}

async fn three_mails_an_hour_and_the_fourth_call_looks_the_same() {
    let server = Server::start().await;
    let third = {
        server.register("alice@example.com").await.is(202);
        server.register("alice@example.com").await.is(202);
        server.register("alice@example.com").await.is(202)
    };
    let fourth = server.register("alice@example.com").await.is(202);
    assert_eq!(
        third.looks(&["registrationToken"]),
        fourth.looks(&["registrationToken"])
    );
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), 3);
    let silent = fourth.text("registrationToken");
    server
        .prove(&silent, "123456")
        .await
        .refused(400, "INVALID_REGISTRATION_CODE");
    server.register("bob@example.com").await.is(202);
    server.mail.code_to("bob@example.com").await;
    server.clock.advance(3600);
    server.register("alice@example.com").await.is(202);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), 4);
}

async fn mails_of_strangers_use_up_no_codes() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    for _ in 0..10 {
        server.register("alice@example.com").await.is(202);
    }
    for _ in 0..5 {
        server.clock.advance(1);
        alice.begin_sign_in().await;
        server.mail.code_to("alice@example.com").await;
    }
}

async fn a_token_of_another_kind_is_no_registration() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let mfa = alice
        .begin_setup("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let relabelled = mfa.replacen("mfa_", "reg_", 1);
    for token in [
        &mfa,
        &relabelled,
        &alice.refresh_token,
        &alice.access_token[..200],
        "reg_",
        "x",
    ] {
        server
            .prove(token, "123456")
            .await
            .refused(400, "REGISTRATION_TOKEN_INVALID");
    }
}

async fn numbers_are_given_in_order() {
    let server = Server::start().await;
    let alice = server
        .registered("alice@example.com")
        .await
        .me()
        .await
        .number("number");
    let bob = server
        .registered("bob@example.com")
        .await
        .me()
        .await
        .number("number");
    assert!(alice >= 1 && bob > alice, "{alice} {bob}");
}
