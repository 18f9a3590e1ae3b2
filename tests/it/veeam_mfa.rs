//! The Veeam API's authenticator: enabling, accepting and disabling, as on the published pages.

use contract_tests::call::Method;
use contract_tests::{Authenticator, PASSWORD, Server, json, tests};

use crate::veeam::{
    accept, act, enable, enabled, number, registered, root, scratch, second, shut, sign_in,
};

tests! {
    the_calls_of_the_published_page_answer_as_documented,
    nothing_is_on_before_its_proof,
    recreate_is_read_as_a_string_too,
    enabling_again_voids_what_was_pending,
    replacing_keeps_the_old_one_until_the_new_one_is_proved,
    an_enabled_one_is_replaced_only_on_demand_and_with_fresh_proof,
    an_administrator_helps_with_fresh_proof,
    nobody_else_acts_on_an_account,
    an_unknown_id_is_told_the_same_everywhere,
    what_is_wrong_with_a_proof_is_told,
    one_switched_on_meanwhile_is_told,
    a_clock_that_is_off_is_told,
    disabling_removes_authenticators_and_scratch_codes_only,
    an_enforced_last_factor_stays,
    the_first_factor_ends_other_sessions,
    what_another_api_set_up_is_asked_for_here,
}

/// Asserts that an answer has members with exactly these names, in this order.
fn has_members(answer: &contract_tests::Answer, names: &[&str]) {
    let members = answer.body.as_object().expect("an object");
    let found: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(found, names);
}

async fn the_calls_of_the_published_page_answer_as_documented() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    // As on the published page, except for host, id and token.
    let call = alice
        .call(Method::POST, &format!("/api/v1/users/{own}/enableMfa"))
        .body("application/json", "{ \"recreate\": true }");
    let begun = call.await.is(200);
    assert_eq!(
        begun.header("content-type").as_deref(),
        Some("application/json; charset=utf-8")
    );
    has_members(
        &begun,
        &["userId", "qrString", "secretKey", "scratchCodes", "token"],
    );
    assert_eq!(begun["userId"], own);
    let secret = begun.text("secretKey");
    let uri = reqwest::Url::parse(&begun.text("qrString")).expect("a URI");
    assert_eq!((uri.scheme(), uri.host_str()), ("otpauth", Some("totp")));
    let kept = uri.query_pairs().find(|(name, _)| name == "secret");
    assert_eq!(kept.expect("a secret").1, secret.as_str());
    assert!(uri.query_pairs().any(|(name, _)| name == "issuer"));
    let codes = scratch(&begun);
    assert_eq!(codes.len(), 5);
    for code in &codes {
        assert!(code.len() == 8 && code.bytes().all(|digit| digit.is_ascii_digit()));
    }
    // The page on accepting sends the third scratch code, and gets an empty 200.
    let accepted = accept(&alice, own, &begun.text("token"), &codes[2])
        .await
        .is(200);
    assert_eq!(accepted.text, "");
    let user = alice.get(&format!("/api/v1/users/{own}")).await.is(200);
    assert_eq!(user["mfaEnabled"], true);
    alice.authenticator = Some(Authenticator::new(&secret));
    alice.sign_in().await;
    let disabled = act(&alice, own, "disableMfa").await.is(200);
    assert_eq!(disabled.text, "");
    let user = alice.get(&format!("/api/v1/users/{own}")).await.is(200);
    assert_eq!(user["mfaEnabled"], false);
}

async fn nothing_is_on_before_its_proof() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    enable(&alice, own, &json!(false)).await.is(200);
    let user = alice.get(&format!("/api/v1/users/{own}")).await.is(200);
    assert_eq!(user["mfaEnabled"], false);
    let answer = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert!(answer["mfa_token"].is_null());
}

async fn recreate_is_read_as_a_string_too() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    for recreate in [json!("true"), json!("False"), json!(true), json!(false)] {
        enable(&alice, own, &recreate).await.is(200);
    }
    let body = json!({ "unknown": 1 });
    act(&alice, own, "enableMfa").json(&body).await.is(200);
    act(&alice, own, "enableMfa").await.is(200);
    for bad in [json!("yes"), json!(1), json!([]), json!(null)] {
        let refused = enable(&alice, own, &bad).await.refused(400, "VALIDATION");
        assert!(
            refused["errors"]["recreate"][0].is_string(),
            "{}",
            refused.text
        );
    }
}

async fn enabling_again_voids_what_was_pending() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let first = enable(&alice, own, &json!(false)).await.is(200);
    let next = enable(&alice, own, &json!(false)).await.is(200);
    assert_ne!(first["secretKey"], next["secretKey"]);
    let old = accept(&alice, own, &first.text("token"), &scratch(&first)[0]).await;
    old.refused(400, "AUTHENTICATOR_NOT_CONFIGURED");
    let mixed = accept(&alice, own, &next.text("token"), &scratch(&first)[0]).await;
    mixed.refused(400, "INVALID_MFA_CODE");
    alice.authenticator = Some(Authenticator::new(&next.text("secretKey")));
    let code = alice.fresh_code();
    accept(&alice, own, &next.text("token"), &code)
        .await
        .is(200);
}

