//! The operator's commands, and the deletion of expired rows.

use contract_tests::{PASSWORD, Person, Server, json, tests};
use countersign::flow::operator;
use countersign::model::kinds::Role;
use countersign::model::{Error, Refusal, Secret};

use super::veeam;

tests! {
    an_operator_makes_accounts,
    an_operator_makes_no_account_twice_and_none_with_a_weak_password,
    a_promoted_user_is_an_administrator_at_once,
    a_reset_removes_every_factor_and_ends_every_session,
    a_reset_leaves_no_code_that_stands_in,
    an_unlock_removes_no_factor,
    nobody_unknown_is_helped,
    help_is_told_and_kept_in_the_audit_trail,
    what_is_over_is_forgotten,
    a_purge_takes_nothing_that_is_alive,
}

async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

async fn an_operator_makes_accounts() {
    let server = Server::start().await;
    let root = server.made_by_operator("root@example.com").await;
    assert_eq!(root.me().await["role"], "administrator");
    server.mail.notice_to("root@example.com", "account").await;
    let made = server.app.call(async |ctx| {
        operator::create_user(
            ctx,
            "Bob@Example.com",
            Secret::new(PASSWORD.to_owned()),
            Role::User,
        )
        .await
    });
    assert_eq!(made.await.expect("an account").email, "bob@example.com");
    let bob = server.login("bob@example.com", PASSWORD).await.is(200);
    assert_eq!(bob["user"]["role"], "user");
}

async fn an_operator_makes_no_account_twice_and_none_with_a_weak_password() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for (email, password, field) in [
        ("alice@example.com", PASSWORD, "email"),
        ("no address", PASSWORD, "email"),
        ("bob@example.com", "short", "password"),
        ("bob@example.com", "passwordpassword", "password"),
    ] {
        let made = server.app.call(async |ctx| {
            operator::create_user(ctx, email, Secret::new(password.to_owned()), Role::User).await
        });
        match made.await {
            Err(Error::Refused(Refusal::Validation { errors })) => {
                assert_eq!(errors[0].field, field);
            }
            other => panic!("{email} {password}: {other:?}"),
        }
    }
}

async fn a_promoted_user_is_an_administrator_at_once() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    alice.get("/identity/users").await.refused(403, "FORBIDDEN");
    server
        .app
        .call(async |ctx| operator::promote(ctx, "ALICE@example.com").await)
        .await
        .expect("promoted");
    alice.get("/identity/users").await.is(200);
    assert_eq!(alice.me().await["role"], "administrator");
}

async fn a_reset_removes_every_factor_and_ends_every_session() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let waiting = alice.begin_sign_in().await;
    let person = server
        .app
        .call(async |ctx| operator::reset_mfa(ctx, "alice@example.com").await)
        .await
        .expect("reset");
    assert!(person.methods.is_empty());
    alice.me().await.refused(401, "TOKEN_INVALID");
    server
        .refresh(&alice.refresh_token)
        .await
        .refused(401, "TOKEN_INVALID");
    let code = alice.fresh_code();
    server
        .verify_login(&waiting, &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let signed_in = alice.login().await.is(200);
    assert_eq!(signed_in["user"]["mfaMethods"], json!([]));
    alice.keep(&signed_in);
    alice.enable_authenticator().await;
    alice.sign_in().await;
}

async fn a_reset_leaves_no_code_that_stands_in() {
    let server = Server::start().await;
    let mut alice = veeam::registered(&server, "alice@example.com").await;
    let scratch = veeam::enabled(&mut alice).await;
    alice.sign_in().await;
    let recovery = alice.recovery_codes().await;
    server
        .app
        .call(async |ctx| operator::reset_mfa(ctx, "alice@example.com").await)
        .await
        .expect("reset");
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server
        .verify_login(&token, &recovery[0])
        .await
        .refused(400, "INVALID_MFA_CODE");
    for code in [&recovery[1], &scratch[0]] {
        veeam::second(&server, &token, code)
            .await
            .refused(400, "INVALID_MFA_CODE");
    }
    let listed = alice.methods().await.is(200);
    assert_eq!(listed["recoveryCodes"]["remaining"], 0);
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}

