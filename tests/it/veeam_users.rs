//! The Veeam API's accounts: read and changed by their owner or an administrator, with fresh proof
//! where it matters.

use contract_tests::call::Method;
use contract_tests::{PASSWORD, Person, Server, json, tests};

use crate::veeam::{OTHER_PASSWORD, enable, enabled, number, refresh, registered, root, sign_in};

tests! {
    administrators_list_everybody_and_others_themselves,
    a_list_comes_in_pages,
    a_user_added_by_name_signs_in_and_gets_no_mail,
    a_long_name_fits_into_a_qr_code,
    an_address_is_no_name_and_a_taken_name_is_told,
    only_administrators_add_users,
    a_password_that_may_not_be_set_is_refused,
    an_account_is_seen_by_its_owner_and_administrators,
    a_description_is_set_without_ceremony,
    a_new_password_needs_fresh_proof_and_ends_other_sessions,
    an_administrator_sets_a_password,
    a_deleted_user_leaves_nothing_but_the_audit_trail,
    the_last_administrator_stays,
    acts_on_others_need_fresh_proof,
    a_bad_number_is_told,
}

fn path(number: i64) -> String {
    format!("/api/v1/users/{number}")
}

fn put(person: &Person, number: i64, body: &contract_tests::Value) -> contract_tests::Call {
    person.call(Method::PUT, &path(number)).json(body)
}

fn add(person: &Person, name: &str) -> contract_tests::Call {
    let body = json!({ "name": name, "description": "Auxiliary account", "password": OTHER_PASSWORD, "role": "any" });
    person.post("/api/v1/users", &body)
}

