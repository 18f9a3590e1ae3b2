//! Tests of the options for an authenticator, and of answers that must be refused.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Judgement, Key, RelyingParty, Verification, identify, in_time};
use crate::config::Settings;
use crate::model::factor::Factor;
use crate::model::ids::Id;
use crate::model::kinds::{FactorKind, Role};
use crate::model::user::{PasswordHash, User};
use crate::model::{Error, Refusal, Time};

fn here() -> RelyingParty {
    let settings = Settings::for_test(Path::new("/x")).expect("the defaults");
    RelyingParty::of(&settings, Refusal::MfaMethodUnavailable).expect("a relying party")
}

fn alice() -> User {
    User {
        id: Id::new(Uuid::from_u128(7)),
        number: 1,
        email: "alice@example.com".to_owned(),
        first_name: Some("Alice".to_owned()),
        last_name: None,
        role: Role::User,
        password_hash: PasswordHash::new(String::new()),
        created_at: Time::from_seconds(0),
        disabled_at: None,
        mailbox: true,
        description: None,
        organisation_id: None,
        organisation_role: None,
        password_changes: 0,
    }
}

/// A passkey in the library's format. Nobody has its private key.
fn key() -> Key {
    let credential = json!({ "cred": {
        "cred_id": "AAECAwQFBgcICQoLDA0ODw",
        "cred": { "type_": "ES256", "key": { "EC_EC2": {
            "curve": "SECP256R1",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        } } },
        "counter": 3, "transports": null, "user_verified": true, "backup_eligible": false,
        "backup_state": false, "registration_policy": "preferred",
        "extensions": {
            "cred_protect": "Ignored", "hmac_create_secret": "NotRequested",
            "appid": "NotRequested", "cred_props": "Ignored",
        },
        "attestation": { "data": "None", "metadata": "None" }, "attestation_format": "none",
    } });
    let (user, id, now) = (
        alice().id,
        Id::new(Uuid::from_u128(8)),
        Time::from_seconds(0),
    );
    Key::read(Factor {
        credential: Some(credential.to_string()),
        sign_count: Some(3),
        ..Factor::pending(user, id, FactorKind::Passkey, now)
    })
    .expect("a passkey")
}

const NOW: Time = Time::from_seconds(1_000);

fn state_of(state: &str) -> Value {
    serde_json::from_str(state).expect("JSON")
}

#[test]
fn a_registration_asks_for_what_may_stand_alone_and_excludes_what_is_there() {
    let begun = here()
        .begin_registration(&alice(), &[key()], NOW, 300)
        .expect("begun");
    let options = &begun.options;
    assert_eq!(options["rp"]["id"], "localhost");
    assert_eq!(options["user"]["name"], "alice@example.com");
    assert_eq!(options["user"]["displayName"], "Alice");
    assert_eq!(options["user"]["id"], "AAAAAAAAAAAAAAAAAAAABw");
    assert_eq!(options["timeout"], 300_000);
    assert_eq!(options["attestation"], "none");
    let asked = &options["authenticatorSelection"];
    assert_eq!(asked["residentKey"], "preferred");
    assert_eq!(asked["userVerification"], "preferred");
    assert_eq!(
        options["excludeCredentials"][0]["id"],
        "AAECAwQFBgcICQoLDA0ODw"
    );
    // 32 bytes.
    assert_eq!(options["challenge"].as_str().map(str::len), Some(43));
    assert_eq!(state_of(&begun.state)["rs"]["policy"], "preferred");
}

#[test]
fn an_assertion_asks_for_what_is_there_and_judges_by_what_it_asked() {
    for verification in [Verification::Required, Verification::Preferred] {
        let begun = here()
            .begin_assertion(&[key()], verification, NOW, 120)
            .expect("begun");
        let (options, state) = (&begun.options, state_of(&begun.state));
        assert_eq!(
            options["allowCredentials"][0]["id"],
            "AAECAwQFBgcICQoLDA0ODw"
        );
        assert_eq!(options["userVerification"], verification.word());
        assert_eq!(state["ast"]["policy"], verification.word());
        // The server applies the time limit that the device was told.
        assert_eq!(options["timeout"], 120_000);
        assert!(in_time(&begun.state, NOW.plus_seconds(119)));
        assert!(!in_time(&begun.state, NOW.plus_seconds(120)));
    }
    let none = here().begin_assertion(&[], Verification::Required, NOW, 300);
    assert!(matches!(
        none,
        Err(Error::Refused(Refusal::MfaMethodNotEnabled))
    ));
}

#[test]
fn alone_a_passkey_verifies_its_user() {
    let begun = here().begin_discoverable().expect("begun");
    assert_eq!(begun.options["userVerification"], "required");
    assert_eq!(begun.options["allowCredentials"], json!([]));
    assert!(begun.options.get("mediation").is_none());
    assert_eq!(state_of(&begun.state)["ast"]["policy"], "required");
}

#[test]
fn what_is_no_answer_is_a_wrong_one() {
    let relying_party = here();
    let begun = relying_party
        .begin_assertion(&[key()], Verification::Preferred, NOW, 300)
        .expect("begun");
    let response = json!({
        "clientDataJSON": BASE64URL_NOPAD.encode(br#"{"type":"","challenge":"","origin":""}"#),
        "authenticatorData": BASE64URL_NOPAD.encode(&[0; 37]), "signature": "e30",
        // Some clients use the standard alphabet of base64, with padding.
        "userHandle": "AAAAAAAAAAAAAAAAAAAABw==",
    });
    let answer = json!({
        "id": "AAECAwQFBgcICQoLDA0ODw", "rawId": "AAECAwQFBgcICQoLDA0ODw==", "type": "public-key",
        "response": response,
    });
    let mut of_another = answer.clone();
    of_another["response"]["userHandle"] = json!("AAAAAAAAAAAAAAAAAAAACA");
    let mut unknown = answer.clone();
    unknown["id"] = json!("AAAA");
    unknown["rawId"] = json!("AAAA");
    for wrong in [Value::Null, json!({}), answer.clone(), of_another, unknown] {
        let judged =
            relying_party.finish_assertion(alice().id, vec![key()], &begun.state, wrong.clone());
        assert!(matches!(judged, Ok(Judgement::Wrong)), "{wrong}");
    }
    let (_, user, credential_id) = identify(answer).expect("an answer");
    assert_eq!(user, alice().id);
    assert_eq!(credential_id, (0..16).collect::<Vec<u8>>());
    assert!(identify(json!({})).is_none());
}

#[test]
fn an_ip_address_is_no_relying_party() {
    let mut settings = Settings::for_test(Path::new("/x")).expect("the defaults");
    settings.public_url = "http://127.0.0.1:8080".to_owned();
    settings.passkey_rp_id = "127.0.0.1".to_owned();
    assert!(matches!(
        RelyingParty::of(&settings, Refusal::MfaMethodUnavailable),
        Err(Error::Refused(Refusal::MfaMethodUnavailable))
    ));
}
