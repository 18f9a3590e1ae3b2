//! A device with passkeys: an independent implementation of the client's and the authenticator's
//! part of WebAuthn, without a browser.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passkey::authenticator::{
    Authenticator, CredentialStore, DiscoverabilitySupport, StoreInfo, UiHint, UserCheck,
    UserValidationMethod,
};
use passkey::client::{Client, DefaultClientData, DefaultClientDataWithCustomHash, WebauthnError};
use passkey::crypto::CoseKey;
use passkey::crypto::coset::Label;
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::make_credential::{
    Options, PublicKeyCredentialRpEntity, PublicKeyCredentialUserEntity,
};
use passkey::types::ctap2::{Aaguid, Ctap2Error, StatusCode};
use passkey::types::webauthn::PublicKeyCredentialDescriptor;
use url::Url;

use crate::call::{Answer, Call, Method};
use crate::{Person, Server, Value, json};

/// The origin that the tests' servers are known by.
pub const PAGE: &str = "http://localhost";

/// A device with passkeys, and its browser.
#[derive(Clone)]
pub struct Device {
    keys: Keys,
    verifies: bool,
    counts: bool,
}

/// Makes the browser's client of a device, for one use.
macro_rules! client {
    ($device:expr) => {{
        let device: &Device = $device;
        let mut authenticator = Authenticator::new(
            Aaguid::new_empty(),
            device.keys.clone(),
            Holder {
                verifies: device.verifies,
            },
            RustCryptoBackend,
        );
        authenticator.set_make_credentials_with_signature_counter(device.counts);
        Client::new(authenticator)
            .allows_insecure_localhost(true)
            .user_verification_when_preferred(device.verifies)
    }};
}

impl Device {
    /// Makes a device that verifies its user, and counts.
    pub fn new() -> Self {
        Self {
            keys: Keys::default(),
            verifies: true,
            counts: true,
        }
    }

    /// Makes the device check presence only, not who the user is.
    #[must_use]
    pub fn without_verification(self) -> Self {
        Self {
            verifies: false,
            ..self
        }
    }

    /// Makes its passkeys synchronised: they do not count.
    #[must_use]
    pub fn without_counter(self) -> Self {
        Self {
            counts: false,
            ..self
        }
    }

    /// Creates a passkey, as a page requests it.
    ///
    /// # Errors
    /// Returns why the device refuses.
    pub async fn create(&self, options: &Value) -> Result<Value, WebauthnError> {
        let options = serde_json::from_value(whole(options)).expect("creation options");
        let made = client!(self)
            .register(&page(), options, DefaultClientData)
            .await?;
        Ok(serde_json::to_value(made).expect("JSON"))
    }

    /// Uses a passkey, as a page requests it.
    ///
    /// # Errors
    /// Returns why the device refuses.
    pub async fn get(&self, options: &Value) -> Result<Value, WebauthnError> {
        let options = serde_json::from_value(whole(options)).expect("request options");
        let used = client!(self)
            .authenticate(&page(), options, DefaultClientData)
            .await?;
        Ok(serde_json::to_value(used).expect("JSON"))
    }

    /// Uses a passkey and signs correctly, but with one member of the client data changed. A
    /// browser never does this; malware or a page in between may try.
    pub async fn get_forged(&self, options: &Value, member: &str, value: Value) -> Value {
        let mut client_data = json!({
            "type": "webauthn.get",
            "challenge": whole(options)["publicKey"]["challenge"],
            "origin": PAGE,
            "crossOrigin": false,
        });
        client_data[member] = value;
        let client_data = client_data.to_string();
        let hash = digest(&SHA256, client_data.as_bytes()).as_ref().to_vec();
        let options = serde_json::from_value(whole(options)).expect("request options");
        let used = client!(self)
            .authenticate(&page(), options, DefaultClientDataWithCustomHash(hash))
            .await
            .expect("an assertion");
        let mut answer = serde_json::to_value(used).expect("JSON");
        answer["response"]["clientDataJSON"] = json!(URL_SAFE_NO_PAD.encode(client_data));
        answer
    }

    /// Creates a passkey with one member of the client data changed. Nothing signs them, since
    /// there is no attestation.
    pub async fn create_forged(&self, options: &Value, member: &str, value: Value) -> Value {
        let mut made = self.create(options).await.expect("a passkey");
        let text = made["response"]["clientDataJSON"].as_str();
        let bytes = URL_SAFE_NO_PAD
            .decode(text.expect("client data"))
            .expect("base64url");
        let mut client_data: Value = serde_json::from_slice(&bytes).expect("JSON");
        client_data[member] = value;
        let client_data = client_data.to_string();
        made["response"]["clientDataJSON"] = json!(URL_SAFE_NO_PAD.encode(client_data));
        made
    }

    /// Uses the newest passkey, correctly signed, like an authenticator that reports these flags
    /// and this counter (WebAuthn §6.1).
    pub fn get_with_flags(&self, options: &Value, flags: u8, counter: u32) -> Value {
        let client_data = json!({
            "type": "webauthn.get",
            "challenge": whole(options)["publicKey"]["challenge"],
            "origin": PAGE,
            "crossOrigin": false,
        });
        let client_data = client_data.to_string();
        let key = self.keys().last().cloned().expect("a passkey");
        let mut data = digest(&SHA256, key.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(counter.to_be_bytes());
        let hash = digest(&SHA256, client_data.as_bytes());
        let signed = [data.as_slice(), hash.as_ref()].concat();
        let id = URL_SAFE_NO_PAD.encode(&*key.credential_id);
        let handle = key.user_handle.as_ref().expect("whose it is");
        json!({
            "id": id, "rawId": id, "type": "public-key",
            "response": {
                "authenticatorData": URL_SAFE_NO_PAD.encode(&data),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&client_data),
                "signature": URL_SAFE_NO_PAD.encode(signature(&key.key, &signed)),
                "userHandle": URL_SAFE_NO_PAD.encode(&**handle),
            },
        })
    }

