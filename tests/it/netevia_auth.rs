//! Signing in through Netevia's API, alone and together with the other APIs.

use contract_tests::call::Method;
use contract_tests::device::Device;
use contract_tests::{Answer, PASSWORD, Server, json, tests};

use super::netevia::{Client, authenticate, second, with_texts};

tests! {
    a_sign_in_name_goes_in_any_of_three_fields,
    a_known_name_looks_like_an_unknown_one,
    wrong_passwords_make_wait,
    a_token_of_this_api_opens_the_others,
    the_second_factor_goes_as_code_or_as_token,
    a_sign_in_takes_five_tries,
    a_method_stops_after_fifty_wrong_codes,
    a_sign_in_ends,
    a_method_that_went_off_finishes_nothing,
    an_account_that_went_finishes_nothing,
    a_recovery_code_finishes_a_sign_in,
    what_cannot_travel_leaves_the_recovery_code,
    what_the_native_api_set_up_is_asked_for_here,
    what_was_set_up_here_is_asked_for_by_the_native_api,
    codes_by_mail_and_by_sms_are_limited,
}

async fn a_sign_in_name_goes_in_any_of_three_fields() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for field in ["login", "email", "userName"] {
        let body = json!({ field: "Alice@example.com", "password": PASSWORD });
        let answer = server.post("/api/auth/v2", &body).await.is(200);
        assert_eq!(
            (
                &answer["status"],
                &answer["mfaRequired"],
                &answer["tokenType"],
                &answer["expiresIn"]
            ),
            (
                &json!("success"),
                &json!(false),
                &json!("Bearer"),
                &json!(900)
            )
        );
    }
    let body = json!({ "password": PASSWORD });
    let refused = server
        .post("/api/auth/v2", &body)
        .await
        .refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "login");
}

async fn a_known_name_looks_like_an_unknown_one() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let wrong = authenticate(&server, "alice@example.com", "wrong password").await;
    let unknown = authenticate(&server, "nobody@example.com", "wrong password").await;
    assert_eq!(wrong.looks(&[]), unknown.looks(&[]));
    wrong.refused(401, "INVALID_CREDENTIALS");
}

async fn wrong_passwords_make_wait() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for _ in 0..5 {
        authenticate(&server, "alice@example.com", "wrong password")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    authenticate(&server, "alice@example.com", PASSWORD)
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
}

async fn a_token_of_this_api_opens_the_others() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let answer = authenticate(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let token = answer.text("token");
    server.get("/identity/me").bearer(&token).await.is(200);
    server.get("/user/profile").bearer(&token).await.is(200);
    server.refresh(&answer.text("refreshToken")).await.is(200);
}

async fn the_second_factor_goes_as_code_or_as_token() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    for field in ["code", "token"] {
        let asked = alice.begin().await;
        assert_eq!(
            (
                &asked["status"],
                &asked["mfaMethod"],
                &asked["mfaMethods"],
                &asked["expiresAt"].is_string()
            ),
            (
                &json!("mfaRequired"),
                &json!("authenticator"),
                &json!(["authenticator"]),
                &true
            )
        );
        let code = alice.code();
        let body = json!({ field: code, "mfaToken": asked.text("mfaToken") });
        let answer = server.post("/api/auth/v2/2Fac", &body).await.is(200);
        assert_eq!(answer["mfaRequired"], false);
        server
            .get("/identity/me")
            .bearer(&answer.text("token"))
            .await
            .is(200);
        let used = server.post("/api/auth/v2/2Fac", &body).await;
        used.refused(400, "MFA_TOKEN_INVALID");
        let asked = alice.begin().await;
        let refused = second(&server, &asked.text("mfaToken"), &code).await;
        let refused = refused.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["reason"], "already_used");
    }
    let body = json!({ "mfaToken": alice.begin().await.text("mfaToken") });
    let refused = server.post("/api/auth/v2/2Fac", &body).await;
    assert_eq!(
        refused.refused(400, "VALIDATION")["errors"][0]["field"],
        "code"
    );
}

async fn a_sign_in_takes_five_tries() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    let token = alice.begin().await.text("mfaToken");
    let wrong = alice
        .app
        .as_ref()
        .expect("an app")
        .wrong_code(&server.clock);
    for left in (0..5).rev() {
        let refused = second(&server, &token, &wrong).await;
        let refused = refused.refused(400, "INVALID_MFA_CODE");
        assert_eq!(refused["attemptsRemaining"], left);
    }
    let code = alice.code();
    second(&server, &token, &code)
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn a_method_stops_after_fifty_wrong_codes() {
    let server = Server::with(|settings| {
        settings.policy.soft_limit = 9;
        settings.policy.hard_limit = 10;
    })
    .await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    let begun = alice.begin().await.text("mfaToken");
    let wrong = alice
        .app
        .as_ref()
        .expect("an app")
        .wrong_code(&server.clock);
    for _ in 0..2 {
        let token = alice.begin().await.text("mfaToken");
        for _ in 0..5 {
            second(&server, &token, &wrong).await;
            server.clock.advance(30);
        }
    }
    let wrong = alice
        .app
        .as_ref()
        .expect("an app")
        .wrong_code(&server.clock);
    second(&server, &begun, &wrong)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
    let body = json!({ "code": wrong, "mfaToken": begun, "shortMessageType": "AttemptLogin" });
    server
        .post("/api/CodeVerification/check", &body)
        .await
        .refused(403, "MFA_METHOD_LOCKED");
}

async fn a_sign_in_ends() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    let token = alice.begin().await.text("mfaToken");
    server.clock.advance(600);
    let code = alice.code();
    second(&server, &token, &code)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
}

