//! Passkeys against a running server: make one, sign out, sign in with nothing but it.
//!
//! Start a server, then run this in another shell in the same folder:
//!
//! ```sh
//! cargo run --release
//! cargo run --package countersign-sdk --example passkey
//! ```
//!
//! It takes `--url`, by default `http://localhost:8080`: the address by which the server is known, since a passkey belongs
//! to it. The device that holds the passkey is a program too; a real one is reached through the browser or the platform,
//! which take and return the same JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use countersign_sdk::identity::types::*;
use countersign_sdk::{Client, Secret};
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::DefaultClientData;
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use public_suffix::PublicSuffixList;
use serde_json::{Map, Value, json};
use url::Url;

const PASSWORD: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip_while(|argument| argument != "--url");
    let url = arguments
        .nth(1)
        .unwrap_or_else(|| "http://localhost:8080".to_owned());
    let client = Client::new(&url)?;
    let mut device = Device {
        page: Url::parse(&url)?,
        key: None,
    };

    register(&client).await?;
    make_passkey(&client, &mut device).await?;
    client.logout().await?;
    println!("Signed out.");

    sign_in(&client, &mut device).await?;
    let me = client.get_current_user().await?;
    let amr = me.session.amr.join(" + ");
    println!(
        "You are {}, signed in at {} with {amr}.",
        me.email, me.session.acr
    );
    Ok(())
}

/// Adds a passkey to the account: the server's options go to the device, the device's answer to the server.
async fn make_passkey(client: &Client, device: &mut Device) -> Result<()> {
    let request = MfaSetupRequest::new(MfaMethod::Passkey, PASSWORD).name("My laptop");
    let setup = client.setup_mfa(request).await?;
    let MfaSetupResponse::Passkey(setup) = setup else {
        bail!("asked for a passkey, and got {setup:?}")
    };
    let credential = device.create(setup.public_key).await?;
    let proof = PasskeyVerifyRequest::new(setup.mfa_token, credential);
    let done = client.verify_passkey_setup(proof).await?;
    println!("{}", done.message);
    Ok(())
}

/// Signs in without a name and without a password: the device knows whose passkey it is.
async fn sign_in(client: &Client, device: &mut Device) -> Result<()> {
    let asked = client.get_sign_in_passkey_options().await?;
    let credential = device.get(asked.public_key).await?;
    let request = SignInPasskeyRequest::new(asked.passkey_token, credential);
    let tokens = client.sign_in_with_passkey(request).await?;
    client.sign_in_with(&tokens);
    Ok(())
}

/// Makes an account, with the code from the server's outbox.
async fn register(client: &Client) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let email = format!("alice+{now}@example.com");
    let request = RegisterRequest::new(&email, PASSWORD).first_name("Alice");
    let begun = client.register_user(request).await;
    let begun = begun.context("is a server running? `cargo run --release` starts one")?;
    let code = mailed_code(&email).await?;
    let proof = RegisterVerifyRequest::new(begun.registration_token, code);
    let tokens = client.verify_registration(proof).await?;
    client.sign_in_with(&tokens);
    println!("Registered {email}.");
    Ok(())
}

async fn mailed_code(email: &str) -> Result<Secret> {
    for _ in 0..50 {
        for entry in fs::read_dir("data/outbox").into_iter().flatten().flatten() {
            let mail = fs::read_to_string(entry.path()).unwrap_or_default();
            let six =
                |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
            if let (true, Some(code)) = (mail.contains(email), mail.lines().find(six)) {
                return Ok(code.into());
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("no mail in data/outbox: run this in the server's folder")
}

/// The device with the passkey, and the browser in front of it.
struct Device {
    page: Url,
    key: Option<Passkey>,
}

type Options = Map<String, Value>;
type Browser =
    passkey::client::Client<Option<Passkey>, Owner, RustCryptoBackend, PublicSuffixList, ()>;

impl Device {
    fn browser(&self) -> Browser {
        let (aaguid, key) = (Aaguid::new_empty(), self.key.clone());
        let device = Authenticator::new(aaguid, key, Owner, RustCryptoBackend);
        Browser::new(device).allows_insecure_localhost(true)
    }

    async fn create(&mut self, options: Options) -> Result<PasskeyCredential> {
        let options = serde_json::from_value(json!({ "publicKey": options }))?;
        let mut browser = self.browser();
        let made = browser.register(&self.page, options, DefaultClientData);
        let made = made.await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.key = browser.authenticator().store().clone();
        Ok(serde_json::from_value(serde_json::to_value(made)?)?)
    }

    async fn get(&mut self, options: Options) -> Result<PasskeyCredential> {
        let options = serde_json::from_value(json!({ "publicKey": options }))?;
        let mut browser = self.browser();
        let used = browser.authenticate(&self.page, options, DefaultClientData);
        let used = used.await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.key = browser.authenticator().store().clone();
        Ok(serde_json::from_value(serde_json::to_value(used)?)?)
    }
}

/// Who holds the device: its owner, who is recognised.
struct Owner;

#[async_trait::async_trait]
impl UserValidationMethod for Owner {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        _presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck {
            presence: true,
            verification,
        })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}
