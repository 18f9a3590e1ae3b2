//! A device that holds passkeys: an independent implementation of the client's and the authenticator's
//! half of WebAuthn, with no browser.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passkey::authenticator::{
    Authenticator, CredentialStore, DiscoverabilitySupport, StoreInfo, UiHint, UserCheck,
    UserValidationMethod,
};
use passkey::client::{Client, DefaultClientData, DefaultClientDataWithCustomHash, WebauthnError};
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::make_credential::{
    Options, PublicKeyCredentialRpEntity, PublicKeyCredentialUserEntity,
};
use passkey::types::ctap2::{Aaguid, Ctap2Error, StatusCode};
use passkey::types::webauthn::PublicKeyCredentialDescriptor;
use url::Url;

use crate::{Value, json};

/// The page that the servers of the tests are known by.
pub const PAGE: &str = "http://localhost";

/// A device that holds passkeys, and its browser.
#[derive(Clone)]
pub struct Device {
    keys: Keys,
    verifies: bool,
    counts: bool,
}

/// The device as the browser sees it, for one use.
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
        Client::new(authenticator).allows_insecure_localhost(true)
    }};
}

impl Device {
    /// One that checks who holds it, and counts.
    pub fn new() -> Self {
        Self {
            keys: Keys::default(),
            verifies: true,
            counts: true,
        }
    }

    /// One that only knows that somebody touched it.
    #[must_use]
    pub fn without_verification(self) -> Self {
        Self {
            verifies: false,
            ..self
        }
    }

    /// One whose passkeys are synchronised: it does not count.
    #[must_use]
    pub fn without_counter(self) -> Self {
        Self {
            counts: false,
            ..self
        }
    }

    /// Makes a passkey, as a page asks for it.
    ///
    /// # Errors
    /// What the device has against it.
    pub async fn create(&self, options: &Value) -> Result<Value, WebauthnError> {
        let options = serde_json::from_value(options.clone()).expect("creation options");
        let made = client!(self)
            .register(&page(), options, DefaultClientData)
            .await?;
        Ok(serde_json::to_value(made).expect("JSON"))
    }

    /// Uses a passkey, as a page asks for it.
    ///
    /// # Errors
    /// What the device has against it.
    pub async fn get(&self, options: &Value) -> Result<Value, WebauthnError> {
        let options = serde_json::from_value(options.clone()).expect("request options");
        let used = client!(self)
            .authenticate(&page(), options, DefaultClientData)
            .await?;
        Ok(serde_json::to_value(used).expect("JSON"))
    }

    /// Uses a passkey, rightly signed, with client data in which a member is another: what a browser
    /// never does, and malware or a page in between may try.
    pub async fn get_forged(&self, options: &Value, member: &str, value: Value) -> Value {
        let mut client_data = json!({
            "type": "webauthn.get",
            "challenge": options["publicKey"]["challenge"],
            "origin": PAGE,
            "crossOrigin": false,
        });
        client_data[member] = value;
        let client_data = client_data.to_string();
        let hash = digest(&SHA256, client_data.as_bytes()).as_ref().to_vec();
        let options = serde_json::from_value(options.clone()).expect("request options");
        let used = client!(self)
            .authenticate(&page(), options, DefaultClientDataWithCustomHash(hash))
            .await
            .expect("an assertion");
        let mut answer = serde_json::to_value(used).expect("JSON");
        answer["response"]["clientDataJSON"] = json!(URL_SAFE_NO_PAD.encode(client_data));
        answer
    }

    /// Its passkeys.
    pub fn keys(&self) -> MutexGuard<'_, Vec<Passkey>> {
        self.keys.all()
    }

    /// Sets the counter of its passkeys: what a copy of them does.
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

fn page() -> Url {
    Url::parse(PAGE).expect("an origin")
}

/// The passkeys, newest last; unlike the crate's own store it finds them without a list of ids too.
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

/// Who holds the device: always there, and recognised if the device can do that.
struct Holder {
    verifies: bool,
}

#[async_trait::async_trait]
impl UserValidationMethod for Holder {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        _presence: bool,
        _verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck {
            presence: true,
            verification: self.verifies,
        })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        self.verifies.then_some(true)
    }
}
