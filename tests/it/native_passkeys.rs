//! The steps that take a passkey: their tokens, their tries, and methods that were turned off
//! meanwhile.

use contract_tests::{Call, Device, Person, Server, Value, json, tests};

tests! {
    a_step_that_is_over_takes_no_passkey,
    a_stopped_passkey_answers_nothing,
    tries_with_a_passkey_run_out,
    an_account_that_is_gone_uses_no_passkey,
    a_passkey_that_is_not_on_answers_nothing,
    one_set_up_of_a_passkey_overtakes_another,
    a_step_up_is_limited_like_a_sign_in,
    a_step_up_counts_for_its_network,
}

/// Returns a credential of the right form that does not answer anything.
fn nonsense() -> Value {
    json!({ "id": "eA", "rawId": "eA", "type": "public-key", "response": {} })
}

/// Returns a user with a passkey, signed in with it.
async fn with_passkey(server: &Server) -> (Person, Device) {
    let mut alice = server.registered("alice@example.com").await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);
    (alice, device)
}

/// Starts the three steps that a passkey finishes.
async fn steps(alice: &Person) -> [(&'static str, String); 3] {
    let setup = alice.begin_passkey("Other").await.is(200).text("mfaToken");
    let (login, _) = alice.asked_for_passkey().await;
    let step_up = alice.begin_step_up(&json!({})).await.is(200);
    [
        ("mfa/setup", setup),
        ("mfa/login", login),
        ("step-up", step_up.text("mfaToken")),
    ]
}

/// Answers a step. Only a step-up needs the bearer.
fn answer(alice: &Person, step: &str, token: &str) -> Call {
    let call = alice.server.verify_passkey(step, token, &nonsense());
    match step {
        "step-up" => call.bearer(&alice.access_token),
        _ => call,
    }
}

async fn a_step_that_is_over_takes_no_passkey() {
    let server = Server::start().await;
    let (alice, _) = with_passkey(&server).await;
    let begun = steps(&alice).await;
    server.clock.advance(600);
    for (step, token) in &begun {
        answer(&alice, step, token)
            .await
            .refused(400, "MFA_TOKEN_EXPIRED");
    }
    server
        .passkey_options(&begun[1].1)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
}

async fn a_stopped_passkey_answers_nothing() {
    let server = Server::start().await;
    let (alice, _) = with_passkey(&server).await;
    let begun = steps(&alice).await;
    // The counter has a row once a try was taken.
    for (step, token) in &begun {
        answer(&alice, step, token)
            .await
            .refused(400, "PASSKEY_REFUSED");
    }
    // Among challenges of one moment, any may be the oldest, which the sixth one ends.
    server.clock.advance(1);
    let (login, options) = alice.asked_for_passkey().await;
    let other = alice.begin_passkey("Third").await.is(200).text("mfaToken");
    let step_up = alice.begin_step_up(&json!({})).await.is(200);
    assert!(options["challenge"].is_string());
    server
        .database
        .run("UPDATE factor_attempts SET failures = 50 WHERE kind = 'passkey'");
    let again = [
        ("mfa/setup", other),
        ("mfa/login", login.clone()),
        ("step-up", step_up.text("mfaToken")),
    ];
    for (step, token) in &again {
        answer(&alice, step, token)
            .await
            .refused(403, "MFA_METHOD_LOCKED");
    }
    server
        .passkey_options(&login)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
}

async fn tries_with_a_passkey_run_out() {
    let server = Server::start().await;
    let (alice, _) = with_passkey(&server).await;
    for (step, token) in steps(&alice).await {
        server
            .database
            .run("UPDATE challenges SET attempts = 5 WHERE consumed_at IS NULL");
        answer(&alice, step, &token)
            .await
            .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    }
}

async fn an_account_that_is_gone_uses_no_passkey() {
    let server = Server::start().await;
    let (alice, _) = with_passkey(&server).await;
    let begun = steps(&alice).await;
    let bob = server.registered("bob@example.com").await;
    server
        .database
        .run("UPDATE users SET disabled_at = 1 WHERE email = 'alice@example.com'");
    for (step, token) in &begun {
        let call = server.verify_passkey(step, token, &nonsense());
        let call = match *step {
            "step-up" => call.bearer(&bob.access_token),
            _ => call,
        };
        call.await.refused(404, "USER_NOT_FOUND");
    }
    server
        .passkey_options(&begun[1].1)
        .await
        .refused(404, "USER_NOT_FOUND");
}

async fn a_passkey_that_is_not_on_answers_nothing() {
    let server = Server::start().await;
    let (alice, _) = with_passkey(&server).await;
    let begun = steps(&alice).await;
    server
        .database
        .run("UPDATE factors SET state = 'ready' WHERE kind = 'passkey' AND state = 'on'");
    server
        .passkey_options(&begun[1].1)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    for (step, token) in &begun[1..] {
        answer(&alice, step, token)
            .await
            .refused(400, "MFA_METHOD_NOT_ENABLED");
    }
}

async fn one_set_up_of_a_passkey_overtakes_another() {
    let server = Server::start().await;
    let (alice, _) = with_passkey(&server).await;
    let device = Device::new();
    let begun = alice.begin_passkey("Tablet").await.is(200);
    let made = device.create(&begun["publicKey"]).await.expect("a passkey");
    // Meanwhile another passkey with this name was turned on.
    server
        .database
        .run("UPDATE factors SET name = 'Tablet' WHERE state = 'on'");
    server
        .verify_passkey("mfa/setup", &begun.text("mfaToken"), &made)
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
}

async fn a_step_up_is_limited_like_a_sign_in() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    for _ in 0..5 {
        alice
            .begin_step_up(&json!({ "password": "wrong" }))
            .await
            .refused(400, "INVALID_PASSWORD");
    }
    alice
        .begin_step_up(&json!({ "password": "wrong" }))
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server.clock.advance(800);
    alice.enable_email().await;
    for _ in 0..6 {
        alice.begin_step_up(&json!({})).await.is(200);
    }
    alice
        .begin_step_up(&json!({}))
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
}

async fn a_step_up_counts_for_its_network() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 4;
    })
    .await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let step_up = || alice.begin_step_up(&json!({})).from("203.0.113.1");
    for _ in 0..4 {
        step_up().await.is(200);
    }
    step_up().await.refused(429, "TOO_MANY_REQUESTS");
}
