//! Veeam's scratch codes: what they prove, what they do not, and how many are made.

use contract_tests::{Authenticator, PASSWORD, Person, Server, json, tests};

use crate::veeam::{accept, enable, enabled, number, registered, scratch, second, sign_in};

tests! {
    a_scratch_code_turns_it_on_and_is_spent,
    wrong_scratch_codes_of_a_set_up_are_counted,
    a_guess_that_could_be_a_mailed_code_counts_as_one,
    a_set_that_was_stopped_is_lifted_by_the_app_and_replaced_by_a_new_one,
    sets_of_codes_are_so_many_an_hour,
}

async fn a_scratch_code_turns_it_on_and_is_spent() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    let codes = scratch(&begun);
    accept(&alice, own, &begun.text("token"), &codes[2])
        .await
        .is(200);
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    let spent = second(&server, &mfa_token, &codes[2]).await;
    spent.refused(400, "INVALID_MFA_CODE");
    alice.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = alice.fresh_code();
    let by_app = second(&server, &mfa_token, &code).await.is(200);
    assert!(by_app["recovery_codes_remaining"].is_null());
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert_eq!(asked["mfa_method"], "authenticator");
    let by_scratch = second(&server, &asked.text("mfa_token"), &codes[0]).await;
    assert_eq!(by_scratch.is(200)["recovery_codes_remaining"], 3);
}

async fn wrong_scratch_codes_of_a_set_up_are_counted() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    for remaining in (0..5).rev() {
        let wrong = accept(&alice, own, &begun.text("token"), "00000000").await;
        let wrong = wrong.refused(400, "INVALID_MFA_CODE");
        assert_eq!(wrong["attemptsRemaining"], remaining);
    }
    let codes = scratch(&begun);
    let over = accept(&alice, own, &begun.text("token"), &codes[0]).await;
    over.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let native = accept_natively(&alice, &enable(&alice, own, &json!(false)).await.is(200)).await;
    native.refused(400, "INVALID_MFA_CODE");
}

/// The native API accepts no scratch code as proof.
async fn accept_natively(
    person: &Person,
    begun: &contract_tests::Answer,
) -> contract_tests::Answer {
    let code = &scratch(begun)[0];
    person.server.verify_setup(&begun.text("token"), code).await
}

/// Asserts that ten wrong codes of eight digits at the token endpoint make the mailed code wait.
async fn guesses_are_of_the_mailed_code(server: &Server, person: &Person) {
    for _ in 0..2 {
        let asked = sign_in(server, &person.email, PASSWORD).await.is(200);
        server.mail.code_to(&person.email).await;
        for _ in 0..5 {
            let wrong = second(server, &asked.text("mfa_token"), "00000000").await;
            wrong.refused(400, "INVALID_MFA_CODE");
        }
    }
    let asked = sign_in(server, &person.email, PASSWORD).await.is(200);
    let code = server.mail.code_to(&person.email).await;
    let early = second(server, &asked.text("mfa_token"), &code).await;
    early.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    server.clock.advance(30);
    let right = second(server, &asked.text("mfa_token"), &code).await;
    assert!(right.is(200)["access_token"].is_string());
}

async fn a_guess_that_could_be_a_mailed_code_counts_as_one() {
    let server = Server::with(|settings| settings.policy.code_digits = 8).await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    alice.sign_in().await;
    alice.enable_email().await;
    alice.prefer(&alice.factor_id("email").await).await.is(200);
    guesses_are_of_the_mailed_code(&server, &alice).await;
    let mut bob = registered(&server, "bob@example.com").await;
    bob.enable_email().await;
    guesses_are_of_the_mailed_code(&server, &bob).await;
}

async fn a_set_that_was_stopped_is_lifted_by_the_app_and_replaced_by_a_new_one() {
    let server = Server::with(|settings| {
        settings.policy.soft_limit = 9;
        settings.policy.hard_limit = 10;
    })
    .await;
    let mut alice = registered(&server, "alice@example.com").await;
    let codes = enabled(&mut alice).await;
    let stop = async || {
        for tries in [5, 4, 1] {
            let asked = sign_in(&server, "alice@example.com", PASSWORD)
                .await
                .is(200);
            for _ in 0..tries {
                let wrong = second(&server, &asked.text("mfa_token"), "00000000").await;
                wrong.refused(400, "INVALID_MFA_CODE");
            }
            server.clock.advance(31);
        }
        let asked = sign_in(&server, "alice@example.com", PASSWORD)
            .await
            .is(200);
        let stopped = second(&server, &asked.text("mfa_token"), &codes[0]).await;
        stopped.refused(403, "MFA_METHOD_LOCKED");
    };
    let fits = async |code: &str| {
        let asked = sign_in(&server, "alice@example.com", PASSWORD)
            .await
            .is(200);
        second(&server, &asked.text("mfa_token"), code)
            .await
            .is(200);
    };
    stop().await;
    alice.sign_in().await;
    server.clock.advance(3600);
    fits(&codes[0]).await;
    alice.sign_in().await;
    stop().await;
    let own = number(&alice).await;
    let begun = enable(&alice, own, &json!(true)).await.is(200);
    let new = scratch(&begun);
    alice.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = alice.fresh_code();
    accept(&alice, own, &begun.text("token"), &code)
        .await
        .is(200);
    fits(&new[0]).await;
}

async fn sets_of_codes_are_so_many_an_hour() {
    let server = Server::with(|settings| settings.policy.code_sets_per_hour = 2).await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    enable(&alice, own, &json!(false)).await.is(200);
    let last = enabled(&mut alice).await;
    alice.sign_in().await;
    let more = enable(&alice, own, &json!(true)).await;
    let more = more.refused(429, "TOO_MANY_REQUESTS");
    assert!(more.header("retry-after").is_some());
    let body = json!({ "mfaType": "GOOGLE_AUTH" });
    let bob = server.registered("bob@example.com").await;
    for _ in 0..2 {
        bob.post("/mfa/setup", &body).await.is(200);
    }
    bob.post("/mfa/setup", &body)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    alice
        .new_recovery_codes()
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    // The earlier codes are still valid.
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    second(&server, &asked.text("mfa_token"), &last[0])
        .await
        .is(200);
    server.clock.advance(3600);
    alice.sign_in().await;
    alice.new_recovery_codes().await.is(201);
}
