//! Signing in with a recovery code, whatever the sign-in waits for and through any API.

use contract_tests::gateway::Gateway;
use contract_tests::{Device, Person, Server, json, tests};

use super::crossing::{APIS, begin, finish};
use super::netevia::{Client, with_texts_and};

tests! {
    a_recovery_code_stands_in_for_whatever_a_sign_in_waits_for,
    a_last_recovery_code_signs_in_through_all,
}

/// Starts a server that sends as many codes as these tests need, and the gateway for the texts.
async fn server() -> (Server, Gateway) {
    with_texts_and(|settings| {
        settings.policy.code_mails_per_hour = 60;
        settings.policy.sms_per_number_hour = 20;
        settings.policy.sms_per_number_day = 40;
        settings.policy.sms_per_account_day = 40;
    })
    .await
}

/// Returns a user whose sign-ins wait for this method, signed in with it a moment ago.
async fn with(server: &Server, gateway: &Gateway, method: &str) -> Person {
    let mut alice = Client::registered(server, "alice@example.com").await;
    match method {
        "sms" => alice.enable_sms(gateway).await,
        "email" => {
            alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
        }
        "authenticator" => alice.enable_app().await,
        _passkey => {
            let mut alice = alice.person();
            let device = Device::new();
            alice.add_passkey(&device).await;
            let signed_in = alice.sign_in_by(&device).await.is(200);
            alice.keep(&signed_in);
            return alice;
        }
    }
    let mut alice = alice.person();
    let token = alice.begin_sign_in().await;
    let code = match method {
        "sms" => gateway.code().await,
        "email" => server.mail.code_to(&alice.email).await,
        _app => alice.fresh_code(),
    };
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.keep(&signed_in);
    alice
}

/// Returns the name under which Flashback's clients send a code of this method. They have none for
/// a text message.
fn named(method: &str) -> &'static str {
    match method {
        "email" => "MAGIC_LINK",
        "passkey" => "PASSKEY",
        _ => "GOOGLE_AUTH",
    }
}

/// Finishes a sign-in through Netevia's other operation for that. Returns the access token.
async fn check(alice: &Person, token: &str, code: &str) -> String {
    let body = json!({ "code": code, "mfaToken": token, "shortMessageType": "AttemptLogin" });
    let checked = alice
        .server
        .post("/api/CodeVerification/check", &body)
        .await;
    checked.is(200).text("token")
}

async fn a_recovery_code_stands_in_for_whatever_a_sign_in_waits_for() {
    for method in ["authenticator", "email", "sms", "passkey"] {
        let (server, gateway) = server().await;
        let alice = with(&server, &gateway, method).await;
        let codes = alice.recovery_codes().await;
        let mut codes = codes.iter();
        for api in APIS.into_iter().chain(["netevia's check"]) {
            let code = codes.next().expect("a code");
            let access = match api {
                "netevia's check" => {
                    let (token, _) = begin(&alice, "netevia").await;
                    check(&alice, &token, code).await
                }
                _ => {
                    let (token, _) = begin(&alice, api).await;
                    finish(&server, api, &token, named(method), code).await
                }
            };
            let me = server.get("/identity/me").bearer(&access).await.is(200);
            assert_eq!(
                me["session"]["amr"],
                json!(["pwd", "recovery"]),
                "{api} waiting for {method}"
            );
        }
    }
}

async fn a_last_recovery_code_signs_in_through_all() {
    let (server, gateway) = server().await;
    let alice = with(&server, &gateway, "email").await;
    for api in APIS {
        let codes = alice.recovery_codes().await;
        server
            .database
            .run("UPDATE recovery_codes SET used_at = 1 WHERE ordinal < 9");
        let (token, _) = begin(&alice, api).await;
        let access = finish(&server, api, &token, "MAGIC_LINK", &codes[9]).await;
        server.get("/identity/me").bearer(&access).await.is(200);
        let left = alice.methods().await.is(200);
        assert_eq!(left["recoveryCodes"]["remaining"], 0, "{api}");
        let token = alice.begin_sign_in().await;
        server
            .verify_login(&token, &codes[9])
            .await
            .refused(400, "INVALID_MFA_CODE");
    }
}
