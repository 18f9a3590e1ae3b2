//! Sessions: how long tokens live, how they are renewed, and what ends them.

use contract_tests::forgery::{claims, head};
use contract_tests::{Person, Server, json, tests};
use countersign::config::SigningAlgorithm;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

tests! {
    an_access_token_says_what_it_should,
    an_access_token_is_verified_off_line,
    an_access_token_of_es256_is_verified_off_line,
    an_access_token_lives_fifteen_minutes,
    a_refresh_token_works_once_and_its_reuse_ends_the_session,
    a_refresh_token_that_is_sent_twice_gives_the_same_successor_once_more,
    a_spent_refresh_token_that_comes_late_ends_the_session,
    a_spent_refresh_token_that_comes_from_elsewhere_ends_the_session,
    what_an_older_replica_exchanged_is_given_no_second_time,
    a_refresh_keeps_what_was_proved,
    an_idle_session_ends_after_an_hour,
    a_session_ends_after_a_day_however_often_it_is_refreshed,
    signing_out_ends_this_session_and_no_other,
    the_first_factor_ends_the_other_sessions_and_not_the_callers,
    a_second_factor_ends_no_session,
    another_token_does_not_refresh,
    a_restart_ends_no_session,
    a_disabled_account_is_out_at_once,
}

async fn an_access_token_says_what_it_should() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let signed_in = alice.sign_in().await;
    let (head, claims) = (head(&alice.access_token), claims(&alice.access_token));
    assert_eq!(head["typ"], "at+jwt");
    assert_eq!(head["alg"], "EdDSA");
    let keys = server.get("/.well-known/jwks.json").await.is(200);
    assert_eq!(head["kid"], keys["keys"][0]["kid"]);
    let now = server.clock.now().seconds();
    assert_eq!(
        (claims["iat"].as_i64(), claims["exp"].as_i64()),
        (Some(now), Some(now + 900))
    );
    assert_eq!(claims["auth_time"], now);
    assert_eq!(claims["sub"], signed_in["user"]["id"]);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("http://localhost"), &json!("http://localhost"))
    );
    assert_eq!(claims["client_id"], "countersign");
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal2"), &json!(["pwd", "otp", "mfa"]))
    );
    assert_eq!(claims["sid"], alice.me().await["session"]["id"]);
    let told = claims.to_string();
    assert!(
        !told.contains("alice") && !told.contains("example.com"),
        "no personal data: {told}"
    );
    let other = server
        .refresh(&alice.refresh_token)
        .await
        .is(200)
        .text("accessToken");
    assert_ne!(
        contract_tests::forgery::claims(&other)["jti"],
        claims["jti"]
    );
}

/// Verifies a token as a service does that knows only the published keys.
async fn verify_off_line(server: &Server, alice: &Person, algorithm: Algorithm) {
    let keys = server.get("/.well-known/jwks.json").await.is(200);
    let key = &keys["keys"][0];
    let part = |name: &str| key[name].as_str().expect("a member").to_owned();
    let decoding = match algorithm {
        Algorithm::ES256 => DecodingKey::from_ec_components(&part("x"), &part("y")),
        _ => DecodingKey::from_ed_components(&part("x")),
    };
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["http://localhost"]);
    validation.set_issuer(&["http://localhost"]);
    // The held clock differs from the system's.
    validation.validate_exp = false;
    let decoding = decoding.expect("a public key");
    let decoded = decode::<serde_json::Value>(&alice.access_token, &decoding, &validation)
        .expect("a good signature");
    assert_eq!(decoded.claims["sub"], alice.me().await["id"]);
    for member in ["d", "k", "p", "q"] {
        assert!(key[member].is_null(), "a private member is published");
    }
}

async fn an_access_token_is_verified_off_line() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    verify_off_line(&server, &alice, Algorithm::EdDSA).await;
}

async fn an_access_token_of_es256_is_verified_off_line() {
    let server =
        Server::with(|settings| settings.signing_algorithm = SigningAlgorithm::Es256).await;
    let alice = server.registered("alice@example.com").await;
    verify_off_line(&server, &alice, Algorithm::ES256).await;
}

async fn an_access_token_lives_fifteen_minutes() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    server.clock.advance(899);
    alice.me().await.is(200);
    server.clock.advance(11);
    alice.me().await.refused(401, "TOKEN_EXPIRED");
    let renewed = server
        .refresh(&alice.refresh_token)
        .await
        .is(200)
        .text("accessToken");
    server.get("/identity/me").bearer(&renewed).await.is(200);
}

async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let second = server.refresh(&alice.refresh_token).await.is(200);
    let third = server.refresh(&second.text("refreshToken")).await.is(200);
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .refresh(&third.text("refreshToken"))
        .await
        .refused(401, "TOKEN_INVALID");
    for token in [&alice.access_token, &third.text("accessToken")] {
        server
            .get("/identity/me")
            .bearer(token)
            .await
            .refused(401, "TOKEN_INVALID");
    }
    server.mail.notice_to("alice@example.com", "ended").await;
    alice.login().await.is(200);
}

async fn a_refresh_token_that_is_sent_twice_gives_the_same_successor_once_more() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let first = server.refresh(&alice.refresh_token).await.is(200);
    // The answer was lost on the way, and the server restarted meanwhile.
    let server = server.restarted().await;
    server.clock.advance(9);
    let again = server.refresh(&alice.refresh_token).await.is(200);
    assert_eq!(first["refreshToken"], again["refreshToken"]);
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    for answer in [&first, &again] {
        let me = server
            .get("/identity/me")
            .bearer(&answer.text("accessToken"));
        me.await.is(200);
    }
    // After the first token's window, nothing has ended.
    server.clock.advance(600);
    alice.server = server.clone();
    alice.keep(&again);
    let renewed = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&renewed);
    alice.me().await.is(200);
    let told = "SELECT count(*) AS found FROM audit_events WHERE event = 'refresh_repeated'";
    assert_eq!(server.database.number(told), 1);
}

