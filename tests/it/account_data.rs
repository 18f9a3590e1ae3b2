//! One's own data: names, everything that is kept, and the end of the account.

use contract_tests::call::{at_once, outcomes};
use contract_tests::{Call, Device, Method, PASSWORD, Person, Server, Value, json, tests};

tests! {
    names_change_one_by_one_and_go,
    a_name_that_harms_is_refused,
    an_account_goes_with_everything_but_the_audit_trail,
    an_account_goes_only_with_its_password_and_fresh_proof,
    the_last_administrator_stays,
    of_several_at_once_one_deletes_the_account,
    everything_that_is_kept_is_told_without_secrets,
    nothing_of_others_is_told,
    everything_is_told_to_fresh_proof_only,
}

const EMAIL: &str = "alice@example.com";

/// Changes names.
fn rename(alice: &Person, body: &Value) -> Call {
    alice.call(Method::PATCH, "/identity/me").json(body)
}

async fn names_change_one_by_one_and_go() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let changed = rename(
        &alice,
        &json!({ "firstName": "Alice", "lastName": "Archer" }),
    )
    .await;
    let changed = changed.is(200);
    assert_eq!(
        (&changed["firstName"], &changed["lastName"]),
        (&json!("Alice"), &json!("Archer"))
    );
    rename(&alice, &json!({ "lastName": "Baker" }))
        .await
        .is(200);
    rename(&alice, &json!({})).await.is(200);
    let me = alice.me().await.is(200);
    assert_eq!(
        (&me["firstName"], &me["lastName"]),
        (&json!("Alice"), &json!("Baker"))
    );
    let gone = rename(&alice, &json!({ "firstName": "" })).await.is(200);
    assert!(gone["firstName"].is_null() && gone["lastName"] == "Baker");
    let bob = server.registered("bob@example.com").await;
    assert!(bob.me().await.is(200)["lastName"].is_null());
}

async fn a_name_that_harms_is_refused() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    for bad in [
        json!("a\u{202e}b"),
        json!("   "),
        json!("x".repeat(101)),
        json!(null),
        json!(7),
    ] {
        let refused = rename(&alice, &json!({ "firstName": bad })).await;
        let refused = refused.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "firstName", "{bad}");
    }
    let other = rename(&alice, &json!({ "email": "b@example.com" })).await;
    other.refused(400, "VALIDATION");
    let nobody = server.call(Method::PATCH, "/identity/me").json(&json!({}));
    nobody.await.refused(401, "TOKEN_INVALID");
}

async fn an_account_goes_with_everything_but_the_audit_trail() {
    let server = Server::start().await;
    let mut alice = server.registered("alice.archer@example.com").await;
    let undo = alice.change_email(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice.add_passkey(&Device::new()).await;
    alice.recovery_codes().await;
    alice
        .begin_email_change("alice@elsewhere.example")
        .await
        .is(202);
    let link = server.forgotten(EMAIL).await;
    let login = alice.login().await.is(200).text("mfaToken");
    alice.delete_account().await.is(204);
    alice.me().await.refused(401, "TOKEN_INVALID");
    let refused = server.refresh(&alice.refresh_token).await;
    refused.refused(401, "TOKEN_INVALID");
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
    let refused = server.verify_login(&login, &alice.fresh_code()).await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    let refused = server.reset_by_link(&link, "six silver spoons shine").await;
    refused.refused(400, "RESET_TOKEN_INVALID");
    // Whoever deletes an account needs the same proof as whoever changes its address, so the undo goes with it.
    let refused = server.undo_email_change(&undo).await;
    refused.refused(400, "UNDO_TOKEN_INVALID");
    for table in [
        "addresses",
        "challenges",
        "code_sets",
        "credentials",
        "email_changes",
        "email_undos",
        "factor_attempts",
        "factors",
        "held_addresses",
        "notices",
        "password_resets",
        "recovery_codes",
        "refresh_tokens",
        "registrations",
        "sessions",
        "user_limits",
        "user_numbers",
        "users",
    ] {
        let left = format!("SELECT count(*) AS found FROM {table}");
        assert_eq!(server.database.number(&left), 0, "{table}");
    }
    let kept = server
        .database
        .texts("SELECT event AS found FROM audit_events");
    assert!(kept.iter().any(|event| event == "user_deleted"), "{kept:?}");
    // The addresses are free, also the one that was kept.
    server.registered(EMAIL).await;
    server.registered("alice.archer@example.com").await;
}

async fn an_account_goes_only_with_its_password_and_fresh_proof() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    let mut mistaken = alice.clone();
    "a guess of the old one".clone_into(&mut mistaken.password);
    let refused = mistaken.delete_account().await;
    refused.refused(400, "INVALID_PASSWORD");
    alice.enable_authenticator().await;
    alice.sign_in().await;
    server.clock.advance(301);
    // A thief with the access token and the password.
    let refused = alice.delete_account().await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.step_up().await;
    mistaken.access_token.clone_from(&alice.access_token);
    for _ in 0..5 {
        let refused = mistaken.delete_account().await;
        refused.refused(400, "INVALID_PASSWORD");
    }
    let refused = alice.delete_account().await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    alice.me().await.is(200);
    server.clock.advance(2);
    alice.delete_account().await.is(204);
    let body = json!({ "password": PASSWORD });
    let nobody = server.call(Method::DELETE, "/identity/me").json(&body);
    nobody.await.refused(401, "TOKEN_INVALID");
}

