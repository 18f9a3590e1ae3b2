//! The limit on the number of API keys, and their list.

use contract_tests::call::Method;
use contract_tests::{Person, Server, json, tests};

tests! {
    twenty_keys_are_enough,
    an_expired_key_makes_room,
    any_administrator_deletes_any_key,
    keys_are_listed_newest_first_in_pages,
}

async fn root(server: &Server) -> Person {
    server.administrator("root@example.com").await
}

async fn twenty_keys_are_enough() {
    let server = Server::start().await;
    let root = root(&server).await;
    for _ in 0..20 {
        root.api_key(&["users:read"]).await;
    }
    let body = json!({ "name": "x", "scopes": ["users:read"] });
    root.post("/identity/api-keys", &body)
        .await
        .refused(409, "API_KEY_LIMIT");
    let listed = root.get("/identity/api-keys").await.is(200);
    let id = listed["apiKeys"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    root.call(Method::DELETE, &format!("/identity/api-keys/{id}"))
        .await
        .is(204);
    root.api_key(&["users:read"]).await;
}

async fn an_expired_key_makes_room() {
    let server = Server::with(|settings| settings.policy.api_keys_per_user = 1).await;
    let mut root = root(&server).await;
    let body = json!({ "name": "x", "scopes": ["users:read"], "expiresInDays": 1 });
    root.post("/identity/api-keys", &body).await.is(201);
    root.post("/identity/api-keys", &body)
        .await
        .refused(409, "API_KEY_LIMIT");
    server.clock.advance(86_400);
    root.sign_in().await;
    root.post("/identity/api-keys", &body).await.is(201);
}

async fn any_administrator_deletes_any_key() {
    let server = Server::start().await;
    let root = root(&server).await;
    let other = server.administrator("other@example.com").await;
    let key = root.api_key(&["users:read"]).await;
    let listed = other.get("/identity/api-keys").await.is(200);
    assert_eq!(listed["apiKeys"][0]["createdBy"], root.me().await["id"]);
    let id = listed["apiKeys"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    other
        .call(Method::DELETE, &format!("/identity/api-keys/{id}"))
        .await
        .is(204);
    server
        .get("/identity/users")
        .key(&key)
        .await
        .refused(401, "API_KEY_INVALID");
}

async fn keys_are_listed_newest_first_in_pages() {
    let server = Server::start().await;
    let root = root(&server).await;
    for name in ["one", "two", "three"] {
        server.clock.advance(1);
        let body = json!({ "name": name, "scopes": ["users:read"] });
        root.post("/identity/api-keys", &body).await.is(201);
    }
    let names = async |query: &str| {
        let page = root
            .get(&format!("/identity/api-keys{query}"))
            .await
            .is(200);
        assert_eq!(page["totalCount"], 3, "{query}");
        let keys = page["apiKeys"].as_array().expect("a list").clone();
        keys.iter()
            .map(|key| key["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["three", "two", "one"]);
    assert_eq!(names("?limit=2").await, ["three", "two"]);
    assert_eq!(names("?limit=2&offset=2").await, ["one"]);
    assert_eq!(names("?offset=3").await, Vec::<String>::new());
}
