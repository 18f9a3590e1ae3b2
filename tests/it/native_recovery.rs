//! Recovery codes: they are shown once, work once, and may be typed sloppily.

use contract_tests::{Person, Server, json, tests};

tests! {
    codes_are_shown_once_to_who_gave_fresh_proof,
    a_code_finishes_one_sign_in,
    a_code_is_read_kindly,
    new_codes_end_the_old_ones,
    a_code_turns_a_lost_method_off,
    a_code_steps_up,
    a_code_proves_no_set_up,
    codes_have_a_count_of_their_own,
    new_codes_begin_without_the_wrong_tries_of_the_old_ones,
}

/// Returns a user with an app, signed in with it, and their codes.
async fn with_codes(server: &Server) -> (Person, Vec<String>) {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    (alice, codes)
}

async fn codes_are_shown_once_to_who_gave_fresh_proof() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.sign_in().await;
    alice
        .new_recovery_codes()
        .await
        .refused(400, "MFA_NOT_ENABLED");
    alice.enable_authenticator().await;
    server.clock.advance(301);
    let refused = alice.new_recovery_codes().await;
    let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(refused["maxAge"], 300);
    alice.sign_in().await;
    let made = alice.new_recovery_codes().await.is(201);
    assert_eq!(made["remaining"], 10);
    let codes = made["recoveryCodes"].as_array().expect("a list");
    assert_eq!(codes.len(), 10);
    for code in codes.iter().filter_map(|code| code.as_str()) {
        let groups: Vec<&str> = code.split('-').collect();
        assert!(
            groups.len() == 4 && groups.iter().all(|group| group.len() == 4),
            "{code}"
        );
        assert!(!code.contains(['I', 'L', 'O', 'U']), "{code}");
    }
    let left = &alice.methods().await.is(200)["recoveryCodes"];
    assert_eq!(left["remaining"], 10);
    assert_eq!(left["generatedAt"], server.clock.now().to_string());
    server.mail.notice_to("alice@example.com", "ecovery").await;
}

async fn a_code_finishes_one_sign_in() {
    let server = Server::start().await;
    let (alice, codes) = with_codes(&server).await;
    let token = alice.begin_sign_in().await;
    let signed_in = server.verify_login(&token, &codes[0]).await.is(200);
    assert_eq!(signed_in["recoveryCodesRemaining"], 9);
    let again = Person::signed_in(&server, "alice@example.com", &signed_in);
    let session = &again.me().await.is(200)["session"];
    assert_eq!(
        (&session["acr"], &session["amr"]),
        (&json!("two-step"), &json!(["pwd", "recovery"]))
    );
    server
        .mail
        .notice_to("alice@example.com", "recovery code was used")
        .await;
    let token = alice.begin_sign_in().await;
    let refused = server.verify_login(&token, &codes[0]).await;
    assert_eq!(
        refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
        4
    );
    server.verify_login(&token, &codes[1]).await.is(200);
    assert_eq!(alice.methods().await["recoveryCodes"]["remaining"], 8);
}

async fn a_code_is_read_kindly() {
    let server = Server::start().await;
    let (alice, codes) = with_codes(&server).await;
    let kindly = [
        codes[0].to_lowercase(),
        codes[1].replace('-', ""),
        codes[2].replace('-', " "),
        format!("  {}  ", codes[3]),
        codes[4].replace('0', "O").replace('1', "I"),
        codes[5].to_lowercase().replace('0', "o").replace('1', "l"),
        codes[6].replace('-', "\u{2013}"),
    ];
    for code in kindly {
        let token = alice.begin_sign_in().await;
        server.verify_login(&token, &code).await.is(200);
    }
}

async fn new_codes_end_the_old_ones() {
    let server = Server::start().await;
    let (alice, old) = with_codes(&server).await;
    let new = alice.recovery_codes().await;
    let token = alice.begin_sign_in().await;
    let refused = server.verify_login(&token, &old[0]).await;
    refused.refused(400, "INVALID_MFA_CODE");
    let signed_in = server.verify_login(&token, &new[0]).await.is(200);
    assert_eq!(signed_in["recoveryCodesRemaining"], 9);
}

async fn a_code_turns_a_lost_method_off() {
    let server = Server::start().await;
    let (alice, codes) = with_codes(&server).await;
    let begun = alice.begin_disable("authenticator").await.is(200);
    let off = server
        .verify_disable(&begun.text("mfaToken"), &codes[0])
        .await
        .is(200);
    assert_eq!(off["mfaMethods"], json!([]));
    assert_eq!(off["recoveryCodesRemaining"], 9);
    alice.login().await.is(200).text("accessToken");
}

async fn a_code_steps_up() {
    let server = Server::start().await;
    let (alice, codes) = with_codes(&server).await;
    server.clock.advance(301);
    alice
        .new_recovery_codes()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let token = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    let lifted = alice.verify_step_up(&token, &codes[0]).await.is(200);
    assert_eq!(lifted["recoveryCodesRemaining"], 9);
    alice.new_recovery_codes().await.is(201);
}

async fn a_code_proves_no_set_up() {
    let server = Server::start().await;
    let (alice, codes) = with_codes(&server).await;
    let begun = alice
        .begin_setup_named("authenticator", "Tablet")
        .await
        .is(200);
    let refused = server
        .verify_setup(&begun.text("mfaToken"), &codes[0])
        .await;
    refused.refused(400, "INVALID_MFA_CODE");
    assert_eq!(alice.methods().await["recoveryCodes"]["remaining"], 10);
}

async fn codes_have_a_count_of_their_own() {
    let server = Server::with(|settings| settings.policy.soft_limit = 5).await;
    let (mut alice, codes) = with_codes(&server).await;
    let token = alice.begin_sign_in().await;
    for _ in 0..5 {
        let refused = server.verify_login(&token, "0000-0000-0000-0000").await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    let token = alice.begin_sign_in().await;
    let refused = server.verify_login(&token, &codes[0]).await;
    refused.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn new_codes_begin_without_the_wrong_tries_of_the_old_ones() {
    let server = Server::with(|settings| settings.policy.hard_limit = 10).await;
    let (alice, codes) = with_codes(&server).await;
    for _ in 0..2 {
        let token = alice.begin_sign_in().await;
        for _ in 0..5 {
            server.verify_login(&token, "0000-0000-0000-0000").await;
        }
    }
    let token = alice.begin_sign_in().await;
    let stopped = server.verify_login(&token, &codes[0]).await;
    stopped.refused(403, "MFA_METHOD_LOCKED");
    let new = alice.recovery_codes().await;
    server.verify_login(&token, &new[0]).await.is(200);
}
