//! Step-up: the same session gets fresh proof. Also clocks that are wrong.

use contract_tests::{Authenticator, Call, Person, Server, json, tests};

use crate::other_than;

tests! {
    who_has_no_method_steps_up_by_password,
    a_code_lifts_the_same_session,
    a_password_makes_no_earlier_second_step_fresh,
    the_method_is_chosen,
    a_token_of_a_step_up_is_of_its_session,
    a_step_up_has_its_own_purpose_and_time,
    tries_of_a_step_up_run_out,
    a_stopped_method_steps_nobody_up,
    who_is_signed_in_learns_that_the_clock_is_off,
    a_code_that_was_told_to_be_early_is_no_answer_later,
    who_is_not_signed_in_learns_nothing_of_clocks,
}

async fn who_has_no_method_steps_up_by_password() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let missing = alice
        .begin_step_up(&json!({}))
        .await
        .refused(400, "VALIDATION");
    assert_eq!(missing["errors"][0]["field"], "password");
    alice
        .begin_step_up(&json!({ "password": "wrong" }))
        .await
        .refused(400, "INVALID_PASSWORD");
    alice
        .begin_step_up(&json!({ "method": "authenticator" }))
        .await
        .refused(400, "MFA_NOT_ENABLED");
    server.clock.advance(60);
    let lifted = alice
        .begin_step_up(&json!({ "password": alice.password }))
        .await
        .is(200);
    assert_eq!(
        (&lifted["acr"], &lifted["tokenType"]),
        (&json!("aal1"), &json!("Bearer"))
    );
    assert_eq!(lifted["authTime"], "2026-11-22T14:01:07.000Z");
}

async fn a_code_lifts_the_same_session() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let before = alice.me().await.is(200);
    assert_eq!(before["session"]["acr"], "aal1");
    server.clock.advance(301);
    alice
        .begin_setup("email")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let old = alice.access_token.clone();
    let lifted = alice.step_up().await;
    assert_eq!(lifted["acr"], "aal2");
    let after = alice.me().await.is(200);
    assert_eq!(after["session"]["id"], before["session"]["id"]);
    assert_eq!(after["session"]["authTime"], lifted["authTime"]);
    assert_eq!(after["session"]["amr"], json!(["pwd", "otp", "mfa"]));
    alice.begin_setup("email").await.is(200);
    // The session counts, not the token: an older token gains the proof too, and a refresh keeps
    // it.
    let stale = Person {
        access_token: old,
        ..alice.clone()
    };
    assert_eq!(stale.me().await["session"]["acr"], "aal2");
    let refreshed = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&refreshed);
    alice.begin_setup("email").await.is(200);
    server.clock.advance(301);
    alice
        .begin_setup("email")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn a_password_makes_no_earlier_second_step_fresh() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let asked = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    let signed_in = server.verify_login(&asked, &code).await.is(200);
    alice.keep(&signed_in);
    let mailbox = alice.factor_id("email").await;
    alice.remove(&mailbox).await.is(204);
    server.clock.advance(301);
    alice
        .begin_step_up(&json!({ "password": alice.password }))
        .await
        .is(200);
    // Adding the first method needs no proof; from then on only its own proof counts.
    alice.enable_authenticator().await;
    let app = alice.factor_id("authenticator").await;
    alice
        .remove(&app)
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice
        .new_recovery_codes()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.step_up().await;
    alice.remove(&app).await.is(204);
}

async fn the_method_is_chosen() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice.enable_email().await;
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    assert_eq!(
        (&begun["method"], &begun["mfaMethods"]),
        (&json!("authenticator"), &json!(["authenticator", "email"]))
    );
    for word in ["email", "magic_link"] {
        let begun = alice
            .begin_step_up(&json!({ "method": word }))
            .await
            .is(200);
        assert_eq!(begun["method"], "email");
        let code = server.mail.code_to("alice@example.com").await;
        let token = begun.text("mfaToken");
        let refused = alice.verify_step_up(&token, other_than(&code)).await;
        refused.refused(400, "INVALID_MFA_CODE");
        alice.verify_step_up(&token, &code).await.is(200);
    }
    alice
        .begin_step_up(&json!({ "method": "sms" }))
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    alice
        .begin_step_up(&json!({ "method": "recovery_code" }))
        .await
        .refused(400, "INVALID_MFA_METHOD");
}