async fn replacing_keeps_the_old_one_until_the_new_one_is_proved() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let codes = enabled(&mut alice).await;
    alice.sign_in().await;
    let own = number(&alice).await;
    let begun = enable(&alice, own, &json!("true")).await.is(200);
    // Until then the old app and the old codes stay valid.
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let code = alice.fresh_code();
    second(&server, &asked.text("mfa_token"), &code)
        .await
        .is(200);
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    let early = second(&server, &mfa_token, &scratch(&begun)[0]).await;
    early.refused(400, "INVALID_MFA_CODE");
    second(&server, &mfa_token, &codes[0]).await.is(200);
    let mut next = alice.clone();
    next.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = next.fresh_code();
    accept(&alice, own, &begun.text("token"), &code)
        .await
        .is(200);
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let mfa_token = asked.text("mfa_token");
    let old = second(&server, &mfa_token, &alice.fresh_code()).await;
    old.refused(400, "INVALID_MFA_CODE");
    let old = second(&server, &mfa_token, &codes[1]).await;
    old.refused(400, "INVALID_MFA_CODE");
    let code = next.fresh_code();
    second(&server, &mfa_token, &code).await.is(200);
}

async fn an_enabled_one_is_replaced_only_on_demand_and_with_fresh_proof() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    let own = number(&alice).await;
    // The session that turned it on passed no second step, and its password was typed too long ago.
    server.clock.advance(301);
    for recreate in [true, false] {
        let refused = enable(&alice, own, &json!(recreate)).await;
        refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
    alice.sign_in().await;
    let refused = enable(&alice, own, &json!(false)).await;
    refused.refused(400, "MFA_ALREADY_ENABLED");
    server.clock.advance(301);
    let refused = enable(&alice, own, &json!(true)).await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let refused = act(&alice, own, "disableMfa").await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn an_administrator_helps_with_fresh_proof() {
    let server = Server::start().await;
    let mut root = root(&server).await;
    let mut bob = server.registered("bob@example.com").await;
    let theirs = number(&bob).await;
    let begun = enable(&root, theirs, &json!(false)).await.is(200);
    assert_eq!(begun["userId"], theirs);
    let wrong_account = number(&root).await;
    bob.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = bob.fresh_code();
    let refused = accept(&root, wrong_account, &begun.text("token"), &code).await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    server.clock.advance(301);
    let stale = accept(&root, theirs, &begun.text("token"), &code).await;
    stale.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    root.sign_in().await;
    let code = bob.fresh_code();
    accept(&root, theirs, &begun.text("token"), &code)
        .await
        .is(200);
    bob.me().await.refused(401, "TOKEN_INVALID");
    server.mail.notice_to("bob@example.com", "on").await;
    server.clock.advance(301);
    let refused = act(&root, theirs, "disableMfa").await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    root.sign_in().await;
    act(&root, theirs, "disableMfa").await.is(200);
    bob.login().await.is(200);
    let trail = "SELECT event AS found FROM audit_events WHERE actor_id IS NOT NULL";
    let trail = server.database.texts(trail);
    for event in ["setup_begun", "factor_enabled", "factor_disabled"] {
        assert!(trail.contains(&event.to_owned()), "{event}: {trail:?}");
    }
}

async fn nobody_else_acts_on_an_account() {
    let server = Server::start().await;
    let root = root(&server).await;
    let alice = registered(&server, "alice@example.com").await;
    let begun = enable(&alice, number(&alice).await, &json!(false))
        .await
        .is(200);
    for other in [number(&root).await, 999] {
        enable(&alice, other, &json!(false))
            .await
            .refused(403, "FORBIDDEN");
        accept(&alice, other, &begun.text("token"), "123456")
            .await
            .refused(403, "FORBIDDEN");
        act(&alice, other, "disableMfa")
            .await
            .refused(403, "FORBIDDEN");
    }
    enable(&root, 999, &json!(false))
        .await
        .refused(404, "USER_NOT_FOUND");
    accept(&root, 999, &begun.text("token"), "123456")
        .await
        .refused(404, "USER_NOT_FOUND");
    act(&root, 999, "disableMfa")
        .await
        .refused(404, "USER_NOT_FOUND");
}

async fn an_unknown_id_is_told_the_same_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    let told = root.get("/api/v1/users/999999").await;
    let told = told.refused(404, "USER_NOT_FOUND").text("detail");
    assert!(told.starts_with("There is no user with this id."), "{told}");
    let begun = enable(&root, number(&root).await, &json!(false))
        .await
        .is(200);
    for call in [
        enable(&root, 999_999, &json!(false)),
        accept(&root, 999_999, &begun.text("token"), "123456"),
        act(&root, 999_999, "disableMfa"),
        root.call(Method::DELETE, "/api/v1/users/999999"),
        root.call(Method::PUT, "/api/v1/users/999999")
            .json(&json!({ "description": "x" })),
    ] {
        let refused = call.await.refused(404, "USER_NOT_FOUND");
        assert_eq!(refused["detail"], json!(told), "{}", refused.call);
    }
}

