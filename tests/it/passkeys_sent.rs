//! Passkey answers that real devices send, and some that none does: every letter of the origin, the
//! time limit, and changing flags.

use contract_tests::{Answer, Call, Device, Person, Server, Value, json, tests};

use super::flashback::Client;
use super::flashback_passkeys::{complete, creation, request};
use super::passkeys_made::{register, with_attestation};

tests! {
    an_origin_is_compared_letter_by_letter,
    an_app_is_a_page_of_its_own,
    the_time_that_was_said_is_the_time_that_counts,
    late_in_a_challenge_less_time_is_said,
    an_empty_user_handle_is_none,
    a_passkey_may_be_synchronised_later_and_back,
    where_a_setting_forbids_it_a_passkey_stays_what_it_was,
    a_passkey_cannot_be_synchronised_that_cannot_be,
}

/// The flags "user present" and "user verified".
const TOUCHED: u8 = 0b0000_0101;
/// The flag of a passkey that can be synchronised.
const ELIGIBLE: u8 = 0b0000_1000;
/// The flag of a passkey that is synchronised.
const BACKED_UP: u8 = 0b0001_0000;

async fn with_passkey(server: &Server) -> (Person, Device) {
    let alice = server.registered("alice@example.com").await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    (alice, device)
}

/// Finishes a step-up with a passkey.
fn lift(alice: &Person, begun: &Answer, credential: &Value) -> Call {
    let body = json!({ "mfaToken": begun.text("mfaToken"), "credential": credential });
    alice.post("/identity/step-up/verify-passkey", &body)
}

/// Finishes a sign-in through Flashback's API with a passkey.
fn finish(carol: &Client, used: &Value) -> Call {
    let body = json!({ "mfaType": "PASSKEY", "credential": used });
    carol.post("/mfa/verify-login", &body)
}

/// Completes a registration through Flashback's API.
fn register_by_flashback(dave: &Client, begun: &Answer, made: &Value) -> Call {
    let path = "/mfa/passkey/complete-registration";
    dave.post(path, &complete(begun, made))
}

/// Begins a sign-in through Flashback's API, and asks for its passkey.
async fn asked_by_flashback(carol: &mut Client) -> Answer {
    carol.login().await;
    carol.poke("/mfa/passkey/auth-options").await.is(200)
}

/// Asserts that a passkey used at this origin opens nothing: as the second step, for a step-up, and
/// alone.
async fn nothing_is_opened_from(origin: &Value, alice: &Person, device: &Device) {
    let server = &alice.server;
    let (token, options) = alice.asked_for_passkey().await;
    let forged = device.get_forged(&options, "origin", origin.clone()).await;
    let refused = server.verify_passkey("mfa/login", &token, &forged).await;
    refused.refused(400, "PASSKEY_REFUSED");
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    let options = &begun["publicKey"];
    let forged = device.get_forged(options, "origin", origin.clone()).await;
    let refused = lift(alice, &begun, &forged).await;
    refused.refused(400, "PASSKEY_REFUSED");
    let (token, options) = server.asked_for_any_passkey().await;
    let forged = device.get_forged(&options, "origin", origin.clone()).await;
    let refused = server.sign_in_by_passkey(&token, &forged).await;
    refused.refused(400, "PASSKEY_REFUSED");
}

/// Asserts that a passkey made at this origin is not registered, through either API.
async fn nothing_is_registered_from(origin: &Value, bob: &Person, dave: &Client) {
    let other = Device::new();
    let begun = bob.begin_passkey("Key").await.is(200);
    let forged = other
        .create_forged(&begun["publicKey"], "origin", origin.clone())
        .await;
    let refused = register(bob, &begun, &forged).await;
    refused.refused(400, "PASSKEY_REFUSED");
    let begun = dave.setup("PASSKEY").await.is(200);
    let forged = other
        .create_forged(&creation(&begun), "origin", origin.clone())
        .await;
    let refused = register_by_flashback(dave, &begun, &forged).await;
    refused.refused(400, "PASSKEY_REFUSED");
}

