//! Passkeys through Flashback's operations, with a device that is not a browser.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contract_tests::device::{Device, PAGE};
use contract_tests::{Answer, Server, Value, json, tests};

use super::flashback::Client;

tests! {
    a_passkey_is_registered_and_signs_in,
    the_fields_of_the_page_are_enough_to_register_one,
    its_second_path_and_verify_setup_register_one_too,
    a_credential_for_another_challenge_is_refused,
    a_challenge_has_one_answer,
    a_registration_is_begun_before_it_is_completed,
    a_sign_in_takes_the_answer_to_its_own_options_only,
}

/// Returns the complete creation options, which the answer has as an extension.
pub fn creation(begun: &Answer) -> Value {
    let data = &begun["data"];
    json!({ "publicKey": data["options"] })
}

/// Returns creation options as a client builds them that knows only the vendor's page: the
/// challenge is in base64, and the client chooses what the page does not have.
fn creation_by_the_page(begun: &Answer) -> Value {
    let data = &begun["data"];
    json!({ "publicKey": {
        "challenge": in_base64url(&data["challenge"]),
        "rp": { "name": data["rpName"], "id": data["rpID"] },
        "user": { "id": data["userId"], "name": data["userName"], "displayName": data["userName"] },
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
    } })
}

/// Returns request options from the page's fields, in the same way.
pub fn request(answered: &Answer) -> Value {
    let mut options = answered["data"].clone();
    options["challenge"] = in_base64url(&options["challenge"]);
    json!({ "publicKey": options })
}

/// Converts base64 to base64url, as the browser's data has it.
fn in_base64url(text: &Value) -> Value {
    let bytes = STANDARD.decode(text.as_str().expect("a text"));
    json!(URL_SAFE_NO_PAD.encode(bytes.expect("base64")))
}

/// Returns what a client sends to complete a registration.
pub fn complete(begun: &Answer, credential: &Value) -> Value {
    json!({ "credential": credential, "challenge": begun["data"]["challenge"] })
}

impl Client {
    /// Registers a passkey, to the end.
    pub async fn enable_passkey(&self, device: &Device) {
        let begun = self.setup("PASSKEY").await.is(200);
        let credential = device.create(&creation(&begun)).await.expect("a passkey");
        let body = complete(&begun, &credential);
        self.post("/mfa/passkey/complete-registration", &body)
            .await
            .is(200);
    }
}

async fn a_passkey_is_registered_and_signs_in() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let body =
        json!({ "mfaType": "PASSKEY", "deviceInfo": { "name": "iPhone 12", "type": "mobile" } });
    let begun = alice.post("/mfa/setup", &body).await.is(200);
    let data = &begun["data"];
    assert_eq!(data["userName"], "alice@example.com");
    assert_eq!(data["rpID"], "localhost");
    assert!(
        data["challenge"]
            .as_str()
            .is_some_and(|text| text.len() == 44)
    );
    let credential = device.create(&creation(&begun)).await.expect("a passkey");
    let body = complete(&begun, &credential);
    let done = alice
        .post("/mfa/passkey/complete-registration", &body)
        .await
        .is(200);
    assert_eq!(done["message"], "Passkey registration completed");

    let asked = alice.login().await;
    assert_eq!(asked["mfaMethods"], json!(["PASSKEY"]));
    let options = alice.poke("/mfa/passkey/auth-options").await.is(200);
    let credential = device.get(&request(&options)).await.expect("an assertion");
    alice
        .verify(&json!({ "mfaType": "PASSKEY", "credential": credential }))
        .await;
    let me = server
        .get("/identity/me")
        .bearer(&alice.token)
        .await
        .is(200);
    assert_eq!(me["session"]["acr"], "aal2");
    alice
        .setup("PASSKEY")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
}

