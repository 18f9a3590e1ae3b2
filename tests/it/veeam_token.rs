//! The Veeam API's token operation: three grants, in any case, and no tokens without the second
//! step.

use contract_tests::call::Method;
use contract_tests::{PASSWORD, Server, json, tests};

use crate::netevia;
use crate::veeam::{enabled, number, refresh, registered, second, shut, sign_in, token};

tests! {
    a_password_is_answered_with_tokens,
    names_of_fields_and_grants_are_read_in_any_case,
    without_a_grant_a_password_is_meant,
    what_the_form_lacks_is_named,
    an_unknown_name_and_a_wrong_password_look_the_same,
    with_a_factor_on_the_first_step_carries_no_token,
    a_scratch_code_finishes_one_sign_in_and_here_only,
    a_recovery_code_finishes_a_sign_in,
    a_code_by_mail_finishes_a_sign_in,
    a_code_by_text_message_finishes_a_sign_in_and_has_its_limits,
    while_a_policy_demands_a_factor_the_mailbox_is_it,
    a_passkey_cannot_travel_and_a_recovery_code_is_asked_for,
    a_refresh_token_is_good_once,
    what_is_wrong_with_a_reference_is_told,
    wrong_codes_are_counted,
    wrong_scratch_codes_stop_the_method,
    wrong_passwords_wait,
    mails_have_their_limits,
    an_account_shut_between_the_steps_gets_no_token,
}

async fn a_password_is_answered_with_tokens() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let answer = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert_eq!(answer["token_type"], "bearer");
    assert_eq!(answer[".issued"], "2026-11-22T14:00:07.000Z");
    assert_eq!(answer[".expires"], "2026-11-22T14:15:07.000Z");
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(answer["mfa_enabled"], false);
    assert_eq!(answer["username"], "alice@example.com");
    assert_eq!(answer["roleName"], "PortalOperator");
    let id = alice.me().await.text("id");
    assert_eq!(format!("user-{}", answer.text("userId")), id);
    let members = answer.body.as_object().expect("an object");
    assert!(
        !members.contains_key("mfa_token"),
        "clients look for the key"
    );
    let access = answer.text("access_token");
    server.get("/identity/me").bearer(&access).await.is(200);
    server.get("/api/v1/users").bearer(&access).await.is(200);
}

async fn names_of_fields_and_grants_are_read_in_any_case() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for grant in ["Password", "password", "PASSWORD"] {
        let fields = [
            ("Grant_Type", grant),
            ("Username", "Alice@Example.com"),
            ("PASSWORD", PASSWORD),
            ("api-version", "1.0"),
            ("use_short_term_refresh", "true"),
        ];
        let answer = token(&server, &fields).await.is(200);
        let fields = [
            ("grant_type", "REFRESH_TOKEN"),
            ("Refresh_Token", &answer.text("refresh_token")),
        ];
        token(&server, &fields).await.is(200);
    }
}

async fn without_a_grant_a_password_is_meant() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let fields = [("username", "alice@example.com"), ("password", PASSWORD)];
    token(&server, &fields).await.is(200);
    let fields = [
        ("grant_type", ""),
        ("username", "alice@example.com"),
        ("password", PASSWORD),
    ];
    token(&server, &fields).await.is(200);
}

async fn what_the_form_lacks_is_named() {
    let server = Server::start().await;
    for (fields, named) in [
        (&[][..], "username"),
        (&[("username", "alice@example.com")][..], "password"),
        (&[("grant_type", "Mfa")][..], "mfa_token"),
        (&[("grant_type", "Mfa"), ("mfa_token", "x")][..], "mfa_code"),
        (&[("grant_type", "Refresh_token")][..], "refresh_token"),
        (&[("grant_type", "Saml")][..], "grant_type"),
        (&[("username", "a"), ("Username", "b")][..], "username"),
        (&[("mfa_code", &*"9".repeat(65))][..], "mfa_code"),
    ] {
        let refused = token(&server, fields).await.refused(400, "VALIDATION");
        let sentence = &refused["errors"][named][0];
        assert!(sentence.is_string(), "{named}: {}", refused.text);
        assert_eq!(refused["title"], "Bad Request");
    }
    let body = json!({ "username": "alice@example.com", "password": PASSWORD });
    let refused = server.post("/api/oauth2/token", &body).await;
    refused.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let long = format!("username={}", "a".repeat(20_000));
    let refused = server.call(Method::POST, "/api/oauth2/token");
    let refused = refused.body("application/x-www-form-urlencoded", long);
    refused.await.refused(413, "PAYLOAD_TOO_LARGE");
}

async fn an_unknown_name_and_a_wrong_password_look_the_same() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for _ in 0..8 {
        let known = sign_in(&server, "alice@example.com", "wrong").await;
        let unknown = sign_in(&server, "nobody@example.com", "wrong").await;
        let name = sign_in(&server, "nobody", "wrong").await;
        assert_eq!(known.looks(&["traceId"]), unknown.looks(&["traceId"]));
        assert_eq!(known.looks(&["traceId"]), name.looks(&["traceId"]));
    }
}

