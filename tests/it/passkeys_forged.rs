//! Passkeys in wrong hands: answers that were used before, forged, copied, or made for another
//! page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract_tests::call::{at_once, count};
use contract_tests::{Device, Person, Server, Value, json, tests};

tests! {
    a_used_answer_signs_nobody_in,
    an_answer_for_another_page_is_refused,
    a_counter_that_went_back_is_refused_and_told,
    an_id_that_is_somebody_elses_is_refused,
    an_answer_of_somebody_elses_passkey_is_refused,
    of_the_same_answer_at_once_one_is_taken,
    wrong_answers_use_up_the_challenge,
    alone_wrong_answers_count_against_nobody,
    what_was_asked_is_over_after_five_minutes,
    older_options_are_void,
    a_network_begins_so_many_an_hour,
    an_address_by_number_has_no_passkeys,
}

async fn with_passkey(server: &Server) -> (Person, Device) {
    let alice = server.registered("alice@example.com").await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    (alice, device)
}

async fn a_used_answer_signs_nobody_in() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let verify = |token: &str| server.verify_passkey("mfa/login", token, &used);
    verify(&token).await.is(200);
    verify(&token).await.refused(400, "MFA_TOKEN_INVALID");
    let (token, _) = alice.asked_for_passkey().await;
    let refused = verify(&token).await.refused(400, "PASSKEY_REFUSED");
    assert_eq!(refused["attemptsRemaining"], 4);
    // The challenge asks for nothing any more, so there is nothing to try.
    let refused = verify(&token).await.refused(400, "PASSKEY_REFUSED");
    assert_eq!(refused["attemptsRemaining"], 4);

    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    server.sign_in_by_passkey(&token, &used).await.is(200);
    server
        .sign_in_by_passkey(&token, &used)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let (token, _) = server.asked_for_any_passkey().await;
    server
        .sign_in_by_passkey(&token, &used)
        .await
        .refused(400, "PASSKEY_REFUSED");
    let replica = server.replica().await;
    let (token, _) = replica.asked_for_any_passkey().await;
    replica
        .sign_in_by_passkey(&token, &used)
        .await
        .refused(400, "PASSKEY_REFUSED");
}

async fn an_answer_for_another_page_is_refused() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    for (member, value) in [
        ("origin", json!("http://evil.example")),
        ("origin", json!("http://localhost.evil.example")),
        ("origin", json!("http://app.localhost")),
        ("origin", json!("https://localhost")),
        ("origin", json!("http://localhost:8081")),
        ("type", json!("webauthn.create")),
        ("crossOrigin", json!(true)),
        (
            "challenge",
            json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ),
    ] {
        let (token, options) = alice.asked_for_passkey().await;
        let forged = device.get_forged(&options, member, value.clone()).await;
        server
            .verify_passkey("mfa/login", &token, &forged)
            .await
            .refused(400, "PASSKEY_REFUSED");
        let (token, options) = server.asked_for_any_passkey().await;
        let forged = device.get_forged(&options, member, value).await;
        server
            .sign_in_by_passkey(&token, &forged)
            .await
            .refused(400, "PASSKEY_REFUSED");
    }
    // The same construction with nothing forged is accepted: the forgery was refused, not the
    // construction.
    let (token, options) = alice.asked_for_passkey().await;
    let right = device
        .get_forged(&options, "origin", json!("http://localhost"))
        .await;
    server
        .verify_passkey("mfa/login", &token, &right)
        .await
        .is(200);
}

async fn a_counter_that_went_back_is_refused_and_told() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    device.set_counter(41);
    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    server.sign_in_by_passkey(&token, &used).await.is(200);
    for stands_at in [41, 3, 0] {
        device.set_counter(stands_at);
        let refused = alice.sign_in_by(&device).await;
        refused.refused(400, "PASSKEY_REFUSED");
        device.set_counter(stands_at);
        let (token, options) = server.asked_for_any_passkey().await;
        let used = device.get(&options).await.expect("an assertion");
        server
            .sign_in_by_passkey(&token, &used)
            .await
            .refused(400, "PASSKEY_REFUSED");
    }
    server
        .mail
        .notice_to(
            "alice@example.com",
            "passkey of your Countersign account was refused",
        )
        .await;
    device.set_counter(42);
    alice.sign_in_by(&device).await.is(200);
}

async fn an_id_that_is_somebody_elses_is_refused() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let bob = server.registered("bob@example.com").await;
    let taken = device.keys()[0].credential_id.to_vec();
    let forged = async |begun: &Value| {
        let other = Device::new();
        let mut made = other.create(begun).await.expect("a passkey");
        let own = other.keys()[0].credential_id.to_vec();
        assert_eq!(own.len(), taken.len());
        // Without attestation nothing signs the id.
        let object = made["response"]["attestationObject"].as_str();
        let mut object = URL_SAFE_NO_PAD
            .decode(object.expect("an object"))
            .expect("base64url");
        let at = object
            .windows(own.len())
            .position(|part| part == own)
            .expect("the id");
        object[at..at + taken.len()].copy_from_slice(&taken);
        made["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(object));
        made["rawId"] = json!(URL_SAFE_NO_PAD.encode(&taken));
        made["id"] = made["rawId"].clone();
        made
    };
    let begun = bob.begin_passkey("Key").await.is(200);
    let made = forged(&begun["publicKey"]).await;
    server
        .verify_passkey("mfa/setup", &begun.text("mfaToken"), &made)
        .await
        .refused(400, "PASSKEY_REFUSED");
    assert_eq!(bob.me().await.is(200)["mfaMethods"], json!([]));
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);

    // Once its owner has removed it, it belongs to nobody.
    let factor = alice.factor_id("passkey").await;
    assert_eq!(alice.remove(&factor).await.status / 100, 2);
    let begun = bob.begin_passkey("Key").await.is(200);
    let made = forged(&begun["publicKey"]).await;
    server
        .verify_passkey("mfa/setup", &begun.text("mfaToken"), &made)
        .await
        .is(200);
}