async fn an_origin_is_compared_letter_by_letter() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let signed_in = alice.sign_in_by(&device).await.is(200);
    alice.keep(&signed_in);
    let mut carol = Client::registered(&server, "carol@example.com", None).await;
    let carols = Device::new();
    carol.enable_passkey(&carols).await;
    let origins = [
        "HTTP://LOCALHOST",
        "http://LOCALHOST",
        "http://localhost/",
        "http://localhost/path",
        "http://localhost?x",
        "http://localhost:80",
        "http://u@localhost",
        " http://localhost",
    ];
    for (place, origin) in origins.into_iter().enumerate() {
        // A new user for each origin, so that wrong answers make nobody wait.
        let bob = server.registered(&format!("bob{place}@example.com")).await;
        let daves = format!("dave{place}@example.com");
        let dave = Client::registered(&server, &daves, None).await;
        let origin = json!(origin);
        nothing_is_opened_from(&origin, &alice, &device).await;
        let options = request(&asked_by_flashback(&mut carol).await);
        let forged = carols.get_forged(&options, "origin", origin.clone()).await;
        let refused = finish(&carol, &forged).await;
        refused.refused(400, "PASSKEY_REFUSED");
        nothing_is_registered_from(&origin, &bob, &dave).await;
        // Nothing was turned on, and the right origin signs in.
        bob.login().await.is(200).text("accessToken");
        alice.keep(&alice.sign_in_by(&device).await.is(200));
        let options = request(&asked_by_flashback(&mut carol).await);
        let used = carols.get(&options).await.expect("an assertion");
        let body = json!({ "mfaType": "PASSKEY", "credential": used });
        carol.verify(&body).await;
    }
}

async fn an_app_is_a_page_of_its_own() {
    let app = "android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck";
    let server = Server::with(|settings| settings.passkey_origins = vec![app.to_owned()]).await;
    let alice = server.registered("alice@example.com").await;
    let device = Device::new();
    let begun = alice.begin_passkey("Phone").await.is(200);
    let made = device
        .create_forged(&begun["publicKey"], "origin", json!(app))
        .await;
    register(&alice, &begun, &made).await.is(200);
    let (token, options) = alice.asked_for_passkey().await;
    let used = device.get_forged(&options, "origin", json!(app)).await;
    server
        .verify_passkey("mfa/login", &token, &used)
        .await
        .is(200);
    for (origin, status) in [
        (app.to_owned(), 200),
        (app.to_lowercase(), 400),
        ("http://localhost".to_owned(), 200),
        (app.replace("pNiP", "pNiQ"), 400),
    ] {
        let (token, options) = server.asked_for_any_passkey().await;
        let used = device.get_forged(&options, "origin", json!(origin)).await;
        server.sign_in_by_passkey(&token, &used).await.is(status);
    }
}