async fn a_method_that_went_off_finishes_nothing() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    let token = alice.begin().await.text("mfaToken");
    alice.sign_in().await;
    // Another method stays on: turning the last one off would end the sign-in.
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    alice.post("/mfa/disable", &app).await.is(200);
    let code = alice.code();
    second(&server, &token, &code)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
    let body = json!({ "code": code, "mfaToken": token, "shortMessageType": "AttemptLogin" });
    server
        .post("/api/CodeVerification/check", &body)
        .await
        .refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn an_account_that_went_finishes_nothing() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    alice.sign_in_by_mail().await;
    let token = alice.begin().await.text("mfaToken");
    server.database.run("UPDATE users SET disabled_at = 1");
    second(&server, &token, "123456")
        .await
        .refused(404, "USER_NOT_FOUND");
    let mut body = json!({ "mfaToken": token, "shortMessageType": "AttemptLogin" });
    server
        .post("/api/CodeVerification/send", &body)
        .await
        .refused(404, "USER_NOT_FOUND");
    body["code"] = json!("123456");
    server
        .post("/api/CodeVerification/check", &body)
        .await
        .refused(404, "USER_NOT_FOUND");
}

async fn a_recovery_code_finishes_a_sign_in() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    alice.sign_in().await;
    let codes = alice
        .call(Method::POST, "/identity/mfa/recovery-codes")
        .await
        .is(201)["recoveryCodes"]
        .clone();
    let code = codes[0].as_str().expect("a code").to_owned();
    let token = alice.begin().await.text("mfaToken");
    let answer = second(&server, &token, &code.to_lowercase()).await.is(200);
    assert_eq!(answer["recoveryCodesRemaining"], 9);
    let token = alice.begin().await.text("mfaToken");
    second(&server, &token, &code)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let code = codes[1].as_str().expect("a code");
    let body = json!({ "code": code, "mfaToken": token, "shortMessageType": "AttemptLogin" });
    let checked = server
        .post("/api/CodeVerification/check", &body)
        .await
        .is(200);
    assert_eq!(checked["recoveryCodesRemaining"], 8);
    checked.text("token");
}

async fn what_cannot_travel_leaves_the_recovery_code() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let body = json!({ "mfaType": "PASSKEY" });
    let begun = alice.post("/mfa/setup", &body).await.is(200);
    let options = json!({ "publicKey": begun["data"]["options"] });
    let credential = Device::new().create(&options).await.expect("a passkey");
    let challenge = &begun["data"]["challenge"];
    let body = json!({ "credential": credential, "challenge": challenge });
    alice
        .post("/mfa/passkey/complete-registration", &body)
        .await
        .is(200);
    let asked = alice.begin().await;
    assert_eq!(
        (&asked["mfaMethod"], &asked["mfaMethods"]),
        (&json!("recovery_code"), &json!(["passkey"]))
    );
    let token = asked.text("mfaToken");
    second(&server, &token, "123456")
        .await
        .refused(400, "INVALID_MFA_CODE");
    let body = json!({ "mfaToken": token, "shortMessageType": "AttemptLogin" });
    server
        .post("/api/CodeVerification/send", &body)
        .await
        .refused(400, "RESEND_ONLY_FOR_EMAIL");
}

async fn what_the_native_api_set_up_is_asked_for_here() {
    let server = Server::start().await;
    let mut person = server.registered("alice@example.com").await;
    person.enable_authenticator().await;
    let asked = authenticate(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    assert_eq!(asked["mfaMethod"], "authenticator");
    let code = person.fresh_code();
    let answer = second(&server, &asked.text("mfaToken"), &code)
        .await
        .is(200);
    // A sign-in that began there can be finished here, and the other way round.
    let token = person.begin_sign_in().await;
    let code = person.fresh_code();
    second(&server, &token, &code).await.is(200);
    let asked = authenticate(&server, "alice@example.com", PASSWORD)
        .await
        .is(200);
    let code = person.fresh_code();
    server
        .verify_login(&asked.text("mfaToken"), &code)
        .await
        .is(200);
    server
        .call(Method::DELETE, "/settings/MfaSignIn")
        .bearer(&answer.text("token"))
        .await
        .is(200);
    person.login().await.is(200).text("accessToken");
}

async fn what_was_set_up_here_is_asked_for_by_the_native_api() {
    let (server, gateway) = with_texts().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    let token = alice.person().begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.token = signed_in.text("accessToken");
    alice.enable_sms(&gateway).await;
    let token = alice.person().begin_sign_in().await;
    server.switch(&token, "sms").await.is(200);
    let code = gateway.code().await;
    server.verify_login(&token, &code).await.is(200);
    alice.enable_app().await;
    let token = alice.person().begin_sign_in().await;
    server.switch(&token, "authenticator").await.is(200);
    let code = alice.code();
    server.verify_login(&token, &code).await.is(200);
}

async fn codes_by_mail_and_by_sms_are_limited() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    for _ in 0..6 {
        alice.begin().await;
    }
    again(&alice).await.refused(429, "TOO_MANY_MFA_EMAILS");
    let bob = Client::registered(&server, "bob@example.com").await;
    bob.enable_sms(&gateway).await;
    for _ in 0..4 {
        bob.begin().await;
    }
    again(&bob).await.refused(429, "TOO_MANY_MFA_SMS");
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 1 + 4);
}

/// Starts a sign-in whose code may not be sent, and asks for it.
async fn again(client: &Client) -> Answer {
    let asked = client.begin().await;
    assert!(
        asked.text("message").starts_with("No code"),
        "{}",
        asked.text
    );
    let body = json!({ "shortMessageType": "AttemptLogin", "mfaToken": asked.text("mfaToken") });
    client
        .server
        .post("/api/CodeVerification/send", &body)
        .await
}