async fn an_answer_of_somebody_elses_passkey_is_refused() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let bob = server.registered("bob@example.com").await;
    let bobs = Device::new();
    bob.add_passkey(&bobs).await;
    let (token, mut options) = alice.asked_for_passkey().await;
    let handle =
        device.get(&options).await.expect("an assertion")["response"]["userHandle"].clone();
    options["allowCredentials"] = json!([]);
    let mut used = bobs.get(&options).await.expect("an assertion");
    server
        .verify_passkey("mfa/login", &token, &used)
        .await
        .refused(400, "PASSKEY_REFUSED");

    // Bob's passkey does not become Alice's by naming her.
    let (token, options) = server.asked_for_any_passkey().await;
    used = bobs.get(&options).await.expect("an assertion");
    used["response"]["userHandle"] = handle;
    server
        .sign_in_by_passkey(&token, &used)
        .await
        .refused(400, "PASSKEY_REFUSED");
    let (token, options) = server.asked_for_any_passkey().await;
    used = bobs.get(&options).await.expect("an assertion");
    used["response"]["userHandle"] = Value::Null;
    server
        .sign_in_by_passkey(&token, &used)
        .await
        .refused(400, "PASSKEY_REFUSED");
}

async fn of_the_same_answer_at_once_one_is_taken() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let replica = server.replica().await;
    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let both = [&server, &replica];
    let calls = both
        .iter()
        .flat_map(|server| (0..4).map(|_| server.verify_passkey("mfa/login", &token, &used)));
    let answers = at_once(calls).await;
    assert_eq!(count(&answers, 200), 1);
    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let calls = both
        .iter()
        .flat_map(|server| (0..4).map(|_| server.sign_in_by_passkey(&token, &used)));
    let answers = at_once(calls).await;
    assert_eq!(count(&answers, 200), 1);
}

async fn wrong_answers_use_up_the_challenge() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let (token, options) = alice.asked_for_passkey().await;
    let old = device.get(&options).await.expect("an assertion");
    for left in (0..5).rev() {
        server.passkey_options(&token).await.is(200);
        let refused = server
            .verify_passkey("mfa/login", &token, &old)
            .await
            .refused(400, "PASSKEY_REFUSED");
        assert_eq!(refused["attemptsRemaining"], left);
    }
    server
        .passkey_options(&token)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
    alice.sign_in_by(&device).await.is(200);
}

async fn alone_wrong_answers_count_against_nobody() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let (_, options) = server.asked_for_any_passkey().await;
    let old = device.get(&options).await.expect("an assertion");
    for _ in 0..60 {
        let (token, _) = server.asked_for_any_passkey().await;
        server
            .sign_in_by_passkey(&token, &old)
            .await
            .refused(400, "PASSKEY_REFUSED");
    }
    alice.sign_in_by(&device).await.is(200);
}

async fn what_was_asked_is_over_after_five_minutes() {
    let server = Server::start().await;
    let (_, device) = with_passkey(&server).await;
    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    server.clock.advance(300);
    server
        .sign_in_by_passkey(&token, &used)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
    for token in ["x", "pk_", "pk_AAAA", &token.replacen("pk_", "mfa_", 1)] {
        server
            .sign_in_by_passkey(token, &used)
            .await
            .refused(400, "MFA_TOKEN_INVALID");
    }
}

async fn older_options_are_void() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let (token, older) = alice.asked_for_passkey().await;
    let newer = server.passkey_options(&token).await.is(200);
    let old = device.get(&older).await.expect("an assertion");
    server
        .verify_passkey("mfa/login", &token, &old)
        .await
        .refused(400, "PASSKEY_REFUSED");
    let new = device.get(&newer["publicKey"]).await.expect("an assertion");
    server
        .verify_passkey("mfa/login", &token, &new)
        .await
        .refused(400, "PASSKEY_REFUSED");
}

async fn a_network_begins_so_many_an_hour() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.passkey_sign_ins_per_source = 3;
    })
    .await;
    let begin = |address: &str| {
        server
            .call(contract_tests::Method::POST, "/identity/passkey/options")
            .from(address)
    };
    for host in 1..=3 {
        begin(&format!("203.0.113.{host}")).await.is(200);
    }
    let refused = begin("203.0.113.9").await.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused["retryAfter"], 3600);
    begin("203.0.114.9").await.is(200);
    server.clock.advance(3600);
    begin("203.0.113.9").await.is(200);
}

async fn an_address_by_number_has_no_passkeys() {
    let server = Server::with(|settings| {
        settings.public_url = "http://127.0.0.1".to_owned();
        settings.passkey_rp_id = "127.0.0.1".to_owned();
    })
    .await;
    let alice = server.registered("alice@example.com").await;
    alice
        .begin_passkey("Key")
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
    server
        .call(contract_tests::Method::POST, "/identity/passkey/options")
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
}
