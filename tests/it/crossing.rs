//! One domain behind four APIs: a factor set up through one API is asked for and answered through
//! every other.

use contract_tests::call::Method;
use contract_tests::device::Device;
use contract_tests::{Answer, Authenticator, PASSWORD, Person, Server, Value, json, tests};

use super::flashback_passkeys::request;
use super::{flashback, netevia, veeam};

tests! {
    an_app_set_up_through_any_api_signs_in_through_all,
    a_mailbox_set_up_through_any_api_signs_in_through_all,
    a_recovery_code_finishes_a_sign_in_through_all,
    where_the_factor_cannot_travel_a_recovery_code_is_asked_for,
    an_access_token_of_any_api_opens_the_others,
    the_chosen_method_is_asked_for_where_it_can_travel,
    a_passkey_set_up_natively_signs_in_through_flashback,
    a_passkey_set_up_through_flashback_signs_in_natively,
    a_phone_set_up_natively_signs_in_through_netevia_and_veeam,
    where_the_chosen_method_cannot_travel_the_app_is_asked_for,
}

/// The APIs through which a sign-in can go.
pub const APIS: [&str; 4] = ["identity", "netevia", "flashback", "veeam"];

/// Returns a registered user who typed their password a moment ago.
async fn alice(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.sign_in().await;
    alice
}

/// Starts a server that sends as many mails as these tests need.
async fn server() -> Server {
    Server::with(|settings| {
        settings.policy.code_mails_per_hour = 60;
        settings.policy.mail_calls_per_source = 1000;
    })
    .await
}

/// Takes the first step of a sign-in. Returns its reference and the answer.
pub async fn begin(alice: &Person, api: &str) -> (String, Answer) {
    let server = &alice.server;
    let body = json!({ "email": alice.email, "password": PASSWORD });
    let answer = match api {
        "identity" => alice.login().await,
        "netevia" => server.post("/api/auth/v2", &body).await,
        "flashback" => server.post("/user/login", &body).await,
        _ => veeam::sign_in(server, &alice.email, PASSWORD).await,
    };
    let answer = answer.is(200);
    let token = match api {
        "identity" | "netevia" => answer.text("mfaToken"),
        "flashback" => answer.text("accessToken"),
        _ => answer.text("mfa_token"),
    };
    (token, answer)
}

/// Takes the second step with a code. Returns the access token.
pub async fn finish(server: &Server, api: &str, token: &str, kind: &str, code: &str) -> String {
    let answer = match api {
        "identity" => server.verify_login(token, code).await,
        "netevia" => {
            let body = json!({ "mfaToken": token, "code": code });
            server.post("/api/auth/v2/2Fac", &body).await
        }
        "flashback" => {
            let body = match kind {
                "MAGIC_LINK" if code.starts_with("ml_") => {
                    json!({ "mfaType": kind, "token": code })
                }
                _ => json!({ "mfaType": kind, "code": code }),
            };
            server.post("/mfa/verify-login", &body).bearer(token).await
        }
        _ => veeam::second(server, token, code).await,
    };
    let answer = answer.is(200);
    answer.text(match api {
        "identity" => "accessToken",
        "netevia" => "token",
        "flashback" => "fullAccessToken",
        _ => "access_token",
    })
}

/// Sets up an app through an API.
async fn set_up_app(alice: &mut Person, api: &str) {
    match api {
        "identity" => alice.enable_authenticator().await,
        "netevia" => {
            let body = json!({ "mfaMethod": "authenticator" });
            let begun = alice.post("/settings/MfaSignIn", &body).await.is(200);
            assert_eq!(begun["mfaEnabled"], false);
            alice.authenticator = Some(Authenticator::new(&begun.text("secret")));
            let body = json!({ "mfaToken": begun.text("mfaToken"), "code": alice.fresh_code(),
                "shortMessageType": "ContactInfoUpdateRequest" });
            alice
                .post("/api/CodeVerification/check", &body)
                .await
                .is(200);
        }
        "flashback" => {
            let body = json!({ "mfaType": "GOOGLE_AUTH" });
            let begun = alice.post("/mfa/setup", &body).await.is(200);
            let secret = begun["data"]["secret"].as_str().expect("a secret");
            alice.authenticator = Some(Authenticator::new(secret));
            let body = json!({ "mfaType": "GOOGLE_AUTH", "code": alice.fresh_code() });
            alice.post("/mfa/verify-setup", &body).await.is(200);
        }
        _ => {
            veeam::enabled(alice).await;
        }
    }
}