/// What a device answered and nobody has sent yet, with the code of its refusal if it comes late.
type Unsent = (Call, &'static str);

/// Asks for a passkey as the second step, for a step-up and alone, and has the device answer.
async fn answers_native_options(alice: &Person, device: &Device) -> [Unsent; 3] {
    let server = &alice.server;
    let (token, options) = alice.asked_for_passkey().await;
    assert_eq!(options["timeout"], 300_000);
    let used = device.get(&options).await.expect("an assertion");
    let signing_in = server.verify_passkey("mfa/login", &token, &used);
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    assert_eq!(begun["publicKey"]["timeout"], 300_000);
    let used = device.get(&begun["publicKey"]).await;
    let lifting = lift(alice, &begun, &used.expect("an assertion"));
    let (token, options) = server.asked_for_any_passkey().await;
    assert_eq!(options["timeout"], 300_000);
    let used = device.get(&options).await.expect("an assertion");
    let alone = server.sign_in_by_passkey(&token, &used);
    [
        (signing_in, "PASSKEY_REFUSED"),
        (lifting, "PASSKEY_REFUSED"),
        (alone, "MFA_TOKEN_EXPIRED"),
    ]
}

/// Asks for a passkey through Flashback's API, and has the device answer.
async fn answers_flashbacks_options(carol: &mut Client, device: &Device) -> [Unsent; 1] {
    let asked = asked_by_flashback(carol).await;
    assert_eq!(asked["data"]["timeout"], 300_000);
    let used = device.get(&request(&asked)).await.expect("an assertion");
    [(finish(carol, &used), "PASSKEY_REFUSED")]
}

/// Begins to register a passkey through both APIs, and has devices make them.
async fn makes_passkeys(bob: &Person, dave: &Client) -> [Unsent; 2] {
    let begun = bob.begin_passkey("Key").await.is(200);
    assert_eq!(begun["publicKey"]["timeout"], 300_000);
    let made = Device::new().create(&begun["publicKey"]).await;
    let bobs = register(bob, &begun, &made.expect("a passkey"));
    let begun = dave.setup("PASSKEY").await.is(200);
    let made = Device::new().create(&creation(&begun)).await;
    let daves = register_by_flashback(dave, &begun, &made.expect("a passkey"));
    [(bobs, "PASSKEY_REFUSED"), (daves, "PASSKEY_REFUSED")]
}

/// Asserts that a late answer is not a wrong one: the challenge, which is still live, takes a new
/// one.
async fn takes_a_new_answer_after_a_late_one(alice: &Person, device: &Device) {
    let server = &alice.server;
    let (token, options) = alice.asked_for_passkey().await;
    let late = device.get(&options).await.expect("an assertion");
    server.clock.advance(301);
    let refused = server.verify_passkey("mfa/login", &token, &late).await;
    assert_eq!(
        refused.refused(400, "PASSKEY_REFUSED")["attemptsRemaining"],
        5
    );
    let again = server.passkey_options(&token).await.is(200);
    let used = device.get(&again["publicKey"]).await.expect("an assertion");
    server
        .verify_passkey("mfa/login", &token, &used)
        .await
        .is(200);
}

async fn the_time_that_was_said_is_the_time_that_counts() {
    let server = Server::start().await;
    let (mut alice, device) = with_passkey(&server).await;
    let mut carol = Client::registered(&server, "carol@example.com", None).await;
    let carols = Device::new();
    carol.enable_passkey(&carols).await;
    for (waited, status) in [(299, 200), (300, 400), (360, 400)] {
        let bob = server.registered(&format!("bob{waited}@example.com")).await;
        let daves = format!("dave{waited}@example.com");
        let dave = Client::registered(&server, &daves, None).await;
        alice.keep(&alice.sign_in_by(&device).await.is(200));
        let mut unsent = Vec::new();
        unsent.extend(answers_native_options(&alice, &device).await);
        unsent.extend(answers_flashbacks_options(&mut carol, &carols).await);
        unsent.extend(makes_passkeys(&bob, &dave).await);
        server.clock.advance(waited);
        for (call, code) in unsent {
            let answer = call.await;
            match status {
                200 => drop(answer.is(200)),
                _ => drop(answer.refused(status, code)),
            }
        }
    }
    takes_a_new_answer_after_a_late_one(&alice, &device).await;
}

async fn late_in_a_challenge_less_time_is_said() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    let token = alice.begin_sign_in().await;
    server.clock.advance(500);
    let options = server.passkey_options(&token).await.is(200);
    assert_eq!(options["publicKey"]["timeout"], 100_000);
    let used = device.get(&options["publicKey"]).await;
    server.clock.advance(99);
    server
        .verify_passkey("mfa/login", &token, &used.expect("an assertion"))
        .await
        .is(200);
}

async fn an_empty_user_handle_is_none() {
    let server = Server::start().await;
    let (alice, device) = with_passkey(&server).await;
    for (handle, status) in [(json!(""), 200), (Value::Null, 200), (json!("AAAA"), 400)] {
        let (token, options) = alice.asked_for_passkey().await;
        let mut used = device.get(&options).await.expect("an assertion");
        used["response"]["userHandle"] = handle;
        let answer = server.verify_passkey("mfa/login", &token, &used).await;
        answer.is(status);
    }
    // When used alone, the answer says whose passkey it is.
    let (token, options) = server.asked_for_any_passkey().await;
    let mut used = device.get(&options).await.expect("an assertion");
    used["response"]["userHandle"] = json!("");
    let refused = server.sign_in_by_passkey(&token, &used).await;
    refused.refused(400, "PASSKEY_REFUSED");
    // Flashback's client may send it, too.
    let mut carol = Client::registered(&server, "carol@example.com", None).await;
    carol.enable_passkey(&device).await;
    carol.login().await;
    let asked = carol.poke("/mfa/passkey/auth-options").await.is(200);
    let mut used = device.get(&request(&asked)).await.expect("an assertion");
    used["response"]["userHandle"] = json!("");
    let body = json!({ "mfaType": "PASSKEY", "credential": used });
    carol.verify(&body).await;
}