async fn with_a_factor_on_the_first_step_carries_no_token() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    let members = asked.body.as_object().expect("an object");
    assert!(!members.contains_key("access_token") && !members.contains_key("refresh_token"));
    assert_eq!(asked["expires_in"], 0);
    assert_eq!(asked[".issued"], "0001-01-01T00:00:00Z");
    assert_eq!(asked[".expires"], "0001-01-01T00:00:00Z");
    assert_eq!(asked["mfa_enabled"], true);
    for path in ["/api/v1/users", "/identity/me"] {
        let refused = server.get(path).bearer(&mfa_token).await;
        refused.refused(401, "TOKEN_INVALID");
    }
    refresh(&server, &mfa_token)
        .await
        .refused(401, "TOKEN_INVALID");
    let code = alice.fresh_code();
    let answer = second(&server, &mfa_token, &code).await.is(200);
    assert_eq!(answer["mfa_enabled"], true);
    let members = answer.body.as_object().expect("an object");
    assert!(!members.contains_key("mfa_token"));
    let me = server
        .get("/identity/me")
        .bearer(&answer.text("access_token"))
        .await
        .is(200);
    assert_eq!(me["session"]["amr"], json!(["pwd", "otp", "mfa"]));
    let used = second(&server, &mfa_token, &code).await;
    used.refused(400, "MFA_TOKEN_INVALID");
}

async fn a_scratch_code_finishes_one_sign_in_and_here_only() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let codes = enabled(&mut alice).await;
    let mfa_token = alice.begin_sign_in().await;
    let elsewhere = server.verify_login(&mfa_token, &codes[0]).await;
    elsewhere.refused(400, "INVALID_MFA_CODE");
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let typed = format!("{} {}", &codes[0][..4], &codes[0][4..]);
    let answer = second(&server, &asked.text("mfa_token"), &typed)
        .await
        .is(200);
    let me = server
        .get("/identity/me")
        .bearer(&answer.text("access_token"));
    assert_eq!(me.await["session"]["amr"], json!(["pwd", "recovery"]));
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    second(&server, &mfa_token, &codes[0])
        .await
        .refused(400, "INVALID_MFA_CODE");
    second(&server, &mfa_token, &codes[1]).await.is(200);
}

async fn a_recovery_code_finishes_a_sign_in() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    alice.sign_in().await;
    let caller = server
        .app
        .call(async |ctx| countersign::flow::session::authenticate(ctx, &alice.access_token).await);
    let caller = caller.await.expect("signed in");
    let made = server.app.call(async |ctx| {
        let source = countersign::model::source::Source::Console;
        countersign::flow::recovery::regenerate(ctx, caller, source).await
    });
    let codes = made.await.expect("ten codes");
    assert_eq!(codes.len(), 10);
    let code = codes[3].expose().to_lowercase().replace('-', " ");
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    second(&server, &mfa_token, &code).await.is(200);
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    second(&server, &asked.text("mfa_token"), &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
}

async fn a_code_by_mail_finishes_a_sign_in() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let code = server.mail.code_to("alice@example.com").await;
    second(&server, &asked.text("mfa_token"), &code)
        .await
        .is(200);
}

async fn a_code_by_text_message_finishes_a_sign_in_and_has_its_limits() {
    let (server, gateway) = netevia::with_texts().await;
    let client = netevia::Client::registered(&server, "alice@example.com").await;
    client.enable_sms(&gateway).await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let code = gateway.code().await;
    let answer = second(&server, &asked.text("mfa_token"), &code)
        .await
        .is(200);
    let me = server
        .get("/identity/me")
        .bearer(&answer.text("access_token"));
    assert_eq!(me.await["session"]["amr"], json!(["pwd", "sms", "mfa"]));
    for word in [["sms"; 3].as_slice(), &["recovery_code"; 5]].concat() {
        let asked = sign_in(&server, "alice@example.com", PASSWORD).await;
        assert_eq!(asked.is(200)["mfa_method"], word);
    }
    server.mail_is_out().await;
    let sent = gateway.taken().len();
    assert_eq!(sent, 1 + 4, "the set-up's, and four an hour");
}

async fn while_a_policy_demands_a_factor_the_mailbox_is_it() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    netevia::enforced(&server, "alice@example.com").await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert!(asked["access_token"].is_null());
    let code = server.mail.code_to("alice@example.com").await;
    let answer = second(&server, &asked.text("mfa_token"), &code)
        .await
        .is(200);
    assert_eq!(answer["mfa_enabled"], true, "sign-in asks");
}

async fn a_passkey_cannot_travel_and_a_recovery_code_is_asked_for() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    server
        .database
        .run("UPDATE factors SET kind = 'passkey', sealed_secret = NULL");
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert!(asked["access_token"].is_null());
    assert_eq!(asked["mfa_method"], "recovery_code");
    let refused = second(&server, &asked.text("mfa_token"), "123456").await;
    refused.refused(400, "INVALID_MFA_CODE");
}

