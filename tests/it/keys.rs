//! API keys: who creates them, what they allow, what ends them, and that they are not sessions.

use contract_tests::call::Method;
use contract_tests::contract::Contract;
use contract_tests::{Person, Server, json, tests};
use countersign::flow::operator;

tests! {
    a_key_is_shown_once_and_described_ever_after,
    only_administrators_manage_keys,
    keys_take_a_fresh_sign_in,
    keys_take_the_second_factor_if_one_is_on,
    a_key_opens_its_scopes_and_no_more,
    a_key_is_no_session,
    a_key_ends_when_its_days_are_over,
    a_deleted_key_opens_nothing,
    a_key_may_never_more_than_its_maker,
    a_mistyped_key_is_no_key,
    keys_survive_a_restart,
}

async fn root(server: &Server) -> Person {
    server.administrator("root@example.com").await
}

async fn a_key_is_shown_once_and_described_ever_after() {
    let server = Server::start().await;
    let root = root(&server).await;
    let body = json!({ "name": "Orders service", "scopes": ["users:read", "tokens:validate"] });
    let made = root.post("/identity/api-keys", &body).await.is(201);
    let key = made.text("apiKey");
    assert!(
        key.starts_with("csk_")
            && key.starts_with(&made.text("hint"))
            && made.text("hint").len() < 16
    );
    assert_eq!(made["createdAt"], "2026-11-22T14:00:07.000Z");
    assert_eq!(
        made["expiresAt"], "2027-02-20T14:00:07.000Z",
        "ninety days if not said otherwise"
    );
    assert_eq!(made["createdBy"], root.me().await["id"]);
    let listed = root.get("/identity/api-keys").await.is(200);
    assert_eq!(listed["totalCount"], 1);
    let entry = &listed["apiKeys"][0];
    assert!(entry["apiKey"].is_null() && !listed.text.contains(&key));
    for member in [
        "id",
        "name",
        "scopes",
        "hint",
        "createdBy",
        "createdAt",
        "expiresAt",
    ] {
        assert_eq!(entry[member], made[member], "{member}");
    }
}

async fn only_administrators_manage_keys() {
    let server = Server::start().await;
    let root = root(&server).await;
    let alice = server.registered("alice@example.com").await;
    let body = json!({ "name": "x", "scopes": ["users:read"] });
    let id = root
        .post("/identity/api-keys", &body)
        .await
        .is(201)
        .text("id");
    alice
        .post("/identity/api-keys", &body)
        .await
        .refused(403, "FORBIDDEN");
    alice
        .get("/identity/api-keys")
        .await
        .refused(403, "FORBIDDEN");
    let path = format!("/identity/api-keys/{id}");
    alice
        .call(Method::DELETE, &path)
        .await
        .refused(403, "FORBIDDEN");
    let unknown = "/identity/api-keys/api-key-01a2039c-3aa0-7254-8329-a92850f6d539";
    alice
        .call(Method::DELETE, unknown)
        .await
        .refused(403, "FORBIDDEN");
    root.call(Method::DELETE, unknown)
        .await
        .refused(404, "API_KEY_NOT_FOUND");
    for malformed in [
        "x",
        "api-key-",
        "api-key-1",
        "user-01a2039c-3aa0-7254-8329-a92850f6d539",
    ] {
        let refused = root
            .call(Method::DELETE, &format!("/identity/api-keys/{malformed}"))
            .await;
        assert_eq!(
            refused.refused(400, "VALIDATION")["errors"][0]["field"],
            "id"
        );
    }
    root.call(Method::DELETE, &path).await.is(204);
    root.call(Method::DELETE, &path)
        .await
        .refused(404, "API_KEY_NOT_FOUND");
}

/// Asserts what a session with too weak proof is told by each of the three operations.
async fn is_sent_to_sign_in(person: &Person) {
    let body = json!({ "name": "x", "scopes": ["users:read"] });
    let calls = [
        person.post("/identity/api-keys", &body),
        person.get("/identity/api-keys"),
        person.call(
            Method::DELETE,
            "/identity/api-keys/api-key-01a2039c-3aa0-7254-8329-a92850f6d539",
        ),
    ];
    for call in calls {
        let refused = call.await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
        assert_eq!(refused["maxAge"], 600);
        let header = refused.header("www-authenticate").unwrap_or_default();
        assert!(
            header.contains("error=\"insufficient_user_authentication\""),
            "{header}"
        );
        assert!(header.contains("max_age=\"600\""), "{header}");
    }
}

async fn keys_take_a_fresh_sign_in() {
    let server = Server::start().await;
    let mut root = root(&server).await;
    server.clock.advance(600);
    root.api_key(&["users:read"]).await;
    server.clock.advance(1);
    is_sent_to_sign_in(&root).await;
    let renewed = server.refresh(&root.refresh_token).await.is(200);
    root.keep(&renewed);
    is_sent_to_sign_in(&root).await;
    root.sign_in().await;
    root.api_key(&["users:read"]).await;
}

async fn keys_take_the_second_factor_if_one_is_on() {
    let server = Server::start().await;
    let mut root = root(&server).await;
    root.enable_authenticator().await;
    is_sent_to_sign_in(&root).await;
    root.sign_in().await;
    root.api_key(&["users:read"]).await;
}

