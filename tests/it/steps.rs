//! Tokens between two steps: each opens one step of one flow of one person, for its ten minutes.

use contract_tests::{Answer, Authenticator, Call, Person, Server, json, tests};

tests! {
    a_token_of_one_purpose_opens_no_other,
    a_token_lives_ten_minutes,
    a_token_that_is_none_opens_nothing,
    a_token_is_nobody_elses,
    a_set_up_begun_anew_replaces_the_one_before,
    a_set_up_that_another_one_overtook_is_refused,
    a_set_up_ends_with_the_session_that_began_it,
    a_set_up_begun_with_the_password_alone_ends_when_a_factor_goes_on,
    a_set_up_takes_the_password,
    a_second_set_up_takes_a_fresh_sign_in_with_the_first_factor,
    nothing_is_on_until_it_is_proved,
    turning_off_takes_password_and_code,
    what_was_turned_off_is_turned_off_once,
    turning_one_method_off_leaves_the_other,
    what_is_not_on_cannot_be_turned_off,
    what_was_turned_off_answers_no_sign_in,
    switching_sends_one_mail,
    switching_takes_a_method_that_is_on,
    a_turned_off_app_starts_over_with_a_new_secret,
    an_account_that_is_gone_finishes_nothing,
}

/// The four operations that take an `mfaToken` and judge its purpose.
fn finish(server: &Server, purpose: &str, token: &str, code: &str) -> Call {
    match purpose {
        "setup" => server.verify_setup(token, code),
        "disable" => server.verify_disable(token, code),
        "switch" => server.switch(token, "email"),
        _ => server.verify_login(token, code),
    }
}

const PURPOSES: [&str; 4] = ["setup", "disable", "login", "switch"];

/// Somebody with mail on, who begins one flow of each purpose: the tokens.
async fn one_of_each(server: &Server) -> (Person, [(&'static str, String); 3]) {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let setup = alice.begin_setup("authenticator").await.is(200).text("mfaToken");
    let disable = alice.begin_disable("email").await.is(200).text("mfaToken");
    let login = alice.begin_sign_in().await;
    (alice, [("setup", setup), ("disable", disable), ("login", login)])
}

async fn a_token_of_one_purpose_opens_no_other() {
    let server = Server::start().await;
    let (_, tokens) = one_of_each(&server).await;
    for (purpose, token) in &tokens {
        for other in PURPOSES.into_iter().filter(|other| other != purpose && (*other, *purpose) != ("switch", "login")) {
            let refused = finish(&server, other, token, "123456").await;
            assert_eq!((refused.status, refused["code"].as_str()), (400, Some("MFA_WRONG_PURPOSE")), "{purpose} at {other}");
        }
    }
    for (purpose, token) in &tokens {
        let refused = finish(&server, purpose, token, "123456").await.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], 4, "a wrong purpose costs no try of {purpose}");
    }
}

async fn a_token_lives_ten_minutes() {
    let server = Server::start().await;
    let (_, tokens) = one_of_each(&server).await;
    server.clock.advance(599);
    for (purpose, token) in &tokens {
        finish(&server, purpose, token, "123456").await.refused(400, "INVALID_MFA_CODE");
    }
    server.clock.advance(1);
    for (purpose, token) in &tokens {
        for other in PURPOSES {
            finish(&server, other, token, "123456").await.refused(400, "MFA_TOKEN_EXPIRED");
        }
        server.resend(token).await.refused(400, "MFA_TOKEN_EXPIRED");
        assert!(!purpose.is_empty());
    }
}

async fn a_token_that_is_none_opens_nothing() {
    let server = Server::start().await;
    let (alice, tokens) = one_of_each(&server).await;
    let good = &tokens[2].1;
    let other_end = format!("{}AAAA", &good[..good.len() - 4]);
    let relabelled = alice.refresh_token.replacen("rt_", "mfa_", 1);
    let spaced = format!(" {good}");
    let bare = good.trim_start_matches("mfa_");
    for token in ["x", "mfa_", "mfa_!!!", &other_end, &relabelled, &spaced, bare, &alice.access_token[..200]] {
        for purpose in PURPOSES {
            finish(&server, purpose, token, "123456").await.refused(400, "MFA_TOKEN_INVALID");
        }
        server.resend(token).await.refused(400, "MFA_TOKEN_INVALID");
    }
}

async fn a_token_is_nobody_elses() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let mut bob = server.registered("bob@example.com").await;
    alice.enable_authenticator().await;
    bob.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    let code = bob.fresh_code();
    server.verify_login(&token, &code).await.refused(400, "INVALID_MFA_CODE");
    let code = alice.fresh_code();
    let signed_in = server.verify_login(&token, &code).await.is(200);
    assert_eq!(signed_in["user"]["email"], "alice@example.com");
}

