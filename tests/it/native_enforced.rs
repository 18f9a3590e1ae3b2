//! A policy demands a second factor: the last one cannot be removed, and users without one are
//! asked for the mailbox.

use contract_tests::{Person, Server, json, tests};

tests! {
    the_last_method_stays,
    another_method_lets_the_first_one_go,
    who_has_none_on_is_asked_for_the_mailbox,
    a_password_alone_enrols_nothing,
    a_factor_ends_the_sessions_that_passed_no_second_step,
}

/// Puts a user into an organisation that demands a second factor.
pub(crate) fn enforce(alice: &Person) {
    let email = &alice.email;
    let database = &alice.server.database;
    // The organisation uses the id of its member, since the two databases write ids differently.
    database.run(&format!(
        "INSERT INTO organisations (id, name, mfa_enforced, created_at) SELECT id, 'Acme', TRUE, 0 FROM users WHERE email = '{email}'"
    ));
    database.run(&format!(
        "UPDATE users SET organisation_id = id, organisation_role = 'member' WHERE email = '{email}'"
    ));
}

async fn the_last_method_stays() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let begun = alice.begin_disable("authenticator").await.is(200);
    enforce(&alice);
    let app = alice.factor_id("authenticator").await;
    alice.remove(&app).await.refused(403, "MFA_ENFORCED");
    alice
        .begin_disable("authenticator")
        .await
        .refused(403, "MFA_ENFORCED");
    let code = alice.fresh_code();
    server
        .verify_disable(&begun.text("mfaToken"), &code)
        .await
        .refused(403, "MFA_ENFORCED");
    assert_eq!(alice.me().await["mfaMethods"], json!(["authenticator"]));
}

async fn another_method_lets_the_first_one_go() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    enforce(&alice);
    let first = alice.factor_id("authenticator").await;
    alice.add_authenticator("Tablet").await;
    alice.remove(&first).await.is(204);
    let last = alice.factor_id("Tablet").await;
    alice.remove(&last).await.refused(403, "MFA_ENFORCED");
}

async fn who_has_none_on_is_asked_for_the_mailbox() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    enforce(&alice);
    let me = alice.me().await.is(200);
    assert_eq!(
        (&me["mfaEnabled"], &me["mfaMethods"]),
        (&json!(true), &json!(["email"]))
    );
    alice
        .begin_disable("email")
        .await
        .refused(403, "MFA_ENFORCED");
    let asked = alice.login().await.is(200);
    assert_eq!(
        (&asked["method"], &asked["mfaMethods"]),
        (&json!("email"), &json!(["email"]))
    );
    let code = server.mail.code_to("alice@example.com").await;
    let signed_in = server.verify_login(&asked.text("mfaToken"), &code).await;
    alice.keep(&signed_in.is(200));
    assert_eq!(alice.me().await["session"]["acr"], "two-step");
    alice.enable_authenticator().await;
    assert_eq!(alice.login().await["method"], "authenticator");
}

async fn a_password_alone_enrols_nothing() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    enforce(&alice);
    alice
        .begin_setup("authenticator")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    assert_eq!(begun["method"], "email");
    let code = server.mail.code_to("alice@example.com").await;
    let lifted = alice.verify_step_up(&begun.text("mfaToken"), &code).await;
    alice.access_token = lifted.is(200).text("accessToken");
    alice.begin_setup("authenticator").await.is(200);
}

/// Signs in with a mailed code, and stores the tokens.
async fn by_mail(alice: &Person) -> Person {
    let mut alice = alice.clone();
    alice.sign_in().await;
    assert_eq!(alice.me().await["session"]["acr"], "two-step");
    alice
}

async fn a_factor_ends_the_sessions_that_passed_no_second_step() {
    let server = Server::start().await;
    let before = server.registered("alice@example.com").await;
    enforce(&before);
    before.me().await.is(200);
    let mut here = by_mail(&before).await;
    let there = by_mail(&before).await;
    here.enable_authenticator().await;
    before.me().await.refused(401, "TOKEN_INVALID");
    server
        .refresh(&before.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    for passed in [&here, &there] {
        passed.me().await.is(200);
        server.refresh(&passed.refresh_token).await.is(200);
    }
}