async fn an_app_set_up_through_any_api_signs_in_through_all() {
    for set_up in APIS {
        let server = server().await;
        let mut alice = alice(&server).await;
        set_up_app(&mut alice, set_up).await;
        for api in APIS {
            let (token, _) = begin(&alice, api).await;
            let code = alice.fresh_code();
            let access = finish(&server, api, &token, "GOOGLE_AUTH", &code).await;
            let me = server.get("/identity/me").bearer(&access).await.is(200);
            assert_eq!(
                me["session"]["acr"], "aal2",
                "set up by {set_up}, signed in by {api}"
            );
        }
    }
}

async fn a_mailbox_set_up_through_any_api_signs_in_through_all() {
    for set_up in ["identity", "netevia", "flashback"] {
        let server = server().await;
        let mut alice = alice(&server).await;
        match set_up {
            "identity" => alice.enable_email().await,
            "netevia" => {
                let body = json!({ "mfaMethod": "email", "email": "alice@example.com" });
                let on = alice.post("/settings/MfaSignIn", &body).await.is(200);
                assert_eq!(on["mfaEnabled"], true);
            }
            _ => {
                let body = json!({ "mfaType": "MAGIC_LINK" });
                alice.post("/mfa/setup", &body).await.is(200);
                let token = server.mail.link_to(&alice.email).await;
                server
                    .post("/mfa/magic-link/activate", &json!({ "token": token }))
                    .await
                    .is(200);
            }
        }
        for api in APIS {
            let (token, _) = begin(&alice, api).await;
            let answer = match api {
                "flashback" => {
                    let sends = server.call(Method::POST, "/mfa/magic-link/send");
                    sends.bearer(&token).await.is(200);
                    server.mail.link_to(&alice.email).await
                }
                _ => server.mail.code_to(&alice.email).await,
            };
            let access = finish(&server, api, &token, "MAGIC_LINK", &answer).await;
            let me = server.get("/identity/me").bearer(&access).await.is(200);
            assert_eq!(
                me["session"]["acr"], "two-step",
                "set up by {set_up}, signed in by {api}"
            );
        }
    }
}

async fn a_recovery_code_finishes_a_sign_in_through_all() {
    let server = server().await;
    let mut alice = alice(&server).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    for (api, code) in APIS.into_iter().zip(&codes) {
        let (token, _) = begin(&alice, api).await;
        let typed = code.to_lowercase().replace('-', " ");
        let access = finish(&server, api, &token, "GOOGLE_AUTH", &typed).await;
        server.get("/identity/me").bearer(&access).await.is(200);
    }
    let left = alice.get("/identity/mfa/methods").await.is(200);
    assert_eq!(left["recoveryCodes"]["remaining"], 6);
}

async fn where_the_factor_cannot_travel_a_recovery_code_is_asked_for() {
    let server = server().await;
    let mut alice = alice(&server).await;
    let body = json!({ "method": "passkey", "password": PASSWORD, "name": "key" });
    let begun = alice.post("/identity/mfa/setup", &body).await.is(200);
    let device = Device::new();
    let credential = device
        .create(&json!({ "publicKey": begun["publicKey"] }))
        .await
        .expect("a passkey");
    let body = json!({ "mfaToken": begun.text("mfaToken"), "credential": credential });
    let verify = "/identity/mfa/setup/verify-passkey";
    server.post(verify, &body).await.is(200);
    // A second step in this session, which the recovery codes need.
    let asked = alice.post("/identity/step-up", &json!({})).await.is(200);
    let credential = device
        .get(&json!({ "publicKey": asked["publicKey"] }))
        .await
        .expect("an answer");
    let body = json!({ "mfaToken": asked.text("mfaToken"), "credential": credential });
    let verify = "/identity/step-up/verify-passkey";
    alice.access_token = alice.post(verify, &body).await.is(200).text("accessToken");
    let codes = alice.recovery_codes().await;
    for (api, code) in ["netevia", "veeam"].into_iter().zip(&codes) {
        let (token, answer) = begin(&alice, api).await;
        if api == "netevia" {
            assert_eq!(answer["mfaMethod"], "recovery_code");
        }
        finish(&server, api, &token, "", code).await;
    }
}

async fn an_access_token_of_any_api_opens_the_others() {
    let server = server().await;
    let mut alice = alice(&server).await;
    alice.enable_authenticator().await;
    for api in APIS {
        let (token, _) = begin(&alice, api).await;
        let code = alice.fresh_code();
        let access = finish(&server, api, &token, "GOOGLE_AUTH", &code).await;
        for path in [
            "/identity/me",
            "/mfa/status",
            "/user/profile",
            "/api/v1/users",
        ] {
            server.get(path).bearer(&access).await.is(200);
        }
        // The answer complains about the body, so the bearer was accepted.
        server
            .post(
                "/settings/MfaSignIn",
                &json!({ "mfaMethod": "carrier pigeon" }),
            )
            .bearer(&access)
            .await
            .is(400);
    }
}

