//! Passkeys, created and used by a device that we did not write: as a second step, for step-up, and
//! alone.

use contract_tests::{Device, Method, Person, Server, json, tests};

tests! {
    a_passkey_is_made_and_used_as_a_second_step,
    a_passkey_alone_signs_in,
    a_passkey_steps_a_session_up,
    after_a_password_a_device_need_not_know_who_holds_it,
    a_device_that_does_not_count_signs_in_again_and_again,
    another_app_can_read_what_is_asked,
    a_device_holds_one_passkey_of_an_account,
    what_one_replica_begins_another_finishes,
    a_removed_passkey_signs_nobody_in,
    another_methods_person_may_switch_to_the_passkey,
    a_passkeys_session_steps_up_by_passkey_and_never_had_a_password,
    a_passkey_that_is_not_asked_for_signs_nobody_in,
    what_nobody_finished_is_forgotten,
}

/// Returns a user with a passkey on a device.
async fn with_passkey(server: &Server) -> (Person, Device) {
    let alice = server.registered("alice@example.com").await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    (alice, device)
}

async fn a_passkey_is_made_and_used_as_a_second_step() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let device = Device::new();
    let begun = alice.begin_passkey("Blue key").await.is(200);
    assert_eq!(begun["method"], "passkey");
    let made = device.create(&begun["publicKey"]).await.expect("a passkey");
    assert_eq!(
        alice.me().await.is(200)["mfaMethods"],
        json!([]),
        "nothing is on before its proof"
    );
    let token = begun.text("mfaToken");
    let enabled = server
        .verify_passkey("mfa/setup", &token, &made)
        .await
        .is(200);
    assert_eq!(enabled["mfaMethods"], json!(["passkey"]));
    server.mail.notice_to("alice@example.com", "on").await;

    alice.sign_out().await.is(204);
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "passkey");
    let options = server
        .passkey_options(&asked.text("mfaToken"))
        .await
        .is(200);
    let used = device
        .get(&options["publicKey"])
        .await
        .expect("an assertion");
    let signed_in = server
        .verify_passkey("mfa/login", &asked.text("mfaToken"), &used)
        .await
        .is(200);
    alice.keep(&signed_in);
    let me = alice.me().await.is(200);
    assert_eq!(me["session"]["acr"], "aal2");
    assert_eq!(me["session"]["amr"], json!(["pwd", "pop", "mfa"]));

    server.clock.advance(60);
    alice.sign_in_by(&device).await.is(200);
    let factor = alice.factor("Blue key").await;
    assert_eq!(factor["method"], "passkey");
}

async fn a_passkey_alone_signs_in() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let (token, options) = server.asked_for_any_passkey().await;
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["allowCredentials"], json!([]));
    let used = device.get(&options).await.expect("an assertion");
    let signed_in = server.sign_in_by_passkey(&token, &used).await.is(200);
    assert_eq!(signed_in["user"]["email"], "alice@example.com");
    alice.keep(&signed_in);
    let me = alice.me().await.is(200);
    assert_eq!(me["session"]["acr"], "aal2");
    assert_eq!(me["session"]["amr"], json!(["pop", "user", "mfa"]));
    alice.refresh_token = server
        .refresh(&alice.refresh_token)
        .await
        .is(200)
        .text("refreshToken");

    // A device that does not verify its user is not enough, whatever it was asked.
    let (token, mut options) = server.asked_for_any_passkey().await;
    options["userVerification"] = json!("discouraged");
    let touched = device.get(&options).await.expect("an assertion");
    let refused = server.sign_in_by_passkey(&token, &touched).await;
    refused.refused(400, "PASSKEY_REFUSED");
}

async fn a_passkey_steps_a_session_up() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);
    server.clock.advance(400);
    alice
        .new_recovery_codes()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    assert_eq!(begun["method"], "passkey");
    assert_eq!(begun["publicKey"]["userVerification"], "required");

    let mut options = begun["publicKey"].clone();
    options["userVerification"] = json!("discouraged");
    let touched = device.get(&options).await.expect("an assertion");
    let verify = |token: &str, credential| {
        let body = json!({ "mfaToken": token, "credential": credential });
        alice.post("/identity/step-up/verify-passkey", &body)
    };
    verify(&begun.text("mfaToken"), touched)
        .await
        .refused(400, "PASSKEY_REFUSED");

    let begun = alice.begin_step_up(&json!({})).await.is(200);
    let used = device.get(&begun["publicKey"]).await.expect("an assertion");
    let lifted = verify(&begun.text("mfaToken"), used).await.is(200);
    assert_eq!(lifted["acr"], "aal2");
    alice.access_token = lifted.text("accessToken");
    alice.new_recovery_codes().await.is(201);
}

async fn after_a_password_a_device_need_not_know_who_holds_it() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let device = Device::new().without_verification();
    alice.add_passkey(&device).await;
    alice.sign_in_by(&device).await.is(200);

    // A device that verified its user once must do so from then on.
    let bob = server.registered("bob@example.com").await;
    let device = Device::new();
    bob.add_passkey(&device).await;
    let (token, mut options) = bob.asked_for_passkey().await;
    assert_eq!(options["userVerification"], "preferred");
    options["userVerification"] = json!("discouraged");
    let touched = device.get(&options).await.expect("an assertion");
    let refused = server.verify_passkey("mfa/login", &token, &touched).await;
    refused.refused(400, "PASSKEY_REFUSED");
}

