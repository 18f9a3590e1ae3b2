//! Calls every operation that needs credentials without any, with bad ones, and with credentials of
//! another kind.

use contract_tests::call::Method;
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Call, Person, Server, forgery, json, tests};

use super::held::{Held, without_limits};
use super::veeam::OTHER_PASSWORD;
use super::walk::{self, credential};

tests! {
    without_credentials_every_secured_operation_answers_401,
    with_bad_credentials_every_secured_operation_answers_401,
    credentials_open_only_what_takes_their_kind,
    forged_tokens_open_nothing,
    an_expired_token_opens_nothing,
    where_a_bearer_is_optional_a_bad_one_is_refused,
    credentials_are_judged_before_the_body,
    a_bearer_of_somebody_else_does_not_finish_a_step,
    the_name_of_the_scheme_is_read_in_any_case,
}

/// Returns the secured operations of the contract.
fn secured() -> impl Iterator<Item = &'static Operation> {
    Contract::get()
        .operations
        .iter()
        .filter(|operation| operation.is_secured())
}

/// Makes a call of an operation, with an empty body if it takes one.
fn call(server: &Server, operation: &Operation) -> Call {
    walk::call(server, operation, &json!({}))
}

async fn without_credentials_every_secured_operation_answers_401() {
    let server = Server::start().await;
    let mut called = 0;
    for operation in secured() {
        let refused = call(&server, operation).await.refused(401, "TOKEN_INVALID");
        let header = refused.header("www-authenticate");
        assert_eq!(
            header.as_deref(),
            Some("Bearer"),
            "{}: no error where nothing was sent",
            operation.id
        );
        called += 1;
    }
    assert!(called >= 9, "the contract secures {called} operations only");
}

async fn with_bad_credentials_every_secured_operation_answers_401() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let token = &alice.access_token;
    for operation in secured() {
        let id = &operation.id;
        for bad in [
            "x",
            "a.b.c",
            "null",
            &format!("{token}x"),
            &token[1..],
            &format!("{token}.x"),
        ] {
            let refused = call(&server, operation)
                .bearer(bad)
                .await
                .refused(401, "TOKEN_INVALID");
            let header = refused.header("www-authenticate");
            assert_eq!(
                header.as_deref(),
                Some("Bearer error=\"invalid_token\""),
                "{id} with {bad}"
            );
        }
        for header in [
            "Basic YWxpY2U6eA==",
            "Bearer",
            "Bearer ",
            token,
            &format!("Token {token}"),
            &format!("Bearer {token} {token}"),
        ] {
            call(&server, operation)
                .header("Authorization", header)
                .await
                .refused(401, "TOKEN_INVALID");
        }
        let twice = call(&server, operation).bearer(token).bearer(token).await;
        twice.refused(401, "TOKEN_INVALID");
    }
}

/// Offers each reference to an operation, as a bearer and as a key, unless it fits there. Asserts
/// that it is refused, or makes no difference where no credentials are read. Returns the number of
/// calls.
async fn opens_only_to_what_fits(server: &Server, operation: &Operation, held: &Held) -> usize {
    let security = operation.security;
    let takes_bearer = security.bearer || security.pending;
    let without = call(server, operation).await.status;
    let mut calls = 0;
    for (kind, reference) in &held.kinds {
        let place = format!("{} with {kind}", operation.name());
        let fits = match *kind {
            "access" => security.bearer,
            // An unfinished sign-in is accepted by what finishes or abandons it.
            "login" | "login by a passkey" => security.pending,
            _other => false,
        };
        if !fits {
            let answer = call(server, operation).bearer(reference).await;
            match takes_bearer {
                true => drop(answer.refused(401, "TOKEN_INVALID")),
                false => assert_eq!(answer.status, without, "{place} as a bearer"),
            }
            calls += 1;
        }
        if !(security.key && *kind == "api key") {
            let answer = call(server, operation).key(reference).await;
            match security.key {
                true => drop(answer.refused(401, "API_KEY_INVALID")),
                false => assert_eq!(answer.status, without, "{place} as a key"),
            }
            calls += 1;
        }
    }
    calls
}

/// Asserts that sessions, keys and sign-ins are valid where they belong.
async fn sign_ins_are_valid(server: &Server, held: &Held) {
    let kinds = &held.kinds;
    held.holders[0].person.me().await.is(200);
    let listed = server.get("/identity/users").key(&kinds["api key"]);
    listed.await.is(200);
    for login in ["login", "login by a passkey"] {
        let status = server.get("/mfa/status").bearer(&kinds[login]);
        status.await.is(200);
    }
    server.refresh(&kinds["refresh"]).await.is(200);
}