async fn a_refresh_token_is_good_once() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let first = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let next = refresh(&server, &first.text("refresh_token")).await.is(200);
    assert_ne!(first["refresh_token"], next["refresh_token"]);
    let again = refresh(&server, &first.text("refresh_token")).await.is(200);
    assert_eq!(again["refresh_token"], next["refresh_token"], "sent twice");
    server.clock.advance(11);
    let again = refresh(&server, &first.text("refresh_token")).await;
    again.refused(401, "TOKEN_INVALID");
    let ended = refresh(&server, &next.text("refresh_token")).await;
    ended.refused(401, "TOKEN_INVALID");
    let other = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    server.clock.advance(3_700);
    let late = refresh(&server, &other.text("refresh_token")).await;
    late.refused(401, "TOKEN_EXPIRED");
}

async fn what_is_wrong_with_a_reference_is_told() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let nonsense = second(&server, "mfa_nonsense", "123456").await;
    nonsense.refused(400, "MFA_TOKEN_INVALID");
    let own = number(&alice).await;
    let begun = crate::veeam::enable(&alice, own, &json!(false))
        .await
        .is(200);
    let other = second(&server, &begun.text("token"), "123456").await;
    other.refused(400, "MFA_WRONG_PURPOSE");
    enabled(&mut alice).await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    server.clock.advance(601);
    let late = second(&server, &asked.text("mfa_token"), &alice.fresh_code()).await;
    late.refused(400, "MFA_TOKEN_EXPIRED");
    alice.sign_in().await;
    alice.enable_email().await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    // No longer asked for, but kept.
    let ready = "UPDATE factors SET state = 'ready' WHERE kind = 'authenticator'";
    server.database.run(ready);
    let off = second(&server, &asked.text("mfa_token"), &alice.fresh_code()).await;
    off.refused(400, "MFA_METHOD_NOT_ENABLED");
    let disabled = crate::veeam::act(&alice, own, "disableMfa").await;
    disabled.is(200);
    let gone = second(&server, &asked.text("mfa_token"), &alice.fresh_code()).await;
    gone.refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn wrong_codes_are_counted() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    for remaining in (0..5).rev() {
        let wrong = second(&server, &mfa_token, &alice.wrong_code()).await;
        let wrong = wrong.refused(400, "INVALID_MFA_CODE");
        assert_eq!(wrong["attemptsRemaining"], remaining);
    }
    let over = second(&server, &mfa_token, &alice.fresh_code()).await;
    over.refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn wrong_scratch_codes_stop_the_method() {
    let server = Server::with(|settings| {
        settings.policy.hard_limit = 10;
        settings.policy.soft_limit = 50;
        settings.policy.challenges_per_account = 10;
    })
    .await;
    let mut alice = registered(&server, "alice@example.com").await;
    let codes = enabled(&mut alice).await;
    for _ in 0..2 {
        let asked = sign_in(&server, "alice@example.com", PASSWORD)
            .await
            .is(200);
        for _ in 0..5 {
            let wrong = second(&server, &asked.text("mfa_token"), "00000000").await;
            wrong.refused(400, "INVALID_MFA_CODE");
        }
    }
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    second(&server, &mfa_token, &codes[0])
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    let code = alice.fresh_code();
    second(&server, &mfa_token, &code).await.is(200);
}

async fn wrong_passwords_wait() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for _ in 0..5 {
        let wrong = sign_in(&server, "alice@example.com", "wrong").await;
        wrong.refused(401, "INVALID_CREDENTIALS");
    }
    let refused = sign_in(&server, "alice@example.com", PASSWORD).await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
}

async fn mails_have_their_limits() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.code_mails_per_hour = 3;
        settings.policy.mail_calls_per_source = 2;
    })
    .await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let from =
        |address: &'static str| sign_in(&server, "alice@example.com", PASSWORD).from(address);
    let mailed = async || {
        server.mail_is_out().await;
        server.mail.all_to("alice@example.com").len()
    };
    from("203.0.113.1").await.is(200);
    let before = mailed().await;
    // The sign-in starts nevertheless, for a recovery code, but nothing is mailed.
    for (address, word) in [
        ("203.0.113.1", "email"),
        ("203.0.113.1", "recovery_code"),
        ("198.51.100.1", "recovery_code"),
    ] {
        let asked = from(address).await.is(200);
        assert_eq!(asked["mfa_method"], word);
    }
    assert_eq!(mailed().await, before + 1, "two for a network");
    let asked = from("192.0.2.1").await.is(200);
    assert_eq!(asked["mfa_method"], "recovery_code");
    assert_eq!(mailed().await, before + 1, "three for an account");
}

async fn an_account_shut_between_the_steps_gets_no_token() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    shut(&server, "alice@example.com");
    let refused = second(&server, &asked.text("mfa_token"), &alice.fresh_code()).await;
    refused.refused(404, "USER_NOT_FOUND");
}
