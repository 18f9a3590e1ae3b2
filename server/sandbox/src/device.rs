//! A virtual device that holds passkeys: the client's and the authenticator's half of WebAuthn, for tests without a browser.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::chance::Chance;

/// Somebody touched it (WebAuthn §6.1).
const USER_PRESENT: u8 = 0b0000_0001;
/// It checked who.
const USER_VERIFIED: u8 = 0b0000_0100;
/// A new key stands in the answer.
const KEY_INCLUDED: u8 = 0b0100_0000;

/// A device that holds passkeys. It checks its user, and counts.
#[derive(Default)]
pub struct Device(Mutex<Vec<Key>>);

/// One passkey.
struct Key {
    id: Vec<u8>,
    domain: String,
    handle: String,
    private: Vec<u8>,
    public: Vec<u8>,
    counter: u32,
}

impl Device {
    /// Makes a passkey, as `navigator.credentials.create` does on a page of `origin`.
    ///
    /// # Errors
    /// The options lack what is needed: one sentence.
    pub fn create(
        &self,
        options: &Value,
        origin: &str,
        chance: &Chance,
    ) -> Result<Value, &'static str> {
        let challenge = text(options, "/challenge").ok_or("The options have no challenge.")?;
        let domain = text(options, "/rp/id").or_else(|| text(options, "/rpId"));
        let handle = text(options, "/user/id").ok_or("The options name no user.")?;
        let (private, public) = key_pair(chance).ok_or("A key could not be made.")?;
        let key = Key {
            id: chance.salt().to_vec(),
            domain: domain.unwrap_or(host(origin)).to_owned(),
            handle: handle.to_owned(),
            private,
            public,
            counter: 1,
        };
        let answer = json!({
            "id": encoded(&key.id),
            "rawId": encoded(&key.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encoded(&client_data("webauthn.create", challenge, origin)),
                "attestationObject": encoded(&key.attestation()),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        });
        self.keys().push(key);
        Ok(answer)
    }

    /// Uses a passkey, as `navigator.credentials.get` does on a page of `origin`: one of those that the
    /// options allow, or the newest of the domain. `handle` says whose, where somebody chose.
    ///
    /// # Errors
    /// The options lack what is needed, or there is no such passkey: one sentence.
    pub fn get(
        &self,
        options: &Value,
        origin: &str,
        handle: Option<&str>,
    ) -> Result<Value, &'static str> {
        let challenge = text(options, "/challenge").ok_or("The options have no challenge.")?;
        let domain = text(options, "/rpId").unwrap_or(host(origin));
        let allowed = allowed(options);
        let mut keys = self.keys();
        let fits = |key: &&mut Key| {
            key.domain == domain
                && (allowed.is_empty() || allowed.contains(&key.id))
                && handle.is_none_or(|handle| key.handle == handle)
        };
        let key = keys.iter_mut().rev().find(fits);
        let key = key.ok_or("The device has no passkey that these options allow.")?;
        key.counter += 1;
        let client_data = client_data("webauthn.get", challenge, origin);
        let data = key.data(USER_PRESENT | USER_VERIFIED);
        let signed = [&data, digest(&SHA256, &client_data).as_ref()].concat();
        let signature = key.sign(&signed).ok_or("The key could not sign.")?;
        Ok(json!({
            "id": encoded(&key.id),
            "rawId": encoded(&key.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encoded(&client_data),
                "authenticatorData": encoded(&data),
                "signature": encoded(&signature),
                "userHandle": key.handle,
            },
            "clientExtensionResults": {},
        }))
    }

    /// Forgets all passkeys.
    pub(super) fn clear(&self) {
        self.keys().clear();
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    /// The authenticator data (WebAuthn §6.1).
    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.domain.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The attestation object, which attests nothing (WebAuthn §8.7), in CBOR.
    fn attestation(&self) -> Vec<u8> {
        let mut data = self.data(USER_PRESENT | USER_VERIFIED | KEY_INCLUDED);
        // The model of the authenticator, which is none; then the id, with its length before it.
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap_or(0).to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        object.extend(data);
        object
    }

    /// The public key as a `COSE_Key` (RFC 9053 §7.1): EC2, ES256, P-256, and the two coordinates.
    fn cose(&self) -> Vec<u8> {
        let (x, y) = self.public[1..].split_at(32);
        [
            b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20",
            x,
            b"\x22\x58\x20",
            y,
        ]
        .concat()
    }

    fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &self.private,
            &self.public,
        )
        .ok()?;
        let signature = pair.sign(&SystemRandom::new(), data).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

/// A key pair that follows from the chance: the scalar, and the point, uncompressed.
fn key_pair(chance: &Chance) -> Option<(Vec<u8>, Vec<u8>)> {
    // All but one in four thousand million secrets are scalars of P-256.
    (0..8).find_map(|_| {
        let secret = chance.secret();
        let private = PrivateKey::from_private_key(&ECDH_P256, secret.expose()).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().to_vec();
        let scalar: EcPrivateKeyBin<'_> = private.as_be_bytes().ok()?;
        let scalar = scalar.as_ref().to_vec();
        (public.len() == 65).then_some((scalar, public))
    })
}

/// What the client signs for the page (WebAuthn §5.8.1).
fn client_data(kind: &str, challenge: &str, origin: &str) -> Vec<u8> {
    let challenge = challenge
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    let data = json!({
        "type": kind,
        "challenge": challenge,
        "origin": origin,
        "crossOrigin": false,
    });
    data.to_string().into_bytes()
}

/// The ids of the passkeys that may answer.
fn allowed(options: &Value) -> Vec<Vec<u8>> {
    let listed = options["allowCredentials"].as_array();
    let ids = listed.into_iter().flatten();
    ids.filter_map(|one| decoded(one["id"].as_str()?)).collect()
}

fn text<'a>(options: &'a Value, pointer: &str) -> Option<&'a str> {
    options.pointer(pointer).and_then(Value::as_str)
}

/// The host of an origin.
fn host(origin: &str) -> &str {
    let (_, rest) = origin.split_once("://").unwrap_or(("", origin));
    rest.split_once(':').map_or(rest, |(host, _)| host)
}

fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}