/// Asserts that links are valid where they belong.
async fn links_are_valid(server: &Server, held: &Held) {
    let kinds = &held.kinds;
    let asked = server.reset_by_link(&kinds["link of reset"], OTHER_PASSWORD);
    asked.await.is(200);
    let link = json!({ "token": kinds["registration link"] });
    server.post("/user/verify-email", &link).await.is(200);
    for (kind, reference) in kinds {
        if kind.starts_with("link") && !["link of reset", "link of undo"].contains(kind) {
            server.open_link(reference).await.is(200);
        }
    }
    let undone = server.undo_email_change(&kinds["link of undo"]);
    undone.await.is(200);
}

/// Asserts that steps that wait for a code are valid where they belong: it is the code that is wrong.
async fn steps_are_valid(server: &Server, held: &Held) {
    let kinds = &held.kinds;
    let reset = server.verify_reset(&kinds["reset"], "000000").await;
    reset.refused(400, "INVALID_MFA_CODE");
    let registration = server.prove(&kinds["registration"], "000000").await;
    registration.refused(400, "INVALID_REGISTRATION_CODE");
    for kind in ["setup", "setup of the mailbox"] {
        let setup = server.verify_setup(&kinds[kind], "000000").await;
        setup.refused(400, "INVALID_MFA_CODE");
    }
    let disable = server.verify_disable(&kinds["disable"], "000000").await;
    disable.refused(400, "INVALID_MFA_CODE");
    let alice = &held.holders[0].person;
    let step_up = alice.verify_step_up(&kinds["step-up"], "000000").await;
    step_up.refused(400, "INVALID_MFA_CODE");
}

/// Asserts that steps that wait for a passkey are valid where they belong: it is the passkey that is
/// wrong.
async fn steps_of_passkeys_are_valid(server: &Server, held: &Held) {
    let (kinds, alice) = (&held.kinds, &held.holders[0].person);
    let forged = credential();
    for (step, kind) in [
        ("mfa/setup", "setup of a passkey"),
        ("step-up", "step-up by a passkey"),
    ] {
        let answer = server
            .verify_passkey(step, &kinds[kind], &forged)
            .bearer(&alice.access_token)
            .await;
        answer.refused(400, "PASSKEY_REFUSED");
    }
    server
        .sign_in_by_passkey(&kinds["passkey"], &forged)
        .await
        .refused(400, "PASSKEY_REFUSED");
}

async fn credentials_open_only_what_takes_their_kind() {
    let server = Server::with(without_limits).await;
    let held = Held::make(&server, 1).await;
    let mut calls = 0;
    for operation in &Contract::get().operations {
        calls += opens_only_to_what_fits(&server, operation, &held).await;
    }
    assert!(calls > 2_500, "{calls} calls only");
    // Checks that all that was refused is valid where it belongs.
    sign_ins_are_valid(&server, &held).await;
    steps_are_valid(&server, &held).await;
    steps_of_passkeys_are_valid(&server, &held).await;
    links_are_valid(&server, &held).await;
}

/// Returns tokens that look like Alice's but are not.
async fn forged(alice: &Person) -> Vec<(&'static str, String)> {
    let token = &alice.access_token;
    let other_server =
        Server::with(|settings| settings.public_url = "http://localhost".to_owned()).await;
    let stranger = other_server.registered("alice@example.com").await;
    let keys = alice.server.get("/.well-known/jwks.json").await.is(200);
    let public = keys["keys"][0]["x"].as_str().expect("a key").to_owned();
    let other_issuer =
        Server::with(|settings| settings.public_url = "https://other.example.com".to_owned()).await;
    let other_audience = other_issuer.registered("alice@example.com").await;
    vec![
        (
            "a foreign key under our kid",
            forgery::by_foreign_key(token),
        ),
        ("another server's token", stranger.access_token),
        ("another issuer's token", other_audience.access_token),
        (
            "the public key as a shared secret",
            forgery::by_public_key_as_secret(token, &public),
        ),
        ("alg none", forgery::unsigned(token, "none")),
        ("alg None", forgery::unsigned(token, "None")),
        ("no signature", forgery::unsigned(token, "EdDSA")),
        (
            "another subject",
            forgery::with_claim(token, "sub", "user-01a2038e-7f00-7bd8-86c9-7f0e00af1a1f"),
        ),
        (
            "a later end",
            forgery::with_claim(token, "exp", 4_000_000_000_i64),
        ),
        ("a higher acr", forgery::with_claim(token, "acr", "aal2")),
        ("another type", forgery::with_head(token, "typ", "JWT")),
        (
            "an unknown kid",
            forgery::with_head(token, "kid", "unknown"),
        ),
        (
            "a key of its own",
            forgery::with_head(token, "jwk", json!({ "kty": "OKP" })),
        ),
    ]
}

