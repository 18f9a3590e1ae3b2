//! The limits of Flashback's operations: tries, locks, mails, and accounts that changed between two
//! steps.

use contract_tests::device::Device;
use contract_tests::{Server, Value, json, tests};

use super::flashback::{Client, registration};
use super::flashback_passkeys::{complete, creation};

tests! {
    a_link_has_the_tries_of_its_set_up,
    a_disabled_account_activates_nothing,
    a_set_up_that_began_before_another_method_went_on_is_over,
    a_stopped_method_is_set_up_by_nobody,
    a_clock_that_is_off_is_told_to_who_is_signed_in,
    a_passkey_rests_like_other_methods,
    mails_of_set_ups_are_limited,
    a_network_causes_so_many_mails,
    a_name_without_a_mailbox_has_no_magic_links,
    a_link_outlives_the_codes_of_its_sign_in,
    where_no_method_travels_a_recovery_code_does,
}

const STOP: &str = "UPDATE factor_attempts SET failures = 50";

/// Makes every method wait for a while after many wrong codes.
fn rest(server: &Server) -> String {
    let until = server.clock.now().plus_seconds(600).micros();
    format!("UPDATE factor_attempts SET failures = 20, next_try_at = {until}")
}

const PATHS: [&str; 2] = [
    "/mfa/passkey/complete-registration",
    "/mfa/passkey/complete-registration-1",
];

fn code(method: &str, code: &str) -> Value {
    json!({ "mfaType": method, "code": code })
}

async fn a_link_has_the_tries_of_its_set_up() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    alice.setup("MAGIC_LINK").await.is(200);
    let mail = server.mail.notice_to("alice@example.com", "code").await;
    let right = mail.code().expect("a code");
    let wrong = code("MAGIC_LINK", super::other_than(&right));
    for _ in 0..5 {
        let refused = alice.post("/mfa/verify-setup", &wrong).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    let body = json!({ "token": mail.link() });
    let activate = || server.post("/mfa/magic-link/activate", &body);
    activate().await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    alice.setup("MAGIC_LINK").await.is(200);
    let token = server.mail.link_to("alice@example.com").await;
    server.database.run(STOP);
    server
        .post("/mfa/magic-link/activate", &json!({ "token": token }))
        .await
        .refused(403, "MFA_METHOD_LOCKED");
}

async fn a_disabled_account_activates_nothing() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    alice.setup("MAGIC_LINK").await.is(200);
    let token = server.mail.link_to("alice@example.com").await;
    server.database.run("UPDATE users SET disabled_at = 1");
    server
        .post("/mfa/magic-link/activate", &json!({ "token": token }))
        .await
        .refused(404, "USER_NOT_FOUND");
}

async fn a_set_up_that_began_before_another_method_went_on_is_over() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let app = alice.setup("GOOGLE_AUTH").await.is(200);
    let secret = app["data"]["secret"].as_str().expect("a secret");
    alice.app = Some(contract_tests::Authenticator::new(secret));
    let key = alice.setup("PASSKEY").await.is(200);
    let credential = device.create(&creation(&key)).await.expect("a passkey");
    alice.enable_link().await;
    let shown = alice.code();
    alice
        .post("/mfa/verify-setup", &code("GOOGLE_AUTH", &shown))
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    for path in PATHS {
        alice
            .post(path, &complete(&key, &credential))
            .await
            .refused(400, "MFA_TOKEN_INVALID");
    }
}

async fn a_stopped_method_is_set_up_by_nobody() {
    let server = Server::start().await;
    let device = Device::new();
    let alice = Client::registered(&server, "alice@example.com", None).await;
    alice.setup("GOOGLE_AUTH").await.is(200);
    let wrong = code("GOOGLE_AUTH", "1");
    let refused = alice.post("/mfa/verify-setup", &wrong).await;
    refused.refused(400, "INVALID_MFA_CODE");
    for path in PATHS {
        let old = alice.setup("PASSKEY").await.is(200);
        let credential = device.create(&creation(&old)).await.expect("a passkey");
        alice.setup("PASSKEY").await.is(200);
        let stale = complete(&old, &credential);
        alice
            .post(path, &stale)
            .await
            .refused(400, "PASSKEY_REFUSED");
        server.database.run(STOP);
        let new = alice.setup("PASSKEY").await.is(200);
        let credential = device.create(&creation(&new)).await.expect("a passkey");
        alice
            .post(path, &complete(&new, &credential))
            .await
            .refused(403, "MFA_METHOD_LOCKED");
        server
            .database
            .run("DELETE FROM factor_attempts WHERE kind = 'passkey'");
    }
    let refused = alice.post("/mfa/verify-setup", &wrong).await;
    refused.refused(403, "MFA_METHOD_LOCKED");
}