async fn administrators_list_everybody_and_others_themselves() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    let all = root.get("/api/v1/users").await.is(200);
    assert_eq!(all["offset"], 0);
    assert_eq!(all["limit"], 30);
    assert_eq!(all["totalCount"], 2);
    assert_eq!(all["results"][0]["name"], "root@example.com");
    assert_eq!(all["results"][0]["role"], "PortalAdmin");
    assert_eq!(all["results"][0]["isDefault"], true);
    assert_eq!(all["results"][1]["name"], "alice@example.com");
    assert_eq!(all["results"][1]["mfaEnabled"], true);
    let href = all["results"][1]["_links"]["self"]["href"].as_str();
    let own = number(&alice).await;
    assert!(href.is_some_and(|href| href.ends_with(&path(own)) && href.starts_with("http")));
    let alone = alice.get("/api/v1/users").await.is(200);
    assert_eq!(alone["totalCount"], 1);
    assert_eq!(alone["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(alone["results"][0]["id"], own);
    let none = alice.get("/api/v1/users?Offset=1").await.is(200);
    assert_eq!(none["results"], json!([]));
}

async fn a_list_comes_in_pages() {
    let server = Server::start().await;
    let root = root(&server).await;
    for name in ["one", "two", "three"] {
        add(&root, name).await.is(200);
    }
    let page = root.get("/api/v1/users?Offset=1&Limit=2").await.is(200);
    assert_eq!(page["results"][0]["name"], "one");
    assert_eq!(page["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["totalCount"], 4);
    let page = root.get("/api/v1/users?Limit=-1").await.is(200);
    assert_eq!(page["limit"], 100);
    for bad in ["Limit=101", "Limit=x", "Offset=-1", "Limit=1&Limit=2"] {
        let refused = root.get(&format!("/api/v1/users?{bad}")).await;
        refused.refused(400, "VALIDATION");
    }
}

async fn a_user_added_by_name_signs_in_and_gets_no_mail() {
    let server = Server::start().await;
    let root = root(&server).await;
    server.mail_is_out().await;
    let added = add(&root, "Authentication").await.is(200);
    assert_eq!(added["name"], "Authentication");
    assert_eq!(added["description"], "Auxiliary account");
    assert_eq!(added["mfaEnabled"], false);
    assert_eq!(added["role"], "PortalOperator");
    let answer = sign_in(&server, " authentication ", OTHER_PASSWORD)
        .await
        .is(200);
    assert_eq!(answer["username"], "Authentication");
    let native = server.login("Authentication", OTHER_PASSWORD).await.is(200);
    let mut aux = Person::signed_in(&server, "Authentication", &native);
    aux.password = OTHER_PASSWORD.to_owned();
    enabled(&mut aux).await;
    server.mail_is_out().await;
    let queued = "SELECT count(*) AS found FROM notices WHERE user_id = (SELECT id FROM users WHERE email = 'Authentication')";
    assert_eq!(server.database.number(queued), 0);
    let refused = aux.begin_setup("email").await;
    assert!(refused.status >= 400, "no mailbox that could be proved");
}

async fn a_long_name_fits_into_a_qr_code() {
    let server = Server::start().await;
    let root = root(&server).await;
    let body = json!({ "name": "\u{1f511}".repeat(254), "description": "", "password": PASSWORD });
    let added = root.post("/api/v1/users", &body).await.is(200);
    let begun = enable(&root, added.number("id"), &json!(false)).await;
    assert!(
        begun
            .is(200)
            .text("qrString")
            .starts_with("otpauth://totp/")
    );
}

async fn an_address_is_no_name_and_a_taken_name_is_told() {
    let server = Server::start().await;
    let root = root(&server).await;
    for name in ["bob@example.com", "a@b", "@", "  ", "a\u{7}b"] {
        let refused = add(&root, name).await.refused(400, "VALIDATION");
        assert!(refused["errors"]["name"][0].is_string(), "{}", refused.text);
    }
    add(&root, "Zoë").await.is(200);
    for same in ["Zoë", "zoë", "ZOE\u{308}"] {
        add(&root, same).await.refused(400, "NAME_TAKEN");
    }
}

async fn only_administrators_add_users() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    add(&alice, "Authentication")
        .await
        .refused(403, "FORBIDDEN");
    let mut root = server.administrator("root@example.com").await;
    server.clock.advance(301);
    let registered_before = add(&root, "Authentication").await;
    registered_before.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    root.sign_in().await;
    add(&root, "Authentication").await.is(200);
}

async fn a_password_that_may_not_be_set_is_refused() {
    let server = Server::start().await;
    let root = root(&server).await;
    for password in ["short", "passwordpassword", "twelve chars"] {
        let body = json!({ "name": "bob", "password": password });
        let refused = root.post("/api/v1/users", &body).await;
        let refused = refused.refused(400, "VALIDATION");
        assert!(refused["errors"]["password"][0].is_string());
        let own = number(&root).await;
        let refused = put(&root, own, &json!({ "password": password })).await;
        refused.refused(400, "VALIDATION");
    }
}

async fn an_account_is_seen_by_its_owner_and_administrators() {
    let server = Server::start().await;
    let root = root(&server).await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    let seen = alice.get(&path(own)).await.is(200);
    assert_eq!(seen["name"], "alice@example.com");
    assert_eq!(root.get(&path(own)).await.is(200).body, seen.body);
    let other = number(&root).await;
    for number in [other, 999] {
        alice.get(&path(number)).await.refused(403, "FORBIDDEN");
        put(&alice, number, &json!({}))
            .await
            .refused(403, "FORBIDDEN");
        let delete = alice.call(Method::DELETE, &path(number)).await;
        delete.refused(403, "FORBIDDEN");
    }
    root.get(&path(999)).await.refused(404, "USER_NOT_FOUND");
    put(&root, 999, &json!({}))
        .await
        .refused(404, "USER_NOT_FOUND");
    let delete = root.call(Method::DELETE, &path(999)).await;
    delete.refused(404, "USER_NOT_FOUND");
}

async fn a_description_is_set_without_ceremony() {
    let server = Server::start().await;
    // Only registered, so without fresh proof.
    let alice = server.registered("alice@example.com").await;
    let own = number(&alice).await;
    let body = json!({ "description": "Backup administrator", "name": "ignored" });
    let changed = put(&alice, own, &body).await.is(200);
    assert_eq!(changed["description"], "Backup administrator");
    assert_eq!(changed["name"], "alice@example.com");
    let kept = put(&alice, own, &json!({ "description": null }))
        .await
        .is(200);
    assert_eq!(kept["description"], "Backup administrator");
    alice.login().await.is(200);
}

async fn a_new_password_needs_fresh_proof_and_ends_other_sessions() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let own = number(&alice).await;
    let body = json!({ "password": OTHER_PASSWORD });
    // The password was typed to register, a while ago.
    server.clock.advance(301);
    let refused = put(&alice, own, &body).await;
    let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(refused["maxAge"], 300);
    let header = refused.header("www-authenticate").expect("a challenge");
    assert!(header.contains("error=\"insufficient_user_authentication\""));
    let other = alice.login().await.is(200);
    alice.sign_in().await;
    server.clock.advance(301);
    let late = put(&alice, own, &body).await;
    late.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let refreshed = refresh(&server, &alice.refresh_token).await.is(200);
    alice.access_token = refreshed.text("access_token");
    let late = put(&alice, own, &body).await;
    late.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.sign_in().await;
    put(&alice, own, &body).await.is(200);
    alice.me().await.is(200);
    let old = server.refresh(&other.text("refreshToken")).await;
    old.refused(401, "TOKEN_INVALID");
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
    alice.password = OTHER_PASSWORD.to_owned();
    alice.login().await.is(200);
    server.mail.notice_to("alice@example.com", "password").await;
}

async fn an_administrator_sets_a_password() {
    let server = Server::start().await;
    let root = root(&server).await;
    let alice = server.registered("alice@example.com").await;
    let own = number(&alice).await;
    put(&root, own, &json!({ "password": OTHER_PASSWORD }))
        .await
        .is(200);
    alice.me().await.refused(401, "TOKEN_INVALID");
    server
        .login("alice@example.com", OTHER_PASSWORD)
        .await
        .is(200);
    let trail = "SELECT event AS found FROM audit_events WHERE actor_id IS NOT NULL";
    let trail = server.database.texts(trail);
    assert!(trail.contains(&"password_set".to_owned()), "{trail:?}");
}

async fn a_deleted_user_leaves_nothing_but_the_audit_trail() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    alice.sign_in().await;
    alice.enable_email().await;
    let pending = alice.begin_sign_in().await;
    let own = number(&alice).await;
    let deleted = root.call(Method::DELETE, &path(own));
    let deleted = deleted.header("Content-Type", "application/json").await;
    deleted.is(200);
    alice.me().await.refused(401, "TOKEN_INVALID");
    let code = alice.fresh_code();
    let gone = server.verify_login(&pending, &code).await;
    gone.refused(400, "MFA_TOKEN_INVALID");
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
    if server.database.file().is_some() {
        let root_only = "SELECT count(*) AS found FROM users";
        assert_eq!(server.database.number(root_only), 1);
        let tables = "SELECT m.name AS found FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'user_id' AND m.name <> 'audit_events'";
        for table in server.database.texts(tables) {
            let others = format!(
                "SELECT count(*) AS found FROM {table} WHERE user_id NOT IN (SELECT id FROM users)"
            );
            let others = server.database.number(&others);
            assert_eq!(others, 0, "{table} has rows of nobody");
        }
    }
    let trail = server
        .database
        .texts("SELECT event AS found FROM audit_events");
    assert!(trail.contains(&"user_deleted".to_owned()), "{trail:?}");
    let again = server.registered("alice@example.com").await;
    assert_ne!(number(&again).await, own, "a number is not given twice");
}