async fn the_fields_of_the_page_are_enough_to_register_one() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    for path in [
        "/mfa/passkey/complete-registration",
        "/mfa/passkey/complete-registration-1",
        "/mfa/verify-setup",
    ] {
        let begun = alice.setup("PASSKEY").await.is(200);
        assert_eq!(
            begun["data"]["origin"], PAGE,
            "where the credential is made"
        );
        let options = creation_by_the_page(&begun);
        let credential = device.create(&options).await.expect("a passkey");
        let body = match path {
            "/mfa/verify-setup" => json!({ "mfaType": "PASSKEY", "credential": credential }),
            _ => complete(&begun, &credential),
        };
        alice.post(path, &body).await.is(200);

        let asked = alice.login().await;
        assert_eq!(asked["mfaMethods"], json!(["PASSKEY"]));
        let answered = alice.poke("/mfa/passkey/auth-options").await.is(200);
        let credential = device.get(&request(&answered)).await.expect("an assertion");
        alice
            .verify(&json!({ "mfaType": "PASSKEY", "credential": credential }))
            .await;
        alice.poke("/mfa/reset").await.is(200);
        alice.login().await;
    }
}

async fn its_second_path_and_verify_setup_register_one_too() {
    let server = Server::start().await;
    let device = Device::new();
    for (email, path) in [
        ("alice@example.com", "/mfa/passkey/complete-registration-1"),
        ("bob@example.com", "/mfa/verify-setup"),
    ] {
        let client = Client::registered(&server, email, None).await;
        let begun = client.setup("PASSKEY").await.is(200);
        let credential = device.create(&creation(&begun)).await.expect("a passkey");
        let mut body = complete(&begun, &credential);
        body["mfaType"] = json!("PASSKEY");
        client.post(path, &body).await.is(200);
        let status = client.get("/mfa/status").await.is(200);
        assert_eq!(status["data"]["enabledMethods"], json!(["PASSKEY"]));
    }
}

async fn a_credential_for_another_challenge_is_refused() {
    let server = Server::start().await;
    let device = Device::new();
    let alice = Client::registered(&server, "alice@example.com", None).await;
    for path in [
        "/mfa/passkey/complete-registration",
        "/mfa/passkey/complete-registration-1",
    ] {
        let old = alice.setup("PASSKEY").await.is(200);
        let credential = device.create(&creation(&old)).await.expect("a passkey");
        let new = alice.setup("PASSKEY").await.is(200);
        let lied = alice.post(path, &complete(&new, &credential)).await;
        let refused = lied.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "challenge");
        let stale = alice.post(path, &complete(&old, &credential)).await;
        stale.refused(400, "PASSKEY_REFUSED");
    }
    let new = alice.setup("PASSKEY").await.is(200);
    let mut credential = device.create(&creation(&new)).await.expect("a passkey");
    credential["response"]["attestationObject"] = json!("AAAA");
    let body = json!({ "mfaType": "PASSKEY", "credential": credential });
    alice
        .post("/mfa/verify-setup", &body)
        .await
        .refused(400, "PASSKEY_REFUSED");
}

async fn a_challenge_has_one_answer() {
    let server = Server::start().await;
    let device = Device::new();
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let begun = alice.setup("PASSKEY").await.is(200);
    let credential = device.create(&creation(&begun)).await.expect("a passkey");
    let body = complete(&begun, &credential);
    let path = "/mfa/passkey/complete-registration";
    alice.post(path, &body).await.is(200);
    for path in [path, "/mfa/passkey/complete-registration-1"] {
        alice
            .post(path, &body)
            .await
            .refused(400, "MFA_METHOD_NOT_CONFIGURED");
    }
}

async fn a_registration_is_begun_before_it_is_completed() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let body = json!({ "mfaType": "PASSKEY" });
    let missing = alice.post("/mfa/verify-setup", &body).await;
    let missing = missing.refused(400, "VALIDATION");
    assert_eq!(missing["errors"][0]["field"], "credential");
    alice.login().await;
    alice
        .of("/mfa/enable", "PASSKEY")
        .await
        .refused(400, "MFA_METHOD_NOT_CONFIGURED");
}

async fn a_sign_in_takes_the_answer_to_its_own_options_only() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_passkey(&device).await;
    let first = alice.login().await.text("accessToken");
    let options = alice.poke("/mfa/passkey/auth-options").await.is(200);
    let credential = device.get(&request(&options)).await.expect("an assertion");
    let body = json!({ "mfaType": "PASSKEY", "credential": credential });
    alice.login().await;
    alice.poke("/mfa/passkey/auth-options").await.is(200);
    alice
        .post("/mfa/verify-login", &body)
        .await
        .refused(400, "PASSKEY_REFUSED");
    let verify = || server.post("/mfa/verify-login", &body).bearer(&first);
    verify().await.is(200);
    verify().await.refused(401, "TOKEN_INVALID");
}
