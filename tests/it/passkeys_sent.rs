//! Passkey answers that real devices send, and some that none does: every letter of the origin, the
//! time limit, changing flags, and registrations that no authenticator makes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract_tests::{Answer, Call, Device, Method, Person, Server, Value, json, tests};
use passkey::crypto::coset::cbor;

use super::flashback::Client;
use super::flashback_passkeys::{complete, creation, request};

tests! {
    an_origin_is_compared_letter_by_letter,
    an_app_is_a_page_of_its_own,
    the_time_that_was_said_is_the_time_that_counts,
    late_in_a_challenge_less_time_is_said,
    an_empty_user_handle_is_none,
    a_passkey_may_be_synchronised_later_and_back,
    where_a_setting_forbids_it_a_passkey_stays_what_it_was,
    a_passkey_cannot_be_synchronised_that_cannot_be,
    a_registration_that_no_authenticator_makes_is_refused,
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

/// Registers `made` through the native API.
async fn register(alice: &Person, begun: &Answer, made: &Value) -> Answer {
    let token = begun.text("mfaToken");
    alice.server.verify_passkey("mfa/setup", &token, made).await
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
        // The second step, a step-up, and a passkey alone.
        let (token, options) = alice.asked_for_passkey().await;
        let forged = device.get_forged(&options, "origin", origin.clone()).await;
        let refused = server.verify_passkey("mfa/login", &token, &forged).await;
        refused.refused(400, "PASSKEY_REFUSED");
        let begun = alice.begin_step_up(&json!({})).await.is(200);
        let options = &begun["publicKey"];
        let forged = device.get_forged(options, "origin", origin.clone()).await;
        let refused = lift(&alice, &begun, &forged).await;
        refused.refused(400, "PASSKEY_REFUSED");
        let (token, options) = server.asked_for_any_passkey().await;
        let forged = device.get_forged(&options, "origin", origin.clone()).await;
        let refused = server.sign_in_by_passkey(&token, &forged).await;
        refused.refused(400, "PASSKEY_REFUSED");
        // A registration.
        let begun = bob.begin_passkey("Key").await.is(200);
        let other = Device::new();
        let forged = other
            .create_forged(&begun["publicKey"], "origin", origin.clone())
            .await;
        let refused = register(&bob, &begun, &forged).await;
        refused.refused(400, "PASSKEY_REFUSED");
        // Both of Flashback's operations.
        carol.login().await;
        let options = carol.poke("/mfa/passkey/auth-options").await.is(200);
        let forged = carols
            .get_forged(&request(&options), "origin", origin.clone())
            .await;
        let body = json!({ "mfaType": "PASSKEY", "credential": forged });
        let refused = carol.post("/mfa/verify-login", &body).await;
        refused.refused(400, "PASSKEY_REFUSED");
        let begun = dave.setup("PASSKEY").await.is(200);
        let forged = other
            .create_forged(&creation(&begun), "origin", origin)
            .await;
        let body = complete(&begun, &forged);
        let refused = dave.post("/mfa/passkey/complete-registration", &body).await;
        refused.refused(400, "PASSKEY_REFUSED");
        // Nothing was turned on, and the right origin signs in.
        bob.login().await.is(200).text("accessToken");
        alice.keep(&alice.sign_in_by(&device).await.is(200));
        carol.login().await;
        let options = carol.poke("/mfa/passkey/auth-options").await.is(200);
        let used = carols.get(&request(&options)).await.expect("an assertion");
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
        carol.login().await;
        let asked = carol.poke("/mfa/passkey/auth-options").await.is(200);
        assert_eq!(asked["data"]["timeout"], 300_000);
        let carols_answer = carols.get(&request(&asked)).await.expect("an assertion");
        let (token, options) = alice.asked_for_passkey().await;
        assert_eq!(options["timeout"], 300_000);
        let answer = device.get(&options).await.expect("an assertion");
        let lifting = alice.begin_step_up(&json!({})).await.is(200);
        assert_eq!(lifting["publicKey"]["timeout"], 300_000);
        let lifting_answer = device.get(&lifting["publicKey"]).await;
        let lifting_answer = lifting_answer.expect("an assertion");
        let (alone, options) = server.asked_for_any_passkey().await;
        assert_eq!(options["timeout"], 300_000);
        let alone_answer = device.get(&options).await.expect("an assertion");
        let begun = bob.begin_passkey("Key").await.is(200);
        assert_eq!(begun["publicKey"]["timeout"], 300_000);
        let made = Device::new().create(&begun["publicKey"]).await;
        let daves = dave.setup("PASSKEY").await.is(200);
        let daves_made = Device::new().create(&creation(&daves)).await;

        server.clock.advance(waited);
        let told = |answer: Answer, code: &str| match status {
            200 => drop(answer.is(200)),
            _ => drop(answer.refused(status, code)),
        };
        told(
            server.verify_passkey("mfa/login", &token, &answer).await,
            "PASSKEY_REFUSED",
        );
        let lifted = lift(&alice, &lifting, &lifting_answer);
        told(lifted.await, "PASSKEY_REFUSED");
        told(
            server.sign_in_by_passkey(&alone, &alone_answer).await,
            "MFA_TOKEN_EXPIRED",
        );
        let body = json!({ "mfaType": "PASSKEY", "credential": carols_answer });
        told(
            carol.post("/mfa/verify-login", &body).await,
            "PASSKEY_REFUSED",
        );
        let made = made.expect("a passkey");
        told(register(&bob, &begun, &made).await, "PASSKEY_REFUSED");
        let body = complete(&daves, &daves_made.expect("a passkey"));
        let path = "/mfa/passkey/complete-registration";
        told(dave.post(path, &body).await, "PASSKEY_REFUSED");
    }
    // A late answer is not a wrong one: the challenge, which is still live, accepts a new one.
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

/// Returns the answer with another attestation object. `change` gets its parts, by name, and its
/// authenticator data.
fn with_attestation(
    made: &Value,
    edit: impl FnOnce(&mut Vec<(cbor::Value, cbor::Value)>, &mut Vec<u8>),
) -> Value {
    let text = made["response"]["attestationObject"].as_str();
    let bytes = URL_SAFE_NO_PAD
        .decode(text.expect("an object"))
        .expect("base64url");
    let object: cbor::Value = cbor::de::from_reader(bytes.as_slice()).expect("CBOR");
    let mut parts = object.into_map().expect("a map");
    let at = parts
        .iter()
        .position(|(name, _)| name.as_text() == Some("authData"))
        .expect("authenticator data");
    let mut data = parts[at].1.as_bytes().expect("bytes").clone();
    edit(&mut parts, &mut data);
    parts[at].1 = cbor::Value::Bytes(data);
    let mut bytes = Vec::new();
    cbor::ser::into_writer(&cbor::Value::Map(parts), &mut bytes).expect("CBOR");
    let mut made = made.clone();
    made["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(bytes));
    made
}

/// Sets the statement of an attestation.
fn state(parts: &mut [(cbor::Value, cbor::Value)], statement: cbor::Value) {
    let named = |(name, _): &&mut (cbor::Value, cbor::Value)| name.as_text() == Some("attStmt");
    let found = parts.iter_mut().find(named);
    found.expect("a statement").1 = statement;
}

/// Returns the answer with a credential id of this length, everywhere.
fn with_id_of(made: &Value, length: u16) -> Value {
    let id = vec![7; usize::from(length)];
    let mut made = with_attestation(made, |_, data| {
        let old = usize::from(u16::from_be_bytes([data[53], data[54]]));
        data.splice(55..55 + old, id.clone());
        data.splice(53..55, length.to_be_bytes());
    });
    made["id"] = json!(URL_SAFE_NO_PAD.encode(&id));
    made["rawId"] = made["id"].clone();
    made
}

async fn a_registration_that_no_authenticator_makes_is_refused() {
    let server = Server::start().await;
    type Edit = fn(&Value) -> Value;
    let odd: [(&str, Edit); 11] = [
        ("an id that is another", |made| {
            let mut made = made.clone();
            made["id"] = json!("AAECAwQFBgcICQoLDA0ODw");
            made
        }),
        ("a raw id that is another", |made| {
            let mut made = made.clone();
            made["rawId"] = json!("AAECAwQFBgcICQoLDA0ODw");
            made
        }),
        ("both another than the passkey's", |made| {
            let mut made = made.clone();
            made["id"] = json!("AAECAwQFBgcICQoLDA0ODw");
            made["rawId"] = made["id"].clone();
            made
        }),
        ("a byte after the key", |made| {
            with_attestation(made, |_, data| data.push(0))
        }),
        ("extensions that are not announced", |made| {
            with_attestation(made, |_, data| data.push(0xa0))
        }),
        ("a byte after the extensions", |made| {
            with_attestation(made, |_, data| {
                data[32] |= 0x80;
                data.extend([0xa0, 0]);
            })
        }),
        ("extensions that are not there", |made| {
            with_attestation(made, |_, data| data[32] |= 0x80)
        }),
        ("nothing attested, with a statement", |made| {
            with_attestation(made, |parts, _| {
                let statement = vec![(cbor::Value::from("sig"), cbor::Value::Bytes(vec![1]))];
                state(parts, cbor::Value::Map(statement));
            })
        }),
        ("nothing attested, with no map", |made| {
            with_attestation(made, |parts, _| state(parts, cbor::Value::Null))
        }),
        ("an id too long", |made| with_id_of(made, 1024)),
        ("no id", |made| {
            let mut made = with_id_of(made, 0);
            // Needed to reach the check: the API refuses an empty id earlier.
            made["id"] = json!("=");
            made["rawId"] = json!("=");
            made
        }),
    ];
    for (place, (what, edit)) in odd.into_iter().enumerate() {
        let email = format!("alice{place}@example.com");
        let alice = server.registered(&email).await;
        let email = format!("carol{place}@example.com");
        let carol = Client::registered(&server, &email, None).await;
        let begun = alice.begin_passkey("Key").await.is(200);
        let made = Device::new().create(&begun["publicKey"]).await;
        let refused = register(&alice, &begun, &edit(&made.expect("a passkey"))).await;
        assert_eq!(refused.status, 400, "{what}: {}", refused.text);
        refused.refused(400, "PASSKEY_REFUSED");
        let begun = carol.setup("PASSKEY").await.is(200);
        let made = Device::new().create(&creation(&begun)).await;
        let body = complete(&begun, &edit(&made.expect("a passkey")));
        let path = "/mfa/passkey/complete-registration";
        let refused = carol.post(path, &body).await;
        assert_eq!(refused.status, 400, "{what}: {}", refused.text);
        refused.refused(400, "PASSKEY_REFUSED");
        assert_eq!(alice.me().await.is(200)["mfaMethods"], json!([]));
    }
    // Answers that look similar and are valid are accepted.
    let right: [Edit; 3] = [
        |made| with_id_of(made, 1023),
        |made| {
            with_attestation(made, |_, data| {
                data[32] |= 0x80;
                data.push(0xa0);
            })
        },
        Value::clone,
    ];
    for (place, edit) in right.into_iter().enumerate() {
        let email = format!("right{place}@example.com");
        let bob = server.registered(&email).await;
        let begun = bob.begin_passkey("Key").await.is(200);
        let made = Device::new().create(&begun["publicKey"]).await;
        let made = edit(&made.expect("a passkey"));
        register(&bob, &begun, &made).await.is(200);
    }
    server
        .call(Method::POST, "/identity/passkey/options")
        .await
        .is(200);
}