async fn the_chosen_method_is_asked_for_where_it_can_travel() {
    let server = server().await;
    let mut alice = alice(&server).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice.enable_email().await;
    let body = json!({ "mfaType": "MAGIC_LINK" });
    alice.post("/mfa/primary", &body).await.is(200);
    let (_, native) = begin(&alice, "identity").await;
    assert_eq!(native["method"], "email");
    let (_, netevia) = begin(&alice, "netevia").await;
    assert_eq!(netevia["mfaMethod"], "email");
    // The same sentence as in the example of its document.
    let sentence = "Enter the code that was sent to your e-mail address.";
    assert_eq!(netevia["message"], sentence);
}

/// Returns the assurance level of a session.
async fn level(server: &Server, access: &str) -> Value {
    let me = server.get("/identity/me").bearer(access).await.is(200);
    me["session"]["acr"].clone()
}

async fn a_passkey_set_up_natively_signs_in_through_flashback() {
    let server = server().await;
    let alice = alice(&server).await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    let (token, asked) = begin(&alice, "flashback").await;
    assert_eq!(asked["mfaMethods"], json!(["PASSKEY"]));
    let options = server.call(Method::POST, "/mfa/passkey/auth-options");
    let options = options.bearer(&token).await.is(200);
    let credential = device.get(&request(&options)).await.expect("an assertion");
    let body = json!({ "mfaType": "PASSKEY", "credential": credential });
    let done = server.post("/mfa/verify-login", &body).bearer(&token).await;
    let access = done.is(200).text("fullAccessToken");
    assert_eq!(level(&server, &access).await, "aal2");
}

async fn a_passkey_set_up_through_flashback_signs_in_natively() {
    let server = server().await;
    let client = flashback::Client::registered(&server, "alice@example.com", None).await;
    let device = Device::new();
    client.enable_passkey(&device).await;
    let begun = server.login(&client.email, PASSWORD).await.is(200);
    assert_eq!(begun["method"], "passkey");
    let token = begun.text("mfaToken");
    let options = server.passkey_options(&token).await.is(200);
    let used = device.get(&options["publicKey"]).await;
    let used = used.expect("an assertion");
    let done = server.verify_passkey("mfa/login", &token, &used).await;
    let access = done.is(200).text("accessToken");
    assert_eq!(level(&server, &access).await, "aal2");
    // The same without any password.
    let (token, options) = server.asked_for_any_passkey().await;
    let used = device.get(&options).await.expect("an assertion");
    let done = server.sign_in_by_passkey(&token, &used).await;
    let access = done.is(200).text("accessToken");
    assert_eq!(level(&server, &access).await, "aal2");
}

async fn a_phone_set_up_natively_signs_in_through_netevia_and_veeam() {
    let (server, gateway) = netevia::with_texts().await;
    let alice = alice(&server).await;
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": netevia::PHONE });
    let begun = alice.post("/identity/mfa/setup", &body).await.is(200);
    let code = gateway.code().await;
    let proved = server.verify_setup(&begun.text("mfaToken"), &code).await;
    assert_eq!(proved.is(200)["mfaMethods"], json!(["sms"]));
    for api in ["identity", "netevia", "veeam"] {
        let (token, asked) = begin(&alice, api).await;
        if api == "netevia" {
            assert_eq!(asked["mfaMethod"], "sms");
        }
        let code = gateway.code().await;
        let access = finish(&server, api, &token, "", &code).await;
        assert_eq!(level(&server, &access).await, "aal2", "{api}");
    }
}

async fn where_the_chosen_method_cannot_travel_the_app_is_asked_for() {
    let server = server().await;
    let mut alice = alice(&server).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    // The mailbox too. The app has precedence, so no mail is sent for the mailbox.
    alice.enable_email().await;
    alice.add_passkey(&Device::new()).await;
    let passkey = alice.factor_id("passkey").await;
    alice.prefer(&passkey).await.is(200);
    let (_, native) = begin(&alice, "identity").await;
    assert_eq!(native["method"], "passkey");
    server.mail_is_out().await;
    let mails = server.mail.all_to(&alice.email).len();
    for api in ["netevia", "veeam"] {
        let (token, asked) = begin(&alice, api).await;
        if api == "netevia" {
            assert_eq!(asked["mfaMethod"], "authenticator");
        }
        let code = alice.fresh_code();
        let access = finish(&server, api, &token, "", &code).await;
        assert_eq!(level(&server, &access).await, "aal2", "{api}");
    }
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to(&alice.email).len(),
        mails,
        "no code was mailed"
    );
}