async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let root = root(&server).await;
    let own = number(&root).await;
    let refused = root.call(Method::DELETE, &path(own)).await;
    refused.refused(409, "LAST_ADMINISTRATOR");
    server.administrator("carol@example.com").await;
    root.call(Method::DELETE, &path(own)).await.is(200);
    root.me().await.refused(401, "TOKEN_INVALID");
}

async fn acts_on_others_need_fresh_proof() {
    let server = Server::start().await;
    let mut root = root(&server).await;
    let alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    server.clock.advance(301);
    let body = json!({ "description": "x" });
    let refused = put(&root, own, &body).await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let refused = root.call(Method::DELETE, &path(own)).await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let refused = alice.call(Method::DELETE, &path(own)).await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    root.sign_in().await;
    put(&root, own, &body).await.is(200);
    // Once a factor is on, a password alone is not fresh proof.
    let before = server.login("root@example.com", PASSWORD).await.is(200);
    enabled(&mut root).await;
    let stale = Person {
        access_token: before.text("accessToken"),
        ..root.clone()
    };
    put(&stale, own, &body).await.refused(401, "TOKEN_INVALID");
    let refused = put(&root, own, &body).await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    root.sign_in().await;
    put(&root, own, &body).await.is(200);
}

async fn a_bad_number_is_told() {
    let server = Server::start().await;
    let root = root(&server).await;
    for bad in [
        "0",
        "-1",
        "+1",
        "01",
        "abc",
        "1e3",
        "99999999999999999999",
        "user-1",
    ] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::PUT, ""),
            (Method::DELETE, ""),
            (Method::POST, "/enableMfa"),
            (Method::POST, "/acceptMfa"),
            (Method::POST, "/disableMfa"),
        ] {
            let refused = root
                .call(method, &format!("/api/v1/users/{bad}{rest}"))
                .await;
            let refused = refused.refused(400, "VALIDATION");
            assert!(refused["errors"]["id"][0].is_string(), "{}", refused.text);
        }
    }
}