async fn a_device_that_does_not_count_signs_in_again_and_again() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let device = Device::new().without_counter();
    alice.add_passkey(&device).await;
    for _ in 0..3 {
        alice.sign_in_by(&device).await.is(200);
        let (token, options) = server.asked_for_any_passkey().await;
        let used = device.get(&options).await.expect("an assertion");
        server.sign_in_by_passkey(&token, &used).await.is(200);
    }
}

async fn another_app_can_read_what_is_asked() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let begun = alice.begin_passkey("Key").await.is(200);
    let options = &begun["publicKey"];
    assert_eq!(options["rp"]["id"], "localhost");
    assert_eq!(options["timeout"], 300_000);
    assert_eq!(options["attestation"], "none");
    assert_eq!(
        options["authenticatorSelection"]["residentKey"],
        "preferred"
    );
    assert_eq!(options["user"]["name"], "alice@example.com");
    let handle = options["user"]["id"].as_str().expect("a handle");
    assert_eq!(
        handle.len(),
        22,
        "the id of the account, and nothing of its owner"
    );
}

async fn a_device_holds_one_passkey_of_an_account() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);
    alice
        .begin_passkey("Key")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
    let begun = alice.begin_passkey("Second").await.is(200);
    device
        .create(&begun["publicKey"])
        .await
        .expect_err("it has one already");
    let other = Device::new();
    let made = other.create(&begun["publicKey"]).await.expect("a passkey");
    let token = begun.text("mfaToken");
    server
        .verify_passkey("mfa/setup", &token, &made)
        .await
        .is(200);
    for device in [device, other] {
        alice.sign_in_by(&device).await.is(200);
    }
}

async fn what_one_replica_begins_another_finishes() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let device = Device::new();
    let replica = server.replica().await;
    let begun = alice.begin_passkey("Key").await.is(200);
    let made = device.create(&begun["publicKey"]).await.expect("a passkey");
    let token = begun.text("mfaToken");
    replica
        .verify_passkey("mfa/setup", &token, &made)
        .await
        .is(200);

    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    replica
        .verify_passkey("mfa/login", &token, &used)
        .await
        .is(200);

    let (alone, options) = server.asked_for_any_passkey().await;
    let used_alone = device.get(&options).await.expect("an assertion");
    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let server = server.restarted().await;
    alice.server = server.clone();
    server.sign_in_by_passkey(&alone, &used_alone).await.is(200);
    server
        .verify_passkey("mfa/login", &token, &used)
        .await
        .is(200);
}

async fn a_removed_passkey_signs_nobody_in() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);
    let (alone, options) = server.asked_for_any_passkey().await;
    let used_alone = device.get(&options).await.expect("an assertion");
    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let factor = alice.factor_id("passkey").await;
    assert_eq!(alice.remove(&factor).await.status / 100, 2);
    server
        .sign_in_by_passkey(&alone, &used_alone)
        .await
        .refused(400, "PASSKEY_REFUSED");
    let refused = server.verify_passkey("mfa/login", &token, &used).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    // Its id is free again: the same passkey may be added once more.
    device.keys().clear();
    alice.add_passkey(&device).await;
}

async fn another_methods_person_may_switch_to_the_passkey() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    server
        .verify_passkey("mfa/login", &token, &used)
        .await
        .is(200);
    let bob = {
        let mut bob = server.registered("bob@example.com").await;
        bob.enable_email().await;
        bob
    };
    let token = bob.begin_sign_in().await;
    server
        .passkey_options(&token)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn a_passkeys_session_steps_up_by_passkey_and_never_had_a_password() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let signed_in = server.sign_in_by_passkey(&token, &used).await.is(200);
    alice.keep(&signed_in);
    alice.new_recovery_codes().await.is(201);
    server.clock.advance(400);
    let stale = alice.new_recovery_codes().await;
    stale.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    let used = device.get(&begun["publicKey"]).await.expect("an assertion");
    let body = json!({ "mfaToken": begun.text("mfaToken"), "credential": used });
    let verify = alice.post("/identity/step-up/verify-passkey", &body);
    alice.access_token = verify.await.is(200).text("accessToken");
    let me = alice.me().await.is(200);
    assert_eq!(me["session"]["amr"], json!(["pop", "user", "mfa"]));
    alice.new_recovery_codes().await.is(201);
}

async fn a_passkey_that_is_not_asked_for_signs_nobody_in() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);
    let off = json!({ "mfaMethod": "authenticator" });
    let off = alice.call(Method::DELETE, "/settings/MfaSignIn").json(&off);
    off.await.is(200);
    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let refused = server.sign_in_by_passkey(&token, &used).await;
    refused.refused(400, "PASSKEY_REFUSED");
    let signed_in = alice.login().await.is(200);
    assert_ne!(signed_in["mfaRequired"], true, "{}", signed_in.text);
}

async fn what_nobody_finished_is_forgotten() {
    let server = Server::start().await;
    let ceremonies = || {
        server
            .database
            .number("SELECT count(*) AS found FROM ceremonies")
    };
    // On its first day a server deletes nothing.
    server.forget_after(86_400).await;
    server.asked_for_any_passkey().await;
    server.forget_after(0).await;
    assert_eq!(ceremonies(), 1, "while it may be finished");
    server.forget_after(301).await;
    assert_eq!(ceremonies(), 0);
}