async fn a_spent_refresh_token_that_comes_late_ends_the_session() {
    for (window, late) in [(10, 10), (60, 60), (0, 0)] {
        let server = Server::with(|settings| settings.policy.refresh_reuse_seconds = window).await;
        let alice = server.registered("alice@example.com").await;
        let next = server.refresh(&alice.refresh_token).await.is(200);
        server.clock.advance(late);
        server
            .refresh(&alice.refresh_token)
            .await
            .refused(401, "TOKEN_INVALID");
        server
            .refresh(&next.text("refreshToken"))
            .await
            .refused(401, "TOKEN_INVALID");
        server.mail.notice_to("alice@example.com", "ended").await;
    }
}

async fn a_spent_refresh_token_that_comes_from_elsewhere_ends_the_session() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let alice = server.registered("alice@example.com").await;
    let refresh = |address: &str| server.refresh(&alice.refresh_token).from(address);
    let next = refresh("203.0.113.7").await.is(200);
    refresh("198.51.100.9").await.refused(401, "TOKEN_INVALID");
    server
        .refresh(&next.text("refreshToken"))
        .from("203.0.113.7")
        .await
        .refused(401, "TOKEN_INVALID");
    server.mail.notice_to("alice@example.com", "ended").await;
}

async fn what_an_older_replica_exchanged_is_given_no_second_time() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let next = server.refresh(&alice.refresh_token).await.is(200);
    // The previous version draws the successor's secret, and stores no successor.
    server
        .database
        .run("UPDATE refresh_tokens SET successor_id = NULL");
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .refresh(&next.text("refreshToken"))
        .await
        .refused(401, "TOKEN_INVALID");
}

async fn a_refresh_keeps_what_was_proved() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let before = alice.me().await["session"].clone();
    server.clock.advance(600);
    let renewed = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&renewed);
    let after = alice.me().await["session"].clone();
    for member in ["id", "acr", "amr", "authTime"] {
        assert_eq!(before[member], after[member], "{member}");
    }
    assert_eq!(
        claims(&alice.access_token)["auth_time"].as_i64(),
        Some(server.clock.now().seconds() - 600)
    );
}

async fn an_idle_session_ends_after_an_hour() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    server.clock.advance(3599);
    let renewed = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&renewed);
    server.clock.advance(3600);
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_EXPIRED");
    alice.me().await.refused(401, "TOKEN_EXPIRED");
}

async fn a_session_ends_after_a_day_however_often_it_is_refreshed() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    for _ in 0..47 {
        server.clock.advance(1800);
        let renewed = server.refresh(&alice.refresh_token).await.is(200);
        alice.keep(&renewed);
    }
    server.clock.advance(1500);
    let last = server.refresh(&alice.refresh_token).await.is(200);
    assert_eq!(last["expiresIn"], 300, "no token outlives its session");
    alice.keep(&last);
    assert_eq!(
        alice.me().await["session"]["expiresAt"],
        "2026-11-23T14:00:07.000Z"
    );
    server.clock.advance(300);
    alice.me().await.refused(401, "TOKEN_EXPIRED");
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_EXPIRED");
}

async fn signing_out_ends_this_session_and_no_other() {
    let server = Server::start().await;
    let here = server.registered("alice@example.com").await;
    let mut there = here.clone();
    there.sign_in().await;
    here.sign_out().await.is(204);
    here.me().await.refused(401, "TOKEN_INVALID");
    here.sign_out().await.refused(401, "TOKEN_INVALID");
    server
        .refresh(&here.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    there.me().await.is(200);
    server.refresh(&there.refresh_token).await.is(200);
}

async fn the_first_factor_ends_the_other_sessions_and_not_the_callers() {
    let server = Server::start().await;
    let mut here = server.registered("alice@example.com").await;
    let mut there = here.clone();
    there.sign_in().await;
    here.enable_authenticator().await;
    here.me().await.is(200);
    server.refresh(&here.refresh_token).await.is(200);
    there.me().await.refused(401, "TOKEN_INVALID");
    server
        .refresh(&there.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
}

async fn a_second_factor_ends_no_session() {
    let server = Server::start().await;
    let mut here = server.registered("alice@example.com").await;
    here.enable_authenticator().await;
    here.sign_in().await;
    let mut there = here.clone();
    there.sign_in().await;
    here.enable_email().await;
    here.me().await.is(200);
    there.me().await.is(200);
}

async fn another_token_does_not_refresh() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let mfa = alice
        .begin_setup("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let relabelled = mfa.replacen("mfa_", "rt_", 1);
    let changed = format!(
        "{}AAAA",
        &alice.refresh_token[..alice.refresh_token.len() - 4]
    );
    for token in [
        mfa.as_str(),
        &relabelled,
        &changed,
        &alice.access_token[..200],
        "rt_",
        "x",
    ] {
        server.refresh(token).await.refused(401, "TOKEN_INVALID");
    }
    server.refresh(&alice.refresh_token).await.is(200);
}

async fn a_restart_ends_no_session() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.server = server.restarted().await;
    alice.me().await.is(200);
    alice.server.refresh(&alice.refresh_token).await.is(200);
}

async fn a_disabled_account_is_out_at_once() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    server.database.run("UPDATE users SET disabled_at = 1");
    alice.me().await.refused(401, "TOKEN_INVALID");
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
}