async fn forged_tokens_open_nothing() {
    let server = Server::start().await;
    let alice = server.administrator("alice@example.com").await;
    let key = alice.api_key(&["tokens:validate"]).await;
    for (what, token) in forged(&alice).await {
        for operation in secured() {
            let refused = call(&server, operation).bearer(&token).await;
            assert_eq!(
                (refused.status, refused["code"].as_str()),
                (401, Some("TOKEN_INVALID")),
                "{what}"
            );
        }
        let judged = server
            .post("/identity/validate-token", &json!({ "token": token }))
            .key(&key)
            .await
            .is(200);
        assert_eq!(
            (&judged["valid"], &judged["reason"]),
            (&json!(false), &json!("invalid")),
            "{what}"
        );
    }
    alice.me().await.is(200);
}

async fn an_expired_token_opens_nothing() {
    let server = Server::start().await;
    let alice = server.administrator("alice@example.com").await;
    server.clock.advance(911);
    for operation in secured().filter(|operation| operation.security.bearer) {
        let refused = call(&server, operation)
            .bearer(&alice.access_token)
            .await
            .refused(401, "TOKEN_EXPIRED");
        let header = refused.header("www-authenticate");
        assert_eq!(
            header.as_deref(),
            Some("Bearer error=\"invalid_token\""),
            "{}",
            operation.id
        );
    }
    server.clock.advance(-930);
    for operation in secured().take(3) {
        let refused = call(&server, operation).bearer(&alice.access_token).await;
        refused.refused(401, "TOKEN_INVALID");
    }
}

async fn where_a_bearer_is_optional_a_bad_one_is_refused() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let optional = |operation: &&Operation| operation.security.bearer && operation.security.open;
    let operations: Vec<&Operation> = Contract::get().of("identity").filter(optional).collect();
    assert_eq!(operations.len(), 3);
    let credential = json!({ "id": "eA", "rawId": "eA", "type": "public-key", "response": {} });
    let body = |operation: &Operation| match operation.path.ends_with("passkey") {
        true => json!({ "mfaToken": "mfa_x", "credential": credential }),
        false => json!({ "mfaToken": "mfa_x", "code": "123456" }),
    };
    for operation in &operations {
        let body = body(operation);
        server
            .post(&operation.path, &body)
            .await
            .refused(400, "MFA_TOKEN_INVALID");
        server
            .post(&operation.path, &body)
            .bearer("x")
            .await
            .refused(401, "TOKEN_INVALID");
        let other = server
            .post(&operation.path, &body)
            .bearer(&alice.refresh_token)
            .await;
        other.refused(401, "TOKEN_INVALID");
    }
    server.clock.advance(911);
    for operation in operations {
        let body = body(operation);
        let late = server
            .post(&operation.path, &body)
            .bearer(&alice.access_token)
            .await;
        late.refused(401, "TOKEN_EXPIRED");
    }
}

async fn credentials_are_judged_before_the_body() {
    let server = Server::start().await;
    for operation in secured().filter(|operation| operation.body.is_some()) {
        let method: Method = operation.method.parse().expect("a method");
        let call = || server.call(method.clone(), &operation.sample_path());
        call()
            .body("application/json", "{")
            .await
            .refused(401, "TOKEN_INVALID");
        call()
            .body("text/plain", "x")
            .await
            .refused(401, "TOKEN_INVALID");
        call()
            .body("application/json", "x".repeat(20_000))
            .await
            .refused(401, "TOKEN_INVALID");
    }
}

async fn a_bearer_of_somebody_else_does_not_finish_a_step() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let bob = server.registered("bob@example.com").await;
    let setup = alice.begin_setup("authenticator").await.is(200);
    let token = setup.text("mfaToken");
    alice.authenticator = Some(contract_tests::Authenticator::new(&setup.text("secret")));
    let code = alice.fresh_code();
    let refused = server
        .verify_setup(&token, &code)
        .bearer(&bob.access_token)
        .await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    server
        .verify_setup(&token, &code)
        .bearer(&alice.access_token)
        .await
        .is(200);
    let token = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    let refused = server
        .verify_disable(&token, &code)
        .bearer(&bob.access_token)
        .await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    server
        .verify_disable(&token, &code)
        .bearer(&alice.access_token)
        .await
        .is(200);
}

async fn the_name_of_the_scheme_is_read_in_any_case() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let header = format!("{scheme} {}", alice.access_token);
        server
            .get("/identity/me")
            .header("Authorization", &header)
            .await
            .is(200);
    }
}
