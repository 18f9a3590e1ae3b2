//! The operator's commands, as an operator types them: what they print, and what they do to a running server.

use contract_tests::process::Process;
use contract_tests::{Method, PASSWORD, Server, json, tests};
use countersign::flow::operator;
use countersign::model::kinds::Role;
use countersign::model::{Error, Refusal, Secret};
use serde_json::Value;

tests! {
    accounts_are_listed_and_shown,
    a_disabled_account_opens_nothing_until_it_is_enabled,
    a_new_password_ends_what_the_old_one_began,
    a_deleted_account_is_gone,
    the_last_administrator_stays,
    the_doctor_finds_what_is_well_and_what_is_not,
    the_help_of_a_command_is_about_that_command,
    shells_are_told_how_to_complete,
}

async fn accounts_are_listed_and_shown() {
    let server = Process::serve(&[]).await;
    server.user("alice@example.com").await;
    server.user("bob@example.com").await;
    let (done, list) = server.run(&["user", "list"]).await;
    assert!(
        done && list.contains("alice@example.com") && list.contains("2 of 2 accounts"),
        "{list}"
    );
    let (done, list) = server
        .run(&["user", "list", "--json", "--limit", "1", "--offset", "1"])
        .await;
    assert!(done, "{list}");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["total"], 2);
    assert_eq!(list["users"][0]["email"], "bob@example.com");
    assert_eq!(list["users"][0]["disabledAt"], Value::Null);
    let body = json!({ "email": "alice@example.com", "password": PASSWORD });
    server.post("/identity/login", &body).await.is(200);
    let show = ["user", "show", "--email", "Alice@Example.com", "--json"];
    let (done, shown) = server.run(&show).await;
    assert!(done, "{shown}");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["openSessions"], 1);
    assert_eq!(shown["mfaMethods"], json!([]));
    assert_eq!(shown["lockedMethods"], json!([]));
    let (done, _) = server
        .run(&["user", "show", "--email", "nobody@example.com"])
        .await;
    assert!(!done);
}

async fn a_disabled_account_opens_nothing_until_it_is_enabled() {
    let server = Process::serve(&[]).await;
    server.user("alice@example.com").await;
    let body = json!({ "email": "alice@example.com", "password": PASSWORD });
    let signed_in = server.post("/identity/login", &body).await.is(200);
    let access = signed_in.text("accessToken");
    let email = ["--email", "alice@example.com"];
    let (done, said) = server
        .run(&[&["user", "disable"][..], &email].concat())
        .await;
    assert!(done && said.contains("was disabled"), "{said}");
    let me = || server.call(Method::GET, "/identity/me").bearer(&access);
    me().await.refused(401, "TOKEN_INVALID");
    let refresh = json!({ "refreshToken": signed_in.text("refreshToken") });
    let refused = server.post("/identity/token/refresh", &refresh).await;
    refused.refused(401, "TOKEN_INVALID");
    let refused = server.post("/identity/login", &body).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    let (done, _) = server
        .run(&[&["user", "enable"][..], &email].concat())
        .await;
    assert!(done);
    me().await.refused(401, "TOKEN_INVALID");
    server.post("/identity/login", &body).await.is(200);
}

async fn a_new_password_ends_what_the_old_one_began() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let waiting = alice.begin_sign_in().await;
    let new = "quite another long password";
    let set = server.app.call(async |ctx| {
        operator::set_password(ctx, "alice@example.com", Secret::new(new.to_owned())).await
    });
    set.await.expect("set");
    alice.me().await.refused(401, "TOKEN_INVALID");
    let code = alice.fresh_code();
    let refused = server.verify_login(&waiting, &code).await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    let refused = server.login("alice@example.com", PASSWORD).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    let asked = server.login("alice@example.com", new).await.is(200);
    assert_eq!(asked["mfaRequired"], true, "no method was removed");
    server.mail.notice_to("alice@example.com", "password").await;
    let weak = server.app.call(async |ctx| {
        operator::set_password(ctx, "alice@example.com", Secret::new("short".to_owned())).await
    });
    assert!(matches!(
        weak.await,
        Err(Error::Refused(Refusal::Validation { .. }))
    ));
}

async fn a_deleted_account_is_gone() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let delete = server
        .app
        .call(async |ctx| operator::delete(ctx, "alice@example.com").await);
    delete.await.expect("deleted");
    alice.me().await.refused(401, "TOKEN_INVALID");
    let refused = server.login("alice@example.com", PASSWORD).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    server.registered("alice@example.com").await;
}

async fn the_last_administrator_stays() {
    let server = Server::start().await;
    server.made_by_operator("root@example.com").await;
    let last = |done: Result<_, Error>| {
        assert!(matches!(
            done.map(drop),
            Err(Error::Refused(Refusal::LastAdministrator))
        ));
    };
    let app = &server.app;
    last(
        app.call(async |ctx| operator::disable(ctx, "root@example.com").await)
            .await,
    );
    last(
        app.call(async |ctx| operator::delete(ctx, "root@example.com").await)
            .await,
    );
    let second = app.call(async |ctx| {
        let password = Secret::new(PASSWORD.to_owned());
        operator::create_user(ctx, "second@example.com", password, Role::Administrator).await
    });
    second.await.expect("another one");
    let disable = app.call(async |ctx| operator::disable(ctx, "root@example.com").await);
    disable.await.expect("disabled");
    last(
        app.call(async |ctx| operator::delete(ctx, "second@example.com").await)
            .await,
    );
}

async fn the_doctor_finds_what_is_well_and_what_is_not() {
    let server = Process::serve(&[]).await;
    let (done, said) = server.run(&["doctor"]).await;
    assert!(done, "{said}");
    for line in [
        "ok    database",
        "ok    keys",
        "ok    address",
        "ok    clock",
        "note  mail",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let nobody = ["doctor", "--smtp-url", "smtp://127.0.0.1:9"];
    let (done, said) = server.run(&nobody).await;
    assert!(!done && said.contains("FAIL  mail"), "{said}");
    let keys = server.folder().join("data/keys.json");
    std::fs::rename(&keys, server.folder().join("elsewhere")).expect("moved");
    let (done, said) = server.run(&["doctor"]).await;
    assert!(!done && said.contains("FAIL  keys"), "{said}");
    assert!(!keys.exists(), "it creates nothing");
}

async fn the_help_of_a_command_is_about_that_command() {
    let server = Process::serve(&[]).await;
    for command in [
        &["user"][..],
        &["user", "create"],
        &["keys"],
        &["backup"],
        &["doctor"],
        &[],
    ] {
        let (done, help) = server.run(&[command, &["--help"]].concat()).await;
        assert!(done && help.lines().count() < 45, "{help}");
        assert!(!help.contains("argon2"), "{help}");
        assert!(
            command == ["user", "create"] || help.contains("xample") || help.contains("See also"),
            "{help}"
        );
    }
    let (_, help) = server.run(&["serve", "--help"]).await;
    for row in countersign::config::rows() {
        assert!(
            help.contains(&format!("--{} <VALUE>\n", row.flag())),
            "{}",
            row.flag()
        );
    }
}

async fn shells_are_told_how_to_complete() {
    let server = Process::serve(&[]).await;
    for shell in ["bash", "zsh", "fish"] {
        let (done, script) = server.run(&["completions", shell]).await;
        assert!(
            done && script.contains("reset-mfa") && script.contains("doctor"),
            "{script}"
        );
    }
    let (done, _) = server.run(&["completions", "cobol"]).await;
    assert!(!done);
}
