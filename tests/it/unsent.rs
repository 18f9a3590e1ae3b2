//! Sign-ins whose code may not be sent now: they start nevertheless, and another method or a
//! recovery code finishes them.

use contract_tests::gateway::Gateway;
use contract_tests::{PASSWORD, Person, Server, json, tests};

use super::netevia::{PHONE, with_texts_and};
use super::{flashback, netevia, veeam};

tests! {
    a_recovery_code_finishes_where_no_mail_may_be_sent,
    a_recovery_code_finishes_where_no_text_message_may_be_sent,
    where_another_method_is_on_it_is_begun_with,
    another_method_is_switched_to,
    the_code_is_asked_for_later,
    a_networks_limit_leaves_its_sign_ins_the_recovery_code,
    in_netevias_api_too,
    in_veeams_api_too,
    in_flashbacks_api_too,
}

const MAILS: &str = "TOO_MANY_MFA_EMAILS";
const TEXTS: &str = "TOO_MANY_MFA_SMS";

/// Returns a user with an app, signed in with it, and their recovery codes.
async fn with_codes(server: &Server) -> (Person, Vec<String>) {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    (alice, codes)
}

/// Deletes the app in the database, since this test is not about turning it off.
fn drop_app(server: &Server) {
    let sql = "DELETE FROM factors WHERE kind = 'authenticator'";
    server.database.run(sql);
}

/// Makes sign-ins start with this method.
fn prefer(server: &Server, method: &str) {
    let sql = format!("UPDATE factors SET is_primary = (kind = '{method}')");
    server.database.run(&sql);
}

async fn enable_sms(alice: &Person, gateway: &Gateway) {
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": PHONE });
    let begun = alice.post("/identity/mfa/setup", &body).await.is(200);
    let code = gateway.code().await;
    let proof = alice.server.verify_setup(&begun.text("mfaToken"), &code);
    proof.await.is(200);
}

/// Leaves an account no mails: the set-up of the mailbox takes the only one.
async fn mails_used_up() -> (Server, Person, Vec<String>) {
    let server = Server::with(|settings| settings.policy.code_mails_per_hour = 1).await;
    let (mut alice, codes) = with_codes(&server).await;
    alice.enable_email().await;
    server.mail_is_out().await;
    (server, alice, codes)
}

/// Leaves an account no text messages, in the same way.
async fn texts_used_up() -> (Server, Gateway, Person, Vec<String>) {
    let (server, gateway) = with_texts_and(|settings| {
        settings.policy.sms_per_account_day = 1;
    })
    .await;
    let (alice, codes) = with_codes(&server).await;
    enable_sms(&alice, &gateway).await;
    (server, gateway, alice, codes)
}

async fn a_recovery_code_finishes_where_no_mail_may_be_sent() {
    let (server, alice, codes) = mails_used_up().await;
    drop_app(&server);
    let before = server.mail.all_to("alice@example.com").len();
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "email");
    assert!(
        asked.text("message").starts_with("No code"),
        "{}",
        asked.text
    );
    let token = asked.text("mfaToken");
    let refused = server.resend(&token).await.refused(429, MAILS);
    assert!(refused.number("retryAfter") > 3500, "{}", refused.text);
    server
        .verify_login(&token, "000000")
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before);
    let answer = server.verify_login(&token, &codes[0]).await.is(200);
    assert_eq!(answer["recoveryCodesRemaining"], 9);
}

async fn a_recovery_code_finishes_where_no_text_message_may_be_sent() {
    let (server, gateway, alice, codes) = texts_used_up().await;
    drop_app(&server);
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "sms");
    assert!(
        asked.text("message").starts_with("No code"),
        "{}",
        asked.text
    );
    let token = asked.text("mfaToken");
    let refused = server.resend(&token).await.refused(429, TEXTS);
    assert!(refused.number("retryAfter") > 86_000, "{}", refused.text);
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 1, "the set-up's alone");
    server.verify_login(&token, &codes[0]).await.is(200);
}

async fn where_another_method_is_on_it_is_begun_with() {
    let (server, mut alice, _codes) = mails_used_up().await;
    prefer(&server, "email");
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "authenticator");
    let code = alice.fresh_code();
    let token = asked.text("mfaToken");
    server.verify_login(&token, &code).await.is(200);
    let (server, _gateway, mut alice, _codes) = texts_used_up().await;
    prefer(&server, "sms");
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "authenticator");
    let token = asked.text("mfaToken");
    server.switch(&token, "sms").await.refused(429, TEXTS);
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn another_method_is_switched_to() {
    let (server, gateway, alice, _codes) = texts_used_up().await;
    drop_app(&server);
    let asked = alice.begin_unsent(TEXTS).await;
    let token = asked.text("mfaToken");
    // Meanwhile another device has turned the mailbox on.
    let mut mailbox = alice.clone();
    mailbox.enable_email().await;
    server.switch(&token, "email").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
    assert_eq!(gateway.taken().len(), 1);
}