async fn a_clock_that_is_off_is_told_to_who_is_signed_in() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let begun = alice.setup("GOOGLE_AUTH").await.is(200);
    let secret = begun["data"]["secret"].as_str().expect("a secret");
    let app = contract_tests::Authenticator::new(secret);
    let slow = app.code_at(server.clock.now().plus_seconds(-240));
    let told = alice
        .post("/mfa/verify-setup", &code("GOOGLE_AUTH", &slow))
        .await;
    let told = told.refused(400, "AUTHENTICATOR_CLOCK_OFF");
    assert_eq!(told["offsetSeconds"], -240);
    alice.app = Some(app);
    let right = code("GOOGLE_AUTH", &alice.code());
    alice.post("/mfa/verify-setup", &right).await.is(200);
    alice.login().await;
    let slow = alice.app.as_ref().expect("an app");
    let slow = code(
        "GOOGLE_AUTH",
        &slow.code_at(server.clock.now().plus_seconds(-240)),
    );
    let refused = alice.post("/mfa/verify-login", &slow).await;
    refused.refused(400, "INVALID_MFA_CODE");
}

async fn a_passkey_rests_like_other_methods() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    for path in PATHS {
        let begun = alice.setup("PASSKEY").await.is(200);
        let mut credential = device.create(&creation(&begun)).await.expect("a passkey");
        credential["response"]["attestationObject"] = json!("AAAA");
        let body = complete(&begun, &credential);
        for _ in 0..2 {
            // A challenge is answered once. Another answer is compared with nothing.
            let refused = alice.post(path, &body).await;
            refused.refused(400, "PASSKEY_REFUSED");
        }
        server.database.run(&rest(&server));
        let begun = alice.setup("PASSKEY").await.is(200);
        let credential = device.create(&creation(&begun)).await.expect("a passkey");
        alice
            .post(path, &complete(&begun, &credential))
            .await
            .refused(429, "TOO_MANY_MFA_ATTEMPTS");
        server.database.run("DELETE FROM factor_attempts");
    }
    alice.enable_passkey(&device).await;
    alice.login().await;
    for _ in 0..5 {
        let wrong = code("PASSKEY", "123456");
        let refused = alice.post("/mfa/verify-login", &wrong).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    let options = || alice.poke("/mfa/passkey/auth-options");
    options().await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    server.database.run(STOP);
    alice.login().await;
    alice
        .poke("/mfa/passkey/auth-options")
        .await
        .refused(403, "MFA_METHOD_LOCKED");
}

async fn mails_of_set_ups_are_limited() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    for _ in 0..6 {
        alice.setup("MAGIC_LINK").await.is(200);
        server.mail.link_to("alice@example.com").await;
    }
    alice
        .setup("MAGIC_LINK")
        .await
        .refused(429, "TOO_MANY_MFA_EMAILS");
    server.clock.advance(3600);
    alice.login().await;
    alice.enable_link().await;
    alice.login().await;
    let wrong = code("MAGIC_LINK", "x");
    for _ in 0..5 {
        let refused = alice.post("/mfa/verify-login", &wrong).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    alice
        .poke("/mfa/magic-link/send")
        .await
        .refused(429, "TOO_MANY_MFA_ATTEMPTS");
}

async fn a_network_causes_so_many_mails() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 1;
    })
    .await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let from = "203.0.113.7";
    let register = |email| {
        let call = server.post("/user/register", &registration(email, None));
        call.from(from)
    };
    register("bob@example.com").await.is(201);
    register("carol@example.com")
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    alice.setup("MAGIC_LINK").from(from).await.is(200);
    server.mail.link_to("alice@example.com").await;
    alice
        .setup("MAGIC_LINK")
        .from(from)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    alice.enable_link().await;
    alice.login().await;
    // Registrations, set-ups and sign-ins have separate counts.
    let send = |alice: &Client| alice.poke("/mfa/magic-link/send").from(from);
    send(&alice).await.is(200);
    alice.login().await;
    send(&alice).await.refused(429, "TOO_MANY_REQUESTS");
}

async fn a_name_without_a_mailbox_has_no_magic_links() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    server.database.run("UPDATE users SET mailbox = FALSE");
    alice
        .setup("MAGIC_LINK")
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
    let methods = alice.get("/mfa/methods").await.is(200);
    assert_eq!(methods["data"][1]["isAvailable"], false);
}

async fn a_link_outlives_the_codes_of_its_sign_in() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.enable_link().await;
    alice.login().await;
    let token = alice.mailed_link().await;
    server.clock.advance(899);
    alice.get("/mfa/status").await.is(200);
    let body = json!({ "mfaType": "MAGIC_LINK", "token": token });
    alice.verify(&body).await;
    alice.login().await;
    let token = alice.mailed_link().await;
    server.clock.advance(900);
    let body = json!({ "mfaType": "MAGIC_LINK", "token": token });
    let refused = alice.post("/mfa/verify-login", &body).await;
    refused.refused(401, "TOKEN_EXPIRED");
}

async fn where_no_method_travels_a_recovery_code_does() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let codes = alice.enable_app().await;
    // Turns the factor into one that this API has no name for.
    server.database.run("UPDATE factors SET kind = 'sms'");
    let asked = alice.login().await;
    assert_eq!(asked["mfaRequired"], true);
    assert_eq!(asked["mfaMethods"], json!([]));
    let answer = alice.verify(&code("GOOGLE_AUTH", &codes[3])).await;
    assert_eq!(answer["recoveryCodesRemaining"], 9);
}
