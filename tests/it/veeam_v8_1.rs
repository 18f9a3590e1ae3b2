//! What v8.1 of the Veeam API refuses: the same as v1, each refusal with its own code.

use contract_tests::call::Method;
use contract_tests::{Authenticator, Call, PASSWORD, Person, Server, Value, json, tests};

use crate::veeam::{OTHER_PASSWORD, enabled, number, registered, root, scratch, sign_in};

tests! {
    a_bad_id_is_told_everywhere,
    what_is_wrong_with_a_user_is_told,
    what_is_of_others_is_for_administrators,
    acts_need_fresh_proof,
    the_last_administrator_stays,
    what_is_wrong_with_an_authenticator_is_told,
    what_is_wrong_with_a_proof_is_told,
    a_proof_after_too_many_wrong_ones_is_refused,
}

fn at(person: &Person, method: Method, rest: &str) -> Call {
    person.call(method, &format!("/api/v8.1/users{rest}"))
}

fn act(person: &Person, number: i64, what: &str) -> Call {
    at(person, Method::POST, &format!("/{number}/{what}"))
}

fn enable(person: &Person, number: i64, recreate: bool) -> Call {
    act(person, number, "enableMfa").json(&json!({ "recreate": recreate }))
}

fn accept(person: &Person, number: i64, token: &str, code: &str) -> Call {
    act(person, number, "acceptMfa").json(&json!({ "code": code, "token": token }))
}

fn add(person: &Person, name: &str) -> Call {
    let body = json!({ "name": name, "description": "", "password": OTHER_PASSWORD });
    at(person, Method::POST, "").json(&body)
}

/// Makes a well-formed call of each operation that names a user.
fn all_of(person: &Person, id: &Value) -> Vec<Call> {
    let id = id.to_string().replace('"', "");
    let proof = json!({ "code": "123456", "token": "mfa_nonsense" });
    vec![
        at(person, Method::GET, &format!("/{id}")),
        at(person, Method::PUT, &format!("/{id}")).json(&json!({ "description": "x" })),
        at(person, Method::DELETE, &format!("/{id}")),
        at(person, Method::POST, &format!("/{id}/enableMfa")),
        at(person, Method::POST, &format!("/{id}/acceptMfa")).json(&proof),
        at(person, Method::POST, &format!("/{id}/disableMfa")),
    ]
}

async fn a_bad_id_is_told_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for bad in ["0", "-1", "01", "abc", "99999999999999999999"] {
        for call in all_of(&root, &json!(bad)) {
            let refused = call.await.refused(400, "VALIDATION");
            assert!(refused["errors"]["id"][0].is_string(), "{}", refused.text);
        }
    }
    for call in all_of(&root, &json!(999_999)) {
        call.await.refused(404, "USER_NOT_FOUND");
    }
}

async fn what_is_wrong_with_a_user_is_told() {
    let server = Server::start().await;
    let root = root(&server).await;
    add(&root, "a@b").await.refused(400, "VALIDATION");
    add(&root, "Zoë").await.is(201);
    add(&root, "zoë").await.refused(400, "NAME_TAKEN");
    let list = at(&root, Method::GET, "?Limit=101").await;
    list.refused(400, "VALIDATION");
}

async fn what_is_of_others_is_for_administrators() {
    let server = Server::start().await;
    root(&server).await;
    let alice = registered(&server, "alice@example.com").await;
    add(&alice, "bob").await.refused(403, "FORBIDDEN");
    for call in all_of(&alice, &json!(1)) {
        call.await.refused(403, "FORBIDDEN");
    }
}

async fn acts_need_fresh_proof() {
    let server = Server::start().await;
    let root = root(&server).await;
    let bob = server.registered("bob@example.com").await;
    let theirs = number(&bob).await;
    let begun = enable(&root, theirs, false).await.is(200);
    server.clock.advance(301);
    let stale = "INSUFFICIENT_USER_AUTHENTICATION";
    add(&root, "carol").await.refused(401, stale);
    // Reading a user needs no fresh proof; accepting does if there is a token.
    for call in all_of(&root, &json!(theirs)).into_iter().skip(1) {
        let answer = call.await;
        if answer["code"] != "MFA_TOKEN_INVALID" {
            answer.refused(401, stale);
        }
    }
    let code = &scratch(&begun)[0];
    let accepted = accept(&root, theirs, &begun.text("token"), code).await;
    accepted.refused(401, stale);
}

