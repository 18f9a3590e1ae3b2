//! Registrations of passkeys that no authenticator makes, and some that look like them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract_tests::{Answer, Call, Device, Method, Person, Server, Value, json, tests};
use passkey::crypto::coset::cbor;

use super::flashback::Client;
use super::flashback_passkeys::{complete, creation};

tests! {
    a_registration_that_no_authenticator_makes_is_refused,
    a_registration_that_looks_odd_and_is_valid_is_accepted,
}

/// Registers `made` through the native API.
pub fn register(alice: &Person, begun: &Answer, made: &Value) -> Call {
    let token = begun.text("mfaToken");
    alice.server.verify_passkey("mfa/setup", &token, made)
}

/// Returns the answer with another attestation object. `edit` gets its parts, by name, and its
/// authenticator data.
pub fn with_attestation(
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

/// What is done to the answer of an authenticator.
type Edit = fn(&Value) -> Value;

/// What no authenticator makes.
const ODD: [(&str, Edit); 11] = [
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

/// What looks similar and is valid.
const VALID: [Edit; 3] = [
    |made| with_id_of(made, 1023),
    |made| {
        with_attestation(made, |_, data| {
            data[32] |= 0x80;
            data.push(0xa0);
        })
    },
    Value::clone,
];

async fn a_registration_that_no_authenticator_makes_is_refused() {
    let server = Server::start().await;
    for (place, (what, edit)) in ODD.into_iter().enumerate() {
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
    server
        .call(Method::POST, "/identity/passkey/options")
        .await
        .is(200);
}

async fn a_registration_that_looks_odd_and_is_valid_is_accepted() {
    let server = Server::start().await;
    for (place, edit) in VALID.into_iter().enumerate() {
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