async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    root.delete_account()
        .await
        .refused(409, "LAST_ADMINISTRATOR");
    root.me().await.is(200);
    let other = server.administrator("other@example.com").await;
    root.delete_account().await.is(204);
    other
        .delete_account()
        .await
        .refused(409, "LAST_ADMINISTRATOR");
}

async fn of_several_at_once_one_deletes_the_account() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let answers = outcomes(&at_once([0; 3].map(|_| alice.delete_account())).await);
    assert_eq!(answers["204"], 1, "{answers:?}");
}

async fn everything_that_is_kept_is_told_without_secrets() {
    let server = Server::start().await;
    let mut alice = server.administrator(EMAIL).await;
    let begun = alice.begin_setup("authenticator").await.is(200);
    let secret = begun.text("secret");
    alice.authenticator = Some(contract_tests::Authenticator::new(&secret));
    let code = alice.fresh_code();
    server
        .verify_setup(&begun.text("mfaToken"), &code)
        .await
        .is(200);
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    let key = alice.api_key(&["users:read"]).await;
    alice
        .begin_email_change("alice@elsewhere.example")
        .await
        .is(202);
    let code = server.mail.code_to("alice@elsewhere.example").await;
    let link = server.forgotten(EMAIL).await;
    server.login(EMAIL, "wrong, wrong, wrong").await;
    let told = alice.get("/identity/me/export").await.is(200);
    assert_eq!(told["user"]["email"], EMAIL);
    assert_eq!(told["methods"][0]["method"], "authenticator");
    assert_eq!(told["recoveryCodes"]["remaining"], 10);
    assert_eq!(told["apiKeys"].as_array().map(Vec::len), Some(1));
    assert_eq!(told["sessions"].as_array().map(Vec::len), Some(2));
    let asked = &told["emailChanges"][0];
    assert_eq!(
        (&asked["state"], &asked["newEmail"]),
        (&json!("asked"), &json!("alice@elsewhere.example"))
    );
    let words = |list: &str, word: &str| {
        let all = told[list].as_array().expect("a list").iter();
        all.filter_map(|one| one[word].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert!(words("steps", "purpose").contains(&"password_reset".to_owned()));
    assert!(words("letters", "kind").contains(&"reset_code".to_owned()));
    assert!(words("counters", "name").contains(&"notices_hour".to_owned()));
    assert!(words("activity", "event").contains(&"password_wrong".to_owned()));
    for hidden in [
        &secret,
        &key,
        &link,
        &codes[0],
        &code,
        &alice.refresh_token,
        "argon2",
        PASSWORD,
    ] {
        assert!(!told.text.contains(hidden), "{hidden} is told");
    }
}

async fn nothing_of_others_is_told() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let bob = server.registered("bob@example.com").await;
    let id = bob.me().await.is(200).text("id");
    let told = alice.get("/identity/me/export").await.is(200);
    assert!(!told.text.contains("bob@") && !told.text.contains(&id));
    let nobody = server.get("/identity/me/export").await;
    nobody.refused(401, "TOKEN_INVALID");
}

async fn everything_is_told_to_fresh_proof_only() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    let export = |alice: &Person| alice.get("/identity/me/export");
    server.clock.advance(301);
    let refused = export(&alice).await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    // While no method is on, the password is the proof.
    let body = json!({ "password": PASSWORD });
    alice.begin_step_up(&body).await.is(200);
    export(&alice).await.is(200);
    alice.enable_authenticator().await;
    alice.sign_in().await;
    export(&alice).await.is(200);
    server.clock.advance(301);
    let refused = export(&alice).await;
    let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(refused.number("maxAge"), 300);
    alice.step_up().await;
    export(&alice).await.is(200);
}