async fn what_is_wrong_with_a_proof_is_told() {
    let server = Server::with(|settings| settings.policy.hard_limit = 10).await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let lacking = act(&alice, own, "acceptMfa")
        .json(&json!({ "code": "1" }))
        .await;
    let lacking = lacking.refused(400, "VALIDATION");
    assert!(lacking["errors"]["token"][0].is_string());
    accept(&alice, own, "mfa_nonsense", "123456")
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    server.clock.advance(601);
    let late = accept(&alice, own, &begun.text("token"), "123456").await;
    late.refused(400, "MFA_TOKEN_EXPIRED");
    alice.enable_email().await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let other = accept(&alice, own, &asked.text("mfa_token"), "123456").await;
    other.refused(400, "MFA_WRONG_PURPOSE");
    server.mail.code_to("alice@example.com").await;
    alice.sign_in().await;
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    alice.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    for _ in 0..5 {
        let wrong = accept(&alice, own, &begun.text("token"), &alice.wrong_code()).await;
        wrong.refused(400, "INVALID_MFA_CODE");
    }
    let code = alice.fresh_code();
    let over = accept(&alice, own, &begun.text("token"), &code).await;
    over.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    for _ in 0..5 {
        let wrong = accept(&alice, own, &begun.text("token"), "000000").await;
        wrong.refused(400, "INVALID_MFA_CODE");
    }
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    let locked = accept(&alice, own, &begun.text("token"), "000000").await;
    locked.refused(403, "MFA_METHOD_LOCKED");
}

async fn one_switched_on_meanwhile_is_told() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    enabled(&mut alice).await;
    let state = |from: &str, to: &str| {
        let sql = format!(
            "UPDATE factors SET state = '{to}' WHERE state = '{from}' AND kind = 'authenticator'"
        );
        server.database.run(&sql);
    };
    state("on", "ready");
    let own = number(&alice).await;
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    state("ready", "on");
    let app = Authenticator::new(&begun.text("secretKey"));
    alice.authenticator = Some(app);
    let code = alice.fresh_code();
    let refused = accept(&alice, own, &begun.text("token"), &code).await;
    refused.refused(400, "MFA_ALREADY_ENABLED");
}

async fn a_clock_that_is_off_is_told() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let begun = enable(&alice, own, &json!(false)).await.is(200);
    let app = Authenticator::new(&begun.text("secretKey"));
    let code = app.by_oathtool(server.clock.now().plus_seconds(-240));
    let refused = accept(&alice, own, &begun.text("token"), &code).await;
    let refused = refused.refused(400, "AUTHENTICATOR_CLOCK_OFF");
    assert_eq!(refused["attemptsRemaining"], 4);
    assert!(refused.number("offsetSeconds") < 0, "{}", refused.text);
}

async fn disabling_removes_authenticators_and_scratch_codes_only() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let codes = enabled(&mut alice).await;
    alice.sign_in().await;
    alice.enable_email().await;
    let own = number(&alice).await;
    act(&alice, own, "disableMfa").await.is(200);
    act(&alice, own, "disableMfa").await.is(200);
    let user = alice.get(&format!("/api/v1/users/{own}")).await.is(200);
    assert_eq!(user["mfaEnabled"], true, "codes by mail are on still");
    assert_eq!(alice.me().await["mfaMethods"], json!(["email"]));
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let void = second(&server, &asked.text("mfa_token"), &codes[0]).await;
    void.refused(400, "INVALID_MFA_CODE");
}

async fn an_enforced_last_factor_stays() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    alice.sign_in().await;
    server.database.run("INSERT INTO organisations (id, name, mfa_enforced, created_at) SELECT id, 'Acme', TRUE, 1 FROM users");
    server
        .database
        .run("UPDATE users SET organisation_id = id, organisation_role = 'member'");
    let own = number(&alice).await;
    let refused = act(&alice, own, "disableMfa").await;
    refused.refused(403, "MFA_ENFORCED");
}

async fn the_first_factor_ends_other_sessions() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let other = alice.login().await.is(200);
    enabled(&mut alice).await;
    alice.me().await.is(200);
    let ended = server
        .get("/identity/me")
        .bearer(&other.text("accessToken"));
    ended.await.refused(401, "TOKEN_INVALID");
    shut(&server, "alice@example.com");
    alice.me().await.refused(401, "TOKEN_INVALID");
}

async fn what_another_api_set_up_is_asked_for_here() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let code = alice.fresh_code();
    second(&server, &asked.text("mfa_token"), &code)
        .await
        .is(200);
    let own = number(&alice).await;
    alice.sign_in().await;
    act(&alice, own, "disableMfa").await.is(200);
    let answer = sign_in(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert_eq!(answer["mfa_enabled"], false);
}
