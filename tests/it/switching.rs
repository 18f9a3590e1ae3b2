//! Switching between methods whose codes are sent: a code is valid for its own method only, and all
//! methods share one pace. If no mail can be sent, a sign-in starts with another method.

use contract_tests::gateway::Gateway;
use contract_tests::{Call, Person, Server, json, tests};

use super::crossing::{APIS, begin, finish};
use super::netevia::{self, Client, with_texts};
use super::veeam;

tests! {
    a_code_that_was_mailed_is_none_of_the_phone,
    a_code_that_was_texted_is_none_of_the_mailbox,
    switching_back_and_forth_keeps_one_pace,
    with_the_days_mails_used_up_a_sign_in_starts_with_the_app,
}

/// Returns a user with the mailbox and a phone on. Sign-ins start with one of them.
async fn with_both(first: &str) -> (Server, Gateway, Person) {
    let (server, gateway) = with_texts().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    alice.sign_in_by_mail().await;
    alice.enable_sms(&gateway).await;
    let alice = alice.person();
    let id = alice.factor_id(first).await;
    alice.prefer(&id).await.is(200);
    (server, gateway, alice)
}

/// Answers a sign-in through Flashback's operation, which names the method.
fn answer(server: &Server, token: &str, field: &str, code: &str) -> Call {
    let body = json!({ "mfaType": "MAGIC_LINK", field: code });
    server.post("/mfa/verify-login", &body).bearer(token)
}

/// Asserts that an access token is accepted where only signed-in users are.
async fn opens(server: &Server, access: &str) {
    server.get("/identity/me").bearer(access).await.is(200);
}

async fn a_code_that_was_mailed_is_none_of_the_phone() {
    let (server, gateway, alice) = with_both("email").await;
    let token = alice.begin_sign_in().await;
    let mailed = server.mail.code_to(&alice.email).await;
    server.clock.advance(60);
    server.switch(&token, "sms").await.is(200);
    for refused in [
        server.verify_login(&token, &mailed),
        netevia::second(&server, &token, &mailed),
        veeam::second(&server, &token, &mailed),
    ] {
        refused.await.refused(400, "INVALID_MFA_CODE");
    }
    let texted = gateway.code().await;
    let signed_in = server.verify_login(&token, &texted).await.is(200);
    opens(&server, &signed_in.text("accessToken")).await;
}

async fn a_code_that_was_texted_is_none_of_the_mailbox() {
    let (server, gateway, alice) = with_both("sms").await;
    let token = alice.begin_sign_in().await;
    let texted = gateway.code().await;
    for field in ["code", "token"] {
        let refused = answer(&server, &token, field, &texted).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    // It waits for the mailbox now, whoever answers, until the phone is asked for again.
    server
        .verify_login(&token, &texted)
        .await
        .refused(400, "INVALID_MFA_CODE");
    server.switch(&token, "sms").await.is(200);
    let signed_in = server.verify_login(&token, &texted).await.is(200);
    opens(&server, &signed_in.text("accessToken")).await;
    server.mail_is_out().await;
    assert_eq!(
        gateway.taken().len(),
        2,
        "the code of the sign-in was good still"
    );
}

async fn switching_back_and_forth_keeps_one_pace() {
    let (server, gateway, alice) = with_both("email").await;
    let token = alice.begin_sign_in().await;
    // The first switch sends at once, as its description says.
    server.switch(&token, "sms").await.is(200);
    gateway.code().await;
    for (method, wait) in [("email", 120), ("sms", 240)] {
        server.mail_is_out().await;
        let before = gateway.taken().len() + server.mail.all_to(&alice.email).len();
        let refused = server.switch(&token, method).await;
        assert_eq!(refused.header("retry-after"), Some(wait.to_string()));
        refused.refused(429, "TOO_MANY_REQUESTS");
        server.clock.advance(wait - 1);
        let refused = server.switch(&token, method).await;
        assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
        refused.refused(429, "TOO_MANY_REQUESTS");
        server.mail_is_out().await;
        let after = gateway.taken().len() + server.mail.all_to(&alice.email).len();
        assert_eq!(after, before, "nothing was sent for a refused switch");
        server.clock.advance(1);
        server.switch(&token, method).await.is(200);
    }
    // Three were sent again, which is a sign-in's limit. The last code is valid.
    let refused = server.switch(&token, "email").await;
    let refused = refused.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused["retryAfter"], 600 - 360);
    let texted = gateway.code().await;
    let signed_in = server.verify_login(&token, &texted).await.is(200);
    opens(&server, &signed_in.text("accessToken")).await;
}

async fn with_the_days_mails_used_up_a_sign_in_starts_with_the_app() {
    let server = Server::with(|settings| {
        settings.policy.code_mails_per_hour = 3;
        settings.policy.code_mails_per_day = 3;
    })
    .await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let mailbox = alice.factor_id("email").await;
    alice.prefer(&mailbox).await.is(200);
    assert_eq!(alice.login().await.is(200)["method"], "email");
    // An hour later the day's mails are still used up.
    for wait in [1, 3600] {
        server.clock.advance(wait);
        let asked = alice.login().await.is(200);
        assert_eq!(
            (&asked["method"], &asked["mfaMethods"]),
            (&json!("authenticator"), &json!(["email", "authenticator"])),
            "the mailbox stays on"
        );
        for api in APIS {
            let (token, _) = begin(&alice, api).await;
            let code = alice.fresh_code();
            let access = finish(&server, api, &token, "GOOGLE_AUTH", &code).await;
            opens(&server, &access).await;
        }
    }
    server.clock.advance(86_400);
    assert_eq!(alice.login().await.is(200)["method"], "email");
}