async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let root = root(&server).await;
    let own = number(&root).await;
    let refused = at(&root, Method::DELETE, &format!("/{own}")).await;
    refused.refused(409, "LAST_ADMINISTRATOR");
}

async fn what_is_wrong_with_an_authenticator_is_told() {
    let server = Server::with(|settings| settings.policy.code_sets_per_hour = 3).await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let first = enable(&alice, own, false).await.is(200);
    enable(&alice, own, false).await.is(200);
    let old = accept(&alice, own, &first.text("token"), "123456").await;
    old.refused(400, "AUTHENTICATOR_NOT_CONFIGURED");
    enabled(&mut alice).await;
    alice.sign_in().await;
    let refused = enable(&alice, own, false).await;
    refused.refused(400, "MFA_ALREADY_ENABLED");
    let refused = enable(&alice, own, true).await;
    refused.refused(429, "TOO_MANY_REQUESTS");
    server.database.run("INSERT INTO organisations (id, name, mfa_enforced, created_at) SELECT id, 'Acme', TRUE, 1 FROM users");
    server
        .database
        .run("UPDATE users SET organisation_id = id, organisation_role = 'member'");
    let refused = act(&alice, own, "disableMfa").await;
    refused.refused(403, "MFA_ENFORCED");
}

async fn what_is_wrong_with_a_proof_is_told() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let nonsense = accept(&alice, own, "mfa_nonsense", "123456").await;
    nonsense.refused(400, "MFA_TOKEN_INVALID");
    let begun = enable(&alice, own, false).await.is(200);
    let app = Authenticator::new(&begun.text("secretKey"));
    let early = app.by_oathtool(server.clock.now().plus_seconds(-240));
    let early = accept(&alice, own, &begun.text("token"), &early).await;
    early.refused(400, "AUTHENTICATOR_CLOCK_OFF");
    server.clock.advance(601);
    let late = accept(&alice, own, &begun.text("token"), "123456").await;
    late.refused(400, "MFA_TOKEN_EXPIRED");
    alice.enable_email().await;
    let asked = sign_in(&server, "alice@example.com", PASSWORD).await;
    let other = accept(&alice, own, &asked.is(200).text("mfa_token"), "123456").await;
    other.refused(400, "MFA_WRONG_PURPOSE");
    server.mail.code_to("alice@example.com").await;
    alice.sign_in().await;
    enabled(&mut alice).await;
    let state = |from: &str, to: &str| {
        let sql = format!(
            "UPDATE factors SET state = '{to}' WHERE state = '{from}' AND kind = 'authenticator'"
        );
        server.database.run(&sql);
    };
    state("on", "ready");
    let begun = enable(&alice, own, false).await.is(200);
    state("ready", "on");
    alice.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = alice.fresh_code();
    let refused = accept(&alice, own, &begun.text("token"), &code).await;
    refused.refused(400, "MFA_ALREADY_ENABLED");
}

async fn a_proof_after_too_many_wrong_ones_is_refused() {
    let server = Server::with(|settings| settings.policy.hard_limit = 10).await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    for _ in 0..2 {
        let begun = enable(&alice, own, false).await.is(200);
        for _ in 0..5 {
            let wrong = accept(&alice, own, &begun.text("token"), "000000").await;
            wrong.refused(400, "INVALID_MFA_CODE");
        }
        let over = accept(&alice, own, &begun.text("token"), "000000").await;
        if over["code"] != "MFA_METHOD_LOCKED" {
            over.refused(429, "TOO_MANY_MFA_ATTEMPTS");
        }
    }
    let begun = enable(&alice, own, false).await.is(200);
    let locked = accept(&alice, own, &begun.text("token"), "000000").await;
    locked.refused(403, "MFA_METHOD_LOCKED");
}