async fn a_key_opens_its_scopes_and_no_more() {
    let server = Server::start().await;
    let root = root(&server).await;
    let reads = root.api_key(&["users:read"]).await;
    let judges = root.api_key(&["tokens:validate"]).await;
    let both = root.api_key(&["tokens:validate", "users:read"]).await;
    let body = json!({ "token": root.access_token });
    let judge = |key: &str| server.post("/identity/validate-token", &body).key(key);
    server.get("/identity/users").key(&reads).await.is(200);
    server.get("/identity/users").key(&both).await.is(200);
    assert_eq!(judge(&judges).await.is(200)["valid"], true);
    assert_eq!(judge(&both).await.is(200)["valid"], true);
    let refused = server
        .get("/identity/users")
        .key(&judges)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
    assert_eq!(refused["scope"], "users:read");
    let header = refused.header("www-authenticate").unwrap_or_default();
    assert_eq!(
        header,
        "Bearer error=\"insufficient_scope\", scope=\"users:read\""
    );
    let refused = judge(&reads).await.refused(403, "INSUFFICIENT_SCOPE");
    assert_eq!(refused["scope"], "tokens:validate");
    for scopes in [
        json!([]),
        json!(["everything"]),
        json!("users:read"),
        json!([1]),
    ] {
        let body = json!({ "name": "x", "scopes": scopes });
        let refused = root
            .post("/identity/api-keys", &body)
            .await
            .refused(400, "VALIDATION");
        let field = refused["errors"][0]["field"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(field.starts_with("scopes"), "{field}");
    }
}

async fn a_key_is_no_session() {
    let server = Server::start().await;
    let root = root(&server).await;
    let key = root.api_key(&["tokens:validate", "users:read"]).await;
    for operation in Contract::get()
        .operations
        .iter()
        .filter(|operation| operation.is_secured())
    {
        let method: Method = operation.method.parse().expect("a method");
        let path = operation.sample_path();
        let call = |server: &Server| match operation.body {
            Some(_) => server.call(method.clone(), &path).json(&json!({})),
            None => server.call(method.clone(), &path),
        };
        call(&server)
            .bearer(&key)
            .await
            .refused(401, "TOKEN_INVALID");
        if !operation.security.key {
            call(&server).key(&key).await.refused(401, "TOKEN_INVALID");
        }
    }
}

async fn a_key_ends_when_its_days_are_over() {
    let server = Server::start().await;
    let root = root(&server).await;
    let body = json!({ "name": "x", "scopes": ["users:read"], "expiresInDays": 1 });
    let key = root
        .post("/identity/api-keys", &body)
        .await
        .is(201)
        .text("apiKey");
    server.clock.advance(86_399);
    server.get("/identity/users").key(&key).await.is(200);
    server.clock.advance(1);
    server
        .get("/identity/users")
        .key(&key)
        .await
        .refused(401, "API_KEY_INVALID");
    let mut root = root;
    root.sign_in().await;
    for days in [
        json!(0),
        json!(366),
        json!(-1),
        json!("1"),
        json!(1.5),
        json!(null),
    ] {
        let body = json!({ "name": "x", "scopes": ["users:read"], "expiresInDays": days });
        let refused = root
            .post("/identity/api-keys", &body)
            .await
            .refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "expiresInDays", "{days}");
    }
}

async fn a_deleted_key_opens_nothing() {
    let server = Server::start().await;
    let root = root(&server).await;
    let body = json!({ "name": "x", "scopes": ["users:read"] });
    let made = root.post("/identity/api-keys", &body).await.is(201);
    server
        .get("/identity/users")
        .key(&made.text("apiKey"))
        .await
        .is(200);
    root.call(
        Method::DELETE,
        &format!("/identity/api-keys/{}", made.text("id")),
    )
    .await
    .is(204);
    let refused = server
        .get("/identity/users")
        .key(&made.text("apiKey"))
        .await;
    refused.refused(401, "API_KEY_INVALID");
    assert_eq!(root.get("/identity/api-keys").await["totalCount"], 0);
}

async fn a_key_may_never_more_than_its_maker() {
    let server = Server::start().await;
    let root = root(&server).await;
    let key = root.api_key(&["users:read", "tokens:validate"]).await;
    server.database.run("UPDATE users SET role = 'user'");
    server
        .get("/identity/users")
        .key(&key)
        .await
        .refused(403, "FORBIDDEN");
    let body = json!({ "token": root.access_token });
    server
        .post("/identity/validate-token", &body)
        .key(&key)
        .await
        .refused(403, "FORBIDDEN");
    server
        .app
        .call(async |ctx| operator::promote(ctx, "root@example.com").await)
        .await
        .expect("promoted");
    server.get("/identity/users").key(&key).await.is(200);
    server.database.run("UPDATE users SET disabled_at = 1");
    server
        .get("/identity/users")
        .key(&key)
        .await
        .refused(401, "API_KEY_INVALID");
}

async fn a_mistyped_key_is_no_key() {
    let server = Server::start().await;
    let root = root(&server).await;
    let key = root.api_key(&["users:read"]).await;
    let last = if key.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{last}", &key[..key.len() - 1]);
    let lower = key.to_ascii_lowercase();
    let longer = format!("{key}0");
    for mistyped in [
        "x",
        "csk_",
        &key[..90],
        &changed,
        &longer,
        &lower,
        &root.access_token,
        &root.refresh_token,
    ] {
        let refused = server
            .get("/identity/users")
            .key(mistyped)
            .await
            .refused(401, "API_KEY_INVALID");
        assert_eq!(
            refused.header("www-authenticate").as_deref(),
            Some("Bearer")
        );
    }
    server
        .get("/identity/users")
        .key(&changed)
        .bearer(&root.access_token)
        .await
        .refused(401, "API_KEY_INVALID");
}

async fn keys_survive_a_restart() {
    let server = Server::start().await;
    let key = root(&server).await.api_key(&["users:read"]).await;
    let server = server.restarted().await;
    server.get("/identity/users").key(&key).await.is(200);
}