async fn a_token_of_a_step_up_is_of_its_session() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let mut bob = server.registered("bob@example.com").await;
    bob.enable_authenticator().await;
    let token = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    bob.verify_step_up(&token, &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let nobody = json!({ "mfaToken": token, "code": code });
    server
        .post("/identity/step-up/verify", &nobody)
        .await
        .refused(401, "TOKEN_INVALID");
    alice.verify_step_up(&token, &code).await.is(200);
    alice
        .verify_step_up(&token, &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let token = bob.begin_step_up(&json!({})).await.is(200).text("mfaToken");
    server
        .database
        .run("UPDATE users SET disabled_at = 1 WHERE email = 'bob@example.com'");
    alice
        .verify_step_up(&token, "123456")
        .await
        .refused(404, "USER_NOT_FOUND");
}

async fn a_step_up_has_its_own_purpose_and_time() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let login = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    alice
        .verify_step_up(&login, &code)
        .await
        .refused(400, "MFA_WRONG_PURPOSE");
    let token = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    for elsewhere in [
        server.verify_login(&token, &code),
        server.verify_setup(&token, &code),
        server.verify_disable(&token, &code),
        server.switch(&token, "authenticator"),
    ] {
        elsewhere.await.refused(400, "MFA_WRONG_PURPOSE");
    }
    server.clock.advance(600);
    let code = alice.fresh_code();
    alice
        .verify_step_up(&token, &code)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
    let token = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    server.database.run("UPDATE factors SET state = 'ready'");
    let code = alice.fresh_code();
    alice
        .verify_step_up(&token, &code)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn tries_of_a_step_up_run_out() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let token = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    for left in (0..5).rev() {
        let refused = alice.verify_step_up(&token, &alice.wrong_code()).await;
        assert_eq!(
            refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
            left
        );
    }
    let code = alice.fresh_code();
    let refused = alice.verify_step_up(&token, &code).await;
    refused.refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn a_stopped_method_steps_nobody_up() {
    let server = Server::with(|settings| settings.policy.hard_limit = 10).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let token = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    let app = alice.authenticator.clone().expect("an app");
    server
        .database
        .run("UPDATE factor_attempts SET failures = 10");
    let code = app.code_at(server.clock.now().plus_seconds(30));
    alice
        .verify_step_up(&token, &code)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    alice
        .begin_step_up(&json!({}))
        .await
        .refused(403, "MFA_METHOD_LOCKED");
}

/// Starts the steps that a signed-in user answers with a code.
async fn steps(alice: &Person) -> Vec<(&'static str, String)> {
    let disable = alice.begin_disable("authenticator").await.is(200);
    let step_up = alice
        .begin_step_up(&json!({ "method": "authenticator" }))
        .await
        .is(200);
    vec![
        ("disable", disable.text("mfaToken")),
        ("step-up", step_up.text("mfaToken")),
    ]
}

fn answer(alice: &Person, step: &str, token: &str, code: &str) -> Call {
    match step {
        "disable" => alice.server.verify_disable(token, code),
        _ => alice.verify_step_up(token, code),
    }
}

async fn who_is_signed_in_learns_that_the_clock_is_off() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let begun = alice.begin_setup("authenticator").await.is(200);
    let app = Authenticator::new(&begun.text("secret"));
    let now = server.clock.now();
    let (token, mut left) = (begun.text("mfaToken"), 5);
    for offset in [120, -300] {
        let code = app.code_at(now.plus_seconds(offset));
        let refused = server.verify_setup(&token, &code).await;
        let refused = refused.refused(400, "AUTHENTICATOR_CLOCK_OFF");
        left -= 1;
        assert_eq!(refused["offsetSeconds"], offset);
        assert_eq!(refused["attemptsRemaining"], left);
    }
    alice.authenticator = Some(app.clone());
    let code = alice.fresh_code();
    server.verify_setup(&token, &code).await.is(200);
    alice.sign_in().await;
    let now = server.clock.now();
    for (step, token) in steps(&alice).await {
        for offset in [600, -600] {
            let code = app.code_at(now.plus_seconds(offset));
            let refused = answer(&alice, step, &token, &code).await;
            let refused = refused.refused(400, "AUTHENTICATOR_CLOCK_OFF");
            assert_eq!(refused["offsetSeconds"], offset, "{step}");
        }
        let far = app.code_at(now.plus_seconds(3600));
        let refused = answer(&alice, step, &token, &far).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
}

async fn a_code_that_was_told_to_be_early_is_no_answer_later() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let app = alice.authenticator.clone().expect("an app");
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    let token = begun.text("mfaToken");
    let early = app.code_at(server.clock.now().plus_seconds(90));
    let told = alice.verify_step_up(&token, &early).await;
    told.refused(400, "AUTHENTICATOR_CLOCK_OFF");
    server.clock.advance(90);
    let refused = alice.verify_step_up(&token, &early).await;
    let refused = refused.refused(400, "INVALID_MFA_CODE");
    assert_eq!(refused["reason"], "already_used");
    server.clock.advance(30);
    let code = app.code_at(server.clock.now());
    alice.verify_step_up(&token, &code).await.is(200);
}

async fn who_is_not_signed_in_learns_nothing_of_clocks() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let app = alice.authenticator.clone().expect("an app");
    let token = alice.begin_sign_in().await;
    let code = app.code_at(server.clock.now().plus_seconds(300));
    let refused = server.verify_login(&token, &code).await;
    assert!(refused.refused(400, "INVALID_MFA_CODE")["offsetSeconds"].is_null());
}