async fn a_set_up_begun_anew_replaces_the_one_before() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let first = alice.begin_setup("authenticator").await.is(200);
    let second = alice.begin_setup("authenticator").await.is(200);
    assert_ne!(first.text("secret"), second.text("secret"));
    let now = server.clock.now();
    let code = |answer: &Answer| Authenticator::new(&answer.text("secret")).code_at(now);
    server.verify_setup(&first.text("mfaToken"), &code(&first)).await.refused(400, "AUTHENTICATOR_NOT_CONFIGURED");
    server.verify_setup(&second.text("mfaToken"), &code(&first)).await.refused(400, "INVALID_MFA_CODE");
    server.verify_setup(&second.text("mfaToken"), &code(&second)).await.is(200);

    let bob = server.registered("bob@example.com").await;
    let first = bob.begin_setup("email").await.is(200).text("mfaToken");
    let code_of_first = server.mail.code_to("bob@example.com").await;
    let second = bob.begin_setup("email").await.is(200).text("mfaToken");
    let code_of_second = server.mail.code_to("bob@example.com").await;
    server.verify_setup(&first, &code_of_first).await.refused(400, "MFA_TOKEN_INVALID");
    server.verify_setup(&second, &code_of_second).await.is(200);
}

async fn a_set_up_that_another_one_overtook_is_refused() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let first = alice.begin_setup("authenticator").await.is(200);
    let code = Authenticator::new(&first.text("secret")).code_at(server.clock.now());
    // The second set-up is let in while no app is on yet, and hashes the password while the first ends.
    let busy = contract_tests::call::at_once((0..6).map(|_| server.login("nobody@example.com", "wrong")));
    let second = alice.begin_setup("authenticator");
    let finished = async {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        server.verify_setup(&first.text("mfaToken"), &code).await.is(200)
    };
    let (_, second, _) = tokio::join!(busy, second, finished);
    let second = second.is(200);
    let code = Authenticator::new(&second.text("secret")).code_at(server.clock.now());
    server.verify_setup(&second.text("mfaToken"), &code).await.refused(400, "MFA_ALREADY_ENABLED");
    assert_eq!(alice.me().await["mfaMethods"], json!(["authenticator", "email"]));
}

async fn a_set_up_ends_with_the_session_that_began_it() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("authenticator").await.is(200);
    alice.sign_out().await.is(204);
    let code = Authenticator::new(&setup.text("secret")).code_at(server.clock.now());
    server.verify_setup(&setup.text("mfaToken"), &code).await.refused(400, "MFA_TOKEN_INVALID");
    assert_eq!(alice.login().await.is(200)["user"]["mfaEnabled"], false);
}

async fn a_set_up_begun_with_the_password_alone_ends_when_a_factor_goes_on() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let mut thief = alice.clone();
    thief.sign_in().await;
    let stolen = thief.begin_setup("authenticator").await.is(200);
    let own = alice.begin_setup("authenticator").await.is(200);
    let mailed = alice.begin_setup("email").await.is(200).text("mfaToken");
    alice.authenticator = Some(Authenticator::new(&own.text("secret")));
    let code = alice.fresh_code();
    server.verify_setup(&own.text("mfaToken"), &code).await.is(200);
    let code = Authenticator::new(&stolen.text("secret")).code_at(server.clock.now());
    let refused = server.verify_setup(&stolen.text("mfaToken"), &code).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_setup(&mailed, &code).await.refused(400, "MFA_TOKEN_INVALID");
    assert_eq!(alice.me().await["mfaMethods"], json!(["authenticator"]));
}

async fn a_set_up_takes_the_password() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    for method in ["authenticator", "email"] {
        let body = json!({ "method": method, "password": "wrong" });
        let refused = alice.post("/identity/mfa/setup", &body).await.refused(400, "INVALID_PASSWORD");
        assert!(refused["secret"].is_null());
    }
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), 1, "no code for a wrong password");
}

async fn a_second_set_up_takes_a_fresh_sign_in_with_the_first_factor() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let refused = alice.begin_setup("email").await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(refused["maxAge"], 300);
    alice.sign_in().await;
    server.clock.advance(299);
    alice.begin_setup("email").await.is(200);
    server.clock.advance(1);
    alice.begin_setup("email").await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.begin_setup("authenticator").await.refused(400, "MFA_ALREADY_ENABLED");
}