/// Registers a passkey whose authenticator reports these flags for synchronisation.
async fn with_passkey_saying(server: &Server, flags: u8) -> (Person, Device) {
    let alice = server.registered("alice@example.com").await;
    let device = Device::new();
    let begun = alice.begin_passkey("Key").await.is(200);
    let made = device.create(&begun["publicKey"]).await.expect("a passkey");
    let made = with_attestation(&made, |_, data| {
        data[32] = data[32] & !(ELIGIBLE | BACKED_UP) | flags;
    });
    register(&alice, &begun, &made).await.is(200);
    (alice, device)
}

/// Signs in both ways with an authenticator that reports these flags. With an odd ten in `count`
/// the second step comes first, with an even one the passkey alone: the first sign-in is the one
/// that meets a change.
async fn signs_in_saying(alice: &Person, device: &Device, flags: u8, count: u32, status: u16) {
    let server = &alice.server;
    let alone_first = (count / 10).is_multiple_of(2);
    for (alone, count) in [(alone_first, count), (!alone_first, count + 1)] {
        let answer = if alone {
            let (token, options) = server.asked_for_any_passkey().await;
            let used = device.get_with_flags(&options, TOUCHED | flags, count);
            server.sign_in_by_passkey(&token, &used).await
        } else {
            let (token, options) = alice.asked_for_passkey().await;
            let used = device.get_with_flags(&options, TOUCHED | flags, count);
            server.verify_passkey("mfa/login", &token, &used).await
        };
        answer.is(status);
    }
}

async fn a_passkey_may_be_synchronised_later_and_back() {
    let server = Server::start().await;
    let (alice, device) = with_passkey_saying(&server, 0).await;
    for (count, flags) in [
        (10, 0),
        (20, ELIGIBLE | BACKED_UP),
        (30, ELIGIBLE),
        (40, 0),
        (50, ELIGIBLE),
        (60, ELIGIBLE | BACKED_UP),
        (70, 0),
    ] {
        signs_in_saying(&alice, &device, flags, count, 200).await;
    }
}

async fn where_a_setting_forbids_it_a_passkey_stays_what_it_was() {
    for (before, after) in [(0, ELIGIBLE | BACKED_UP), (0, ELIGIBLE), (ELIGIBLE, 0)] {
        let server = Server::with(|settings| settings.passkey_backup_may_change = false).await;
        let (alice, device) = with_passkey_saying(&server, before).await;
        signs_in_saying(&alice, &device, before, 10, 200).await;
        signs_in_saying(&alice, &device, after, 20, 400).await;
        signs_in_saying(&alice, &device, before, 30, 200).await;
    }
    // Whether it is synchronised at the moment is a different matter.
    let server = Server::with(|settings| settings.passkey_backup_may_change = false).await;
    let (alice, device) = with_passkey_saying(&server, ELIGIBLE).await;
    signs_in_saying(&alice, &device, ELIGIBLE | BACKED_UP, 10, 200).await;
    signs_in_saying(&alice, &device, ELIGIBLE, 20, 200).await;
}

async fn a_passkey_cannot_be_synchronised_that_cannot_be() {
    let server = Server::start().await;
    for made_as in [0, ELIGIBLE] {
        let server = server.replica().await;
        let email = format!("made{made_as}@example.com");
        let alice = server.registered(&email).await;
        let device = Device::new();
        let begun = alice.begin_passkey("Key").await.is(200);
        let made = device.create(&begun["publicKey"]).await.expect("a passkey");
        let odd = with_attestation(&made, |_, data| {
            data[32] = data[32] & !ELIGIBLE | BACKED_UP;
        });
        register(&alice, &begun, &odd)
            .await
            .refused(400, "PASSKEY_REFUSED");
        let begun = alice.begin_passkey("Key").await.is(200);
        let made = device.create(&begun["publicKey"]).await.expect("a passkey");
        let made = with_attestation(&made, |_, data| {
            data[32] = data[32] & !(ELIGIBLE | BACKED_UP) | made_as;
        });
        register(&alice, &begun, &made).await.is(200);
        signs_in_saying(&alice, &device, BACKED_UP, 10, 400).await;
    }
}
