//! Tokens between two steps: each is accepted by one step of one flow of one user, for ten minutes.

use contract_tests::{Answer, Authenticator, Call, Person, Server, json, tests};

tests! {
    a_token_of_one_purpose_opens_no_other,
    a_token_lives_ten_minutes,
    a_token_that_is_none_opens_nothing,
    a_token_is_nobody_elses,
    a_set_up_begun_anew_replaces_the_one_before,
    a_set_up_that_another_one_overtook_is_refused,
    a_set_up_ends_with_the_session_that_began_it,
    a_set_up_begun_with_the_password_alone_ends_when_another_session_turns_a_factor_on,
    an_account_that_is_gone_finishes_nothing,
}

/// Calls one of the four operations that take an `mfaToken` and check its purpose.
fn finish(server: &Server, purpose: &str, token: &str, code: &str) -> Call {
    match purpose {
        "setup" => server.verify_setup(token, code),
        "disable" => server.verify_disable(token, code),
        "switch" => server.switch(token, "email"),
        _ => server.verify_login(token, code),
    }
}

const PURPOSES: [&str; 4] = ["setup", "disable", "login", "switch"];

/// Returns a user with mail on, and the tokens of one flow of each purpose.
async fn one_of_each(server: &Server) -> (Person, [(&'static str, String); 3]) {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let setup = alice
        .begin_setup("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let disable = alice.begin_disable("email").await.is(200).text("mfaToken");
    let login = alice.begin_sign_in().await;
    (
        alice,
        [("setup", setup), ("disable", disable), ("login", login)],
    )
}

async fn a_token_of_one_purpose_opens_no_other() {
    let server = Server::start().await;
    let (_, tokens) = one_of_each(&server).await;
    for (purpose, token) in &tokens {
        for other in PURPOSES
            .into_iter()
            .filter(|other| other != purpose && (*other, *purpose) != ("switch", "login"))
        {
            let refused = finish(&server, other, token, "123456").await;
            assert_eq!(
                (refused.status, refused["code"].as_str()),
                (400, Some("MFA_WRONG_PURPOSE")),
                "{purpose} at {other}"
            );
        }
    }
    for (purpose, token) in &tokens {
        let refused = finish(&server, purpose, token, "123456")
            .await
            .refused(400, "INVALID_MFA_CODE");
        assert_eq!(
            refused["attemptsRemaining"], 4,
            "a wrong purpose costs no try of {purpose}"
        );
    }
}

async fn a_token_lives_ten_minutes() {
    let server = Server::start().await;
    let (_, tokens) = one_of_each(&server).await;
    server.clock.advance(599);
    for (purpose, token) in &tokens {
        finish(&server, purpose, token, "123456")
            .await
            .refused(400, "INVALID_MFA_CODE");
    }
    server.clock.advance(1);
    for (purpose, token) in &tokens {
        for other in PURPOSES {
            finish(&server, other, token, "123456")
                .await
                .refused(400, "MFA_TOKEN_EXPIRED");
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
    for token in [
        "x",
        "mfa_",
        "mfa_!!!",
        &other_end,
        &relabelled,
        &spaced,
        bare,
        &alice.access_token[..200],
    ] {
        for purpose in PURPOSES {
            finish(&server, purpose, token, "123456")
                .await
                .refused(400, "MFA_TOKEN_INVALID");
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
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
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
    server
        .verify_setup(&first.text("mfaToken"), &code(&first))
        .await
        .refused(400, "AUTHENTICATOR_NOT_CONFIGURED");
    server
        .verify_setup(&second.text("mfaToken"), &code(&first))
        .await
        .refused(400, "INVALID_MFA_CODE");
    server
        .verify_setup(&second.text("mfaToken"), &code(&second))
        .await
        .is(200);

    let bob = server.registered("bob@example.com").await;
    let first = bob.begin_setup("email").await.is(200).text("mfaToken");
    let code_of_first = server.mail.code_to("bob@example.com").await;
    let second = bob.begin_setup("email").await.is(200).text("mfaToken");
    let code_of_second = server.mail.code_to("bob@example.com").await;
    server
        .verify_setup(&first, &code_of_first)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    server.verify_setup(&second, &code_of_second).await.is(200);
}

async fn a_set_up_that_another_one_overtook_is_refused() {
    let server = Server::with_real_hashes(|_| {}).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let first = alice.begin_setup("authenticator").await.is(200);
    let code = Authenticator::new(&first.text("secret")).code_at(server.clock.now());
    // The second set-up is accepted while no app is on yet, and hashes the password while the first
    // one finishes.
    let busy =
        contract_tests::call::at_once((0..6).map(|_| server.login("nobody@example.com", "wrong")));
    let second = alice.begin_setup("authenticator");
    let finished = async {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        server
            .verify_setup(&first.text("mfaToken"), &code)
            .await
            .is(200)
    };
    let (_, second, _) = tokio::join!(busy, second, finished);
    let second = second.is(200);
    let code = Authenticator::new(&second.text("secret")).code_at(server.clock.now());
    server
        .verify_setup(&second.text("mfaToken"), &code)
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
    assert_eq!(
        alice.me().await["mfaMethods"],
        json!(["authenticator", "email"])
    );
}

async fn a_set_up_ends_with_the_session_that_began_it() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("authenticator").await.is(200);
    alice.sign_out().await.is(204);
    let code = Authenticator::new(&setup.text("secret")).code_at(server.clock.now());
    server
        .verify_setup(&setup.text("mfaToken"), &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    assert_eq!(alice.login().await.is(200)["user"]["mfaEnabled"], false);
}

async fn a_set_up_begun_with_the_password_alone_ends_when_another_session_turns_a_factor_on() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let mut thief = alice.clone();
    thief.sign_in().await;
    let stolen = thief.begin_setup("authenticator").await.is(200);
    let own = alice.begin_setup("authenticator").await.is(200);
    let mailed = alice.begin_setup("email").await.is(200).text("mfaToken");
    alice.authenticator = Some(Authenticator::new(&own.text("secret")));
    let code = alice.fresh_code();
    server
        .verify_setup(&own.text("mfaToken"), &code)
        .await
        .is(200);
    let code = Authenticator::new(&stolen.text("secret")).code_at(server.clock.now());
    let refused = server.verify_setup(&stolen.text("mfaToken"), &code).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let code = server.mail.code_to("alice@example.com").await;
    // The session that turned it on continues what it began.
    server.verify_setup(&mailed, &code).await.is(200);
    assert_eq!(
        alice.me().await["mfaMethods"],
        json!(["authenticator", "email"])
    );
}

async fn an_account_that_is_gone_finishes_nothing() {
    let server = Server::start().await;
    let (alice, tokens) = one_of_each(&server).await;
    server.database.run("UPDATE users SET disabled_at = 1");
    for (purpose, token) in &tokens {
        finish(&server, purpose, token, "123456")
            .await
            .refused(404, "USER_NOT_FOUND");
        server.resend(token).await.refused(404, "USER_NOT_FOUND");
    }
    server
        .switch(&tokens[2].1, "email")
        .await
        .refused(404, "USER_NOT_FOUND");
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
}