async fn nothing_is_on_until_it_is_proved() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    alice.begin_setup("authenticator").await.is(200);
    alice.begin_setup("email").await.is(200);
    assert_eq!(alice.me().await["mfaEnabled"], false);
    alice.login().await.is(200).text("accessToken");
}

async fn turning_off_takes_password_and_code() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let body = json!({ "method": "authenticator", "password": "wrong" });
    alice.post("/identity/mfa/disable", &body).await.refused(400, "INVALID_PASSWORD");
    let begun = alice.begin_disable("authenticator").await.is(200);
    assert_eq!(begun["method"], "authenticator");
    assert_eq!(alice.me().await["mfaEnabled"], true, "on until the code is there");
    let wrong = server.verify_disable(&begun.text("mfaToken"), &alice.wrong_code()).await;
    assert_eq!(wrong.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"], 4);
    let code = alice.fresh_code();
    let off = server.verify_disable(&begun.text("mfaToken"), &code).await.is(200);
    assert_eq!((&off["mfaMethods"], &off["method"]), (&json!([]), &json!("authenticator")));
    assert_eq!(off["disabledAt"], "2026-11-22T14:00:30.000Z");
    server.mail.notice_to("alice@example.com", "off").await;
    alice.login().await.is(200).text("accessToken");
}

async fn what_was_turned_off_is_turned_off_once() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let one = alice.begin_disable("authenticator").await.is(200).text("mfaToken");
    let other = alice.begin_disable("authenticator").await.is(200).text("mfaToken");
    let code = alice.fresh_code();
    server.verify_disable(&one, &code).await.is(200);
    server.verify_disable(&other, &code).await.refused(400, "MFA_METHOD_NOT_ENABLED");
    alice.begin_disable("authenticator").await.refused(400, "MFA_NOT_ENABLED");
}

async fn turning_one_method_off_leaves_the_other() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_disable("email").await.is(200).text("mfaToken");
    let code = server.mail.code_to("alice@example.com").await;
    let off = server.verify_disable(&token, &code).await.is(200);
    assert_eq!(off["mfaMethods"], json!(["authenticator"]));
    assert_eq!(alice.login().await["method"], "authenticator");
    alice.begin_disable("email").await.refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn what_is_not_on_cannot_be_turned_off() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.begin_disable("email").await.refused(400, "MFA_NOT_ENABLED");
    alice.begin_setup("authenticator").await.is(200);
    alice.begin_disable("authenticator").await.refused(400, "MFA_NOT_ENABLED");
    alice.enable_authenticator().await;
    alice.begin_disable("email").await.refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn what_was_turned_off_answers_no_sign_in() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let sign_in = alice.begin_sign_in().await;
    let disable = alice.begin_disable("authenticator").await.is(200).text("mfaToken");
    let code = alice.fresh_code();
    server.verify_disable(&disable, &code).await.is(200);
    server.switch(&sign_in, "email").await.refused(400, "MFA_NOT_ENABLED");
    let code = alice.fresh_code();
    server.verify_login(&sign_in, &code).await.refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn switching_sends_one_mail() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    for _ in 0..3 {
        server.switch(&token, "email").await.is(200);
        server.switch(&token, "authenticator").await.is(200);
    }
    server.switch(&token, "email").await.is(200);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before + 1, "a code that still fits is enough");
    let app = alice.fresh_code();
    server.verify_login(&token, &app).await.refused(400, "INVALID_MFA_CODE");
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
}

async fn switching_takes_a_method_that_is_on() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server.switch(&token, "email").await.refused(400, "MFA_METHOD_NOT_ENABLED");
    server.switch(&token, "authenticator").await.is(200);
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn a_turned_off_app_starts_over_with_a_new_secret() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let mut old = alice.authenticator.clone().expect("an app");
    let token = alice.begin_disable("authenticator").await.is(200).text("mfaToken");
    let code = alice.fresh_code();
    server.verify_disable(&token, &code).await.is(200);
    alice.enable_authenticator().await;
    assert_ne!(alice.authenticator.clone().expect("an app").secret, old.secret);
    server.clock.advance(30);
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &old.code(&server.clock)).await.refused(400, "INVALID_MFA_CODE");
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn an_account_that_is_gone_finishes_nothing() {
    let server = Server::start().await;
    let (alice, tokens) = one_of_each(&server).await;
    server.database.run("UPDATE users SET disabled_at = 1");
    for (purpose, token) in &tokens {
        finish(&server, purpose, token, "123456").await.refused(404, "USER_NOT_FOUND");
        server.resend(token).await.refused(404, "USER_NOT_FOUND");
    }
    server.switch(&tokens[2].1, "email").await.refused(404, "USER_NOT_FOUND");
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
}