async fn the_code_is_asked_for_later() {
    let (server, alice, _codes) = mails_used_up().await;
    drop_app(&server);
    server.clock.advance(3500);
    let asked = alice.begin_unsent(MAILS).await;
    let token = asked.text("mfaToken");
    server.clock.advance(100);
    let sent = server.resend(&token).await.is(200);
    assert_eq!(sent["resendsRemaining"], 3, "the first code is no resend");
    let code = server.mail.code_to("alice@example.com").await;
    server.resend(&token).await.refused(429, "RESEND_COOLDOWN");
    server.verify_login(&token, &code).await.is(200);
}

async fn a_networks_limit_leaves_its_sign_ins_the_recovery_code() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 1;
    })
    .await;
    let (mut alice, codes) = with_codes(&server).await;
    alice.enable_email().await;
    prefer(&server, "email");
    let from = |host: u8| format!("203.0.113.{host}");
    let asked = alice.login().from(&from(1)).await.is(200);
    assert_eq!(asked["method"], "email");
    server.mail.code_to("alice@example.com").await;
    let asked = alice.login().from(&from(2)).await.is(200);
    assert_eq!(asked["method"], "authenticator", "which needs no mail");
    drop_app(&server);
    let asked = alice.login().from(&from(3)).await.is(200);
    assert_eq!(asked["method"], "email");
    let token = asked.text("mfaToken");
    server
        .resend(&token)
        .from(&from(4))
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    server.mail_is_out().await;
    server.verify_login(&token, &codes[0]).await.is(200);
}

async fn in_netevias_api_too() {
    let (server, gateway, mut alice, codes) = texts_used_up().await;
    prefer(&server, "sms");
    let begin = || netevia::authenticate(&server, "alice@example.com", PASSWORD);
    let asked = begin().await.is(200);
    assert_eq!(asked["mfaMethod"], "authenticator");
    let code = alice.fresh_code();
    netevia::second(&server, &asked.text("mfaToken"), &code)
        .await
        .is(200);
    drop_app(&server);
    let asked = begin().await.is(200);
    assert_eq!(asked["mfaMethod"], "sms");
    assert!(
        asked.text("message").starts_with("No code"),
        "{}",
        asked.text
    );
    let token = asked.text("mfaToken");
    let again = json!({ "shortMessageType": "AttemptLogin", "mfaToken": token });
    let refused = server
        .post("/api/CodeVerification/send", &again)
        .await
        .refused(429, TEXTS);
    assert!(refused.header("retry-after").is_some());
    netevia::second(&server, &token, &codes[0]).await.is(200);
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 1, "the set-up's alone");
}

async fn in_veeams_api_too() {
    let (server, mut alice, codes) = mails_used_up().await;
    prefer(&server, "email");
    let before = server.mail.all_to("alice@example.com").len();
    let begin = || veeam::sign_in(&server, "alice@example.com", PASSWORD);
    let asked = begin().await.is(200);
    assert_eq!(asked["mfa_method"], "authenticator");
    let code = alice.fresh_code();
    veeam::second(&server, &asked.text("mfa_token"), &code)
        .await
        .is(200);
    drop_app(&server);
    let asked = begin().await.is(200);
    assert_eq!(asked["mfa_method"], "recovery_code");
    server.mail_is_out().await;
    let mailed = server.mail.all_to("alice@example.com").len();
    assert_eq!(mailed, before);
    veeam::second(&server, &asked.text("mfa_token"), &codes[0])
        .await
        .is(200);
}

async fn in_flashbacks_api_too() {
    let (server, alice, codes) = mails_used_up().await;
    let mut client = flashback::Client {
        server: server.clone(),
        email: alice.email.clone(),
        token: String::new(),
        refresh_token: String::new(),
        app: alice.authenticator.clone(),
    };
    prefer(&server, "email");
    client.login().await;
    client
        .poke("/mfa/magic-link/send")
        .await
        .refused(429, MAILS);
    let code = client.code();
    client
        .verify(&json!({ "mfaType": "GOOGLE_AUTH", "code": code }))
        .await;
    client.login().await;
    client
        .poke("/mfa/magic-link/send")
        .await
        .refused(429, MAILS);
    client
        .verify(&json!({ "mfaType": "MAGIC_LINK", "code": codes[0] }))
        .await;
}