async fn an_unlock_removes_no_factor() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let person = server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    assert_eq!(person.methods.len(), 1);
    alice.me().await.is(200);
    alice.sign_in().await;
}

async fn nobody_unknown_is_helped() {
    let server = Server::start().await;
    let outcomes = [
        server
            .app
            .call(async |ctx| operator::promote(ctx, "nobody@example.com").await)
            .await,
        server
            .app
            .call(async |ctx| operator::unlock(ctx, "nobody@example.com").await)
            .await,
        server
            .app
            .call(async |ctx| operator::reset_mfa(ctx, "nobody@example.com").await)
            .await,
    ];
    for outcome in outcomes {
        assert!(
            matches!(outcome, Err(Error::Refused(Refusal::UserNotFound))),
            "{outcome:?}"
        );
    }
}

async fn help_is_told_and_kept_in_the_audit_trail() {
    let server = Server::start().await;
    with_app(&server).await;
    let events = async |event: &str| {
        let query = format!(
            "SELECT count(*) AS found FROM audit_events WHERE event = '{event}' AND source = 'console'"
        );
        server.database.number(&query)
    };
    server
        .app
        .call(async |ctx| operator::promote(ctx, "alice@example.com").await)
        .await
        .expect("promoted");
    server
        .mail
        .notice_to("alice@example.com", "administrator")
        .await;
    server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    server.mail.notice_to("alice@example.com", "unlocked").await;
    server
        .app
        .call(async |ctx| operator::reset_mfa(ctx, "alice@example.com").await)
        .await
        .expect("reset");
    server.mail.notice_to("alice@example.com", "removed").await;
    let kept = server
        .database
        .texts("SELECT event AS found FROM audit_events WHERE source = 'console'");
    assert_eq!(kept.len(), 3, "{kept:?}");
    for event in &kept {
        assert_eq!(events(event).await, 1, "{event}");
    }
}

async fn what_is_over_is_forgotten() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    alice.begin_sign_in().await;
    server.register("bob@example.com").await.is(202);
    server.login("nobody@example.com", "wrong").await;
    server.mail_is_out().await;
    let rows = |table: &str| {
        server
            .database
            .number(&format!("SELECT count(*) AS found FROM {table}"))
    };
    let tables = [
        "challenges",
        "registrations",
        "notices",
        "sessions",
        "refresh_tokens",
        "audit_events",
        "password_attempts",
        "limits",
        "user_limits",
    ];
    for table in tables {
        assert!(rows(table) > 0, "{table}");
    }
    server.forget_after(2 * 86_400).await;
    for table in [
        "challenges",
        "registrations",
        "notices",
        "password_attempts",
        "limits",
    ] {
        assert_eq!(rows(table), 0, "{table} after a day");
    }
    assert!(rows("sessions") > 0 && rows("audit_events") > 0);
    server.forget_after(31 * 86_400).await;
    for table in ["sessions", "refresh_tokens"] {
        assert_eq!(rows(table), 0, "{table} after thirty days");
    }
    assert!(rows("audit_events") > 0);
    server.forget_after(400 * 86_400).await;
    assert_eq!(rows("audit_events"), 0, "after four hundred days");
    assert!(
        rows("users") == 1 && rows("factors") == 1,
        "people and factors stay"
    );
    alice.sign_in().await;
}

async fn a_purge_takes_nothing_that_is_alive() {
    let server = Server::start().await;
    // On its first day a server deletes nothing.
    server.forget_after(86_400).await;
    let mut alice = with_app(&server).await;
    let waiting = alice.begin_sign_in().await;
    for _ in 0..5 {
        server
            .login("alice@example.com", "wrong")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    let bob = server
        .register("bob@example.com")
        .await
        .is(202)
        .text("registrationToken");
    let code = server.mail.code_to("bob@example.com").await;
    server.app.purge().await.expect("purged");
    server
        .login("alice@example.com", "wrong")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server.prove(&bob, &code).await.is(201);
    alice.me().await.is(200);
    let code = alice.fresh_code();
    server.verify_login(&waiting, &code).await.is(200);
}