    /// Returns its passkeys.
    pub fn keys(&self) -> MutexGuard<'_, Vec<Passkey>> {
        self.keys.all()
    }

    /// Sets the counter of its passkeys, as a copy of them might.
    pub fn set_counter(&self, counter: u32) {
        for key in self.keys().iter_mut() {
            key.counter = Some(counter);
        }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the whole options that `create` and `get` take, even if given only `publicKey`.
fn whole(options: &Value) -> Value {
    match options.get("publicKey") {
        Some(_) => options.clone(),
        None => json!({ "publicKey": options }),
    }
}

/// Signs with the private key of a passkey (ES256).
fn signature(key: &CoseKey, message: &[u8]) -> Vec<u8> {
    // RFC 9053 §7.1.1: x, y and d.
    let part = |label: i64| {
        let found = key
            .params
            .iter()
            .find(|(name, _)| *name == Label::Int(label));
        let bytes = found.and_then(|(_, value)| value.as_bytes());
        bytes.expect("a part of the key").clone()
    };
    let public = [&[4], part(-2).as_slice(), part(-3).as_slice()].concat();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &part(-4), &public);
    let signed = pair.expect("a key").sign(&SystemRandom::new(), message);
    signed.expect("a signature").as_ref().to_vec()
}

fn page() -> Url {
    Url::parse(PAGE).expect("an origin")
}

/// The passkeys, newest last. Unlike the crate's own store, it also finds them without a list of
/// ids.
#[derive(Clone, Default)]
struct Keys(Arc<Mutex<Vec<Passkey>>>);

impl Keys {
    fn all(&self) -> MutexGuard<'_, Vec<Passkey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl CredentialStore for Keys {
    type PasskeyItem = Passkey;

    async fn find_credentials(
        &self,
        ids: Option<&[PublicKeyCredentialDescriptor]>,
        rp_id: &str,
        _user_handle: Option<&[u8]>,
    ) -> Result<Vec<Passkey>, StatusCode> {
        let listed =
            |key: &&Passkey| ids.is_none_or(|ids| ids.iter().any(|id| id.id == key.credential_id));
        let found: Vec<Passkey> = self
            .all()
            .iter()
            .rev()
            .filter(|key| key.rp_id == rp_id)
            .filter(listed)
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(Ctap2Error::NoCredentials.into());
        }
        Ok(found)
    }

    async fn save_credential(
        &mut self,
        key: Passkey,
        _user: PublicKeyCredentialUserEntity,
        _rp: PublicKeyCredentialRpEntity,
        _options: Options,
    ) -> Result<(), StatusCode> {
        self.all().push(key);
        Ok(())
    }

    async fn update_credential(&mut self, key: &Passkey) -> Result<(), StatusCode> {
        for kept in self.all().iter_mut() {
            if kept.credential_id == key.credential_id {
                *kept = key.clone();
            }
        }
        Ok(())
    }

    async fn get_info(&self) -> StoreInfo {
        StoreInfo {
            discoverability: DiscoverabilitySupport::Full,
        }
    }
}

/// The user of the device: always present, and recognised if the device can and is asked to.
struct Holder {
    verifies: bool,
}

#[async_trait::async_trait]
impl UserValidationMethod for Holder {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        hint: UiHint<'a, Passkey>,
        _presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        if let UiHint::InformExcludedCredentialFound(_) = hint {
            return Err(Ctap2Error::CredentialExcluded);
        }
        Ok(UserCheck {
            presence: true,
            verification: verification && self.verifies,
        })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        self.verifies.then_some(true)
    }
}

impl Person {
    /// Starts adding a passkey.
    pub fn begin_passkey(&self, name: &str) -> Call {
        let body = json!({ "method": "passkey", "password": self.password, "name": name });
        self.post("/identity/mfa/setup", &body)
    }

    /// Adds a passkey with a device, to the end.
    pub async fn add_passkey(&self, device: &Device) -> Answer {
        let begun = self.begin_passkey("Key").await.is(200);
        let made = device.create(&begun["publicKey"]).await.expect("a passkey");
        let token = begun.text("mfaToken");
        let verify = self.server.verify_passkey("mfa/setup", &token, &made);
        verify.await.is(200)
    }

    /// Signs in with the password and a passkey of a device. Returns the answer.
    pub async fn sign_in_by(&self, device: &Device) -> Answer {
        let (token, options) = self.asked_for_passkey().await;
        let used = device.get(&options).await.expect("an assertion");
        self.server.verify_passkey("mfa/login", &token, &used).await
    }

    /// Sends the password, and is asked for a passkey. Returns the `mfaToken` and the options.
    pub async fn asked_for_passkey(&self) -> (String, Value) {
        let token = self.begin_sign_in().await;
        let options = self.server.passkey_options(&token).await.is(200);
        (token, options["publicKey"].clone())
    }
}

impl Server {
    /// Starts a sign-in with a passkey alone. Returns the token and the options.
    pub async fn asked_for_any_passkey(&self) -> (String, Value) {
        let path = "/identity/passkey/options";
        let begun = self.call(Method::POST, path).await.is(200);
        (begun.text("passkeyToken"), begun["publicKey"].clone())
    }

    /// Signs in with a passkey alone.
    pub fn sign_in_by_passkey(&self, passkey_token: &str, credential: &Value) -> Call {
        let body = json!({ "passkeyToken": passkey_token, "credential": credential });
        self.post("/identity/passkey/login", &body)
    }
}
