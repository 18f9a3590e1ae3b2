//! Validating tokens: by key for services, and by the bearer itself for anybody. Also the list of
//! users.

use contract_tests::{Server, json, tests};

tests! {
    a_bearer_is_judged_by_itself,
    a_service_judges_its_users_tokens,
    a_token_in_the_body_needs_a_key,
    a_key_needs_a_token,
    the_key_counts_where_both_are_sent,
    users_are_listed_in_the_order_of_their_numbers,
    users_are_listed_to_administrators_and_keys_alone,
    a_page_has_its_bounds,
    what_is_listed_is_no_secret,
}

const PATH: &str = "/identity/validate-token";

async fn a_bearer_is_judged_by_itself() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let me = alice.me().await.is(200);
    for answer in [
        alice.post(PATH, &json!({})).await.is(200),
        alice.call(contract_tests::Method::POST, PATH).await.is(200),
    ] {
        assert_eq!(answer["valid"], true);
        assert_eq!(answer["user"]["id"], me["id"]);
        assert_eq!(answer["session"], me["session"]);
        assert!(answer["reason"].is_null());
    }
    server.clock.advance(910);
    alice
        .post(PATH, &json!({}))
        .await
        .refused(401, "TOKEN_EXPIRED");
    let renewed = server
        .refresh(&alice.refresh_token)
        .await
        .is(200)
        .text("accessToken");
    server.post(PATH, &json!({})).bearer(&renewed).await.is(200);
    alice
        .server
        .call(contract_tests::Method::POST, "/identity/logout")
        .bearer(&renewed)
        .await
        .is(204);
    server
        .post(PATH, &json!({}))
        .bearer(&renewed)
        .await
        .refused(401, "TOKEN_INVALID");
}

async fn a_service_judges_its_users_tokens() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let key = root.api_key(&["tokens:validate"]).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let judge = async |token: &str| {
        let answer = server
            .post(PATH, &json!({ "token": token }))
            .key(&key)
            .await
            .is(200);
        (answer["valid"].clone(), answer["reason"].clone(), answer)
    };
    let (valid, reason, answer) = judge(&alice.access_token).await;
    assert_eq!((valid, reason), (json!(true), json!(null)));
    assert_eq!(answer["user"]["email"], "alice@example.com");
    assert_eq!(answer["session"]["acr"], "aal2");

    let mfa = alice.begin_sign_in().await;
    let other_end = format!(
        "{}AAAA",
        &alice.access_token[..alice.access_token.len() - 4]
    );
    for bad in ["x", &mfa, &alice.refresh_token, &key, &other_end] {
        let (valid, reason, answer) = judge(bad).await;
        assert_eq!((valid, reason), (json!(false), json!("invalid")), "{bad}");
        assert!(answer["user"].is_null() && answer["session"].is_null());
    }
    let token = alice.access_token.clone();
    server.clock.advance(910);
    let (valid, reason, _) = judge(&token).await;
    assert_eq!((valid, reason), (json!(false), json!("expired")));

    alice.sign_in().await;
    alice.sign_out().await.is(204);
    let (valid, reason, _) = judge(&alice.access_token).await;
    assert_eq!(
        (valid, reason),
        (json!(false), json!("invalid")),
        "signed out, whatever its signature says"
    );
    alice.sign_in().await;
    server
        .database
        .run("UPDATE users SET disabled_at = 1 WHERE email = 'alice@example.com'");
    let (valid, reason, _) = judge(&alice.access_token).await;
    assert_eq!(
        (valid, reason),
        (json!(false), json!("invalid")),
        "disabled"
    );
}

async fn a_token_in_the_body_needs_a_key() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let body = json!({ "token": root.access_token });
    let refused = root
        .post(PATH, &body)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
    assert_eq!(refused["scope"], "tokens:validate");
    server.post(PATH, &body).await.refused(401, "TOKEN_INVALID");
    server
        .post(PATH, &json!({}))
        .await
        .refused(401, "TOKEN_INVALID");
}

async fn a_key_needs_a_token() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let key = root.api_key(&["tokens:validate"]).await;
    let refused = server
        .post(PATH, &json!({}))
        .key(&key)
        .await
        .refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "token");
    let refused = server
        .call(contract_tests::Method::POST, PATH)
        .key(&key)
        .await;
    assert_eq!(
        refused.refused(400, "VALIDATION")["errors"][0]["field"],
        "token"
    );
    for token in [json!(""), json!(null), json!(1), json!("x".repeat(4097))] {
        let refused = server
            .post(PATH, &json!({ "token": token }))
            .key(&key)
            .await;
        assert_eq!(
            refused.refused(400, "VALIDATION")["errors"][0]["field"],
            "token"
        );
    }
}

async fn the_key_counts_where_both_are_sent() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let alice = server.registered("alice@example.com").await;
    let key = root.api_key(&["tokens:validate"]).await;
    let body = json!({ "token": alice.access_token });
    let judged = root.post(PATH, &body).key(&key).await.is(200);
    assert_eq!(judged["user"]["email"], "alice@example.com");
    let judged = alice.post(PATH, &json!({})).key(&key).await.is(200);
    assert_eq!(
        judged["user"]["email"], "alice@example.com",
        "without a token, the bearer"
    );
    root.post(PATH, &body)
        .key("csk_nonsense")
        .await
        .refused(401, "API_KEY_INVALID");
    root.get("/identity/users")
        .key(&key)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
}

async fn users_are_listed_in_the_order_of_their_numbers() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    server.registered("bob@example.com").await;
    let emails = async |query: &str| {
        let page = root.get(&format!("/identity/users{query}")).await.is(200);
        assert_eq!(page["totalCount"], 3, "{query}");
        let users = page["users"].as_array().expect("a list").clone();
        users
            .iter()
            .map(|user| user["email"].as_str().expect("an address").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        emails("").await,
        ["root@example.com", "alice@example.com", "bob@example.com"]
    );
    assert_eq!(emails("?limit=1&offset=1").await, ["alice@example.com"]);
    assert_eq!(
        emails("?limit=100&offset=1000000").await,
        Vec::<String>::new()
    );
    let page = root.get("/identity/users").await;
    assert_eq!(page["users"][1]["mfaMethods"], json!(["authenticator"]));
    assert_eq!(page["users"][0]["role"], "administrator");
    assert_eq!(page["users"][2]["mfaEnabled"], false);
}

async fn users_are_listed_to_administrators_and_keys_alone() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let alice = server.registered("alice@example.com").await;
    alice.get("/identity/users").await.refused(403, "FORBIDDEN");
    server
        .get("/identity/users")
        .await
        .refused(401, "TOKEN_INVALID");
    let key = root.api_key(&["users:read"]).await;
    assert_eq!(
        server.get("/identity/users").key(&key).await.is(200)["totalCount"],
        2
    );
    server.clock.advance(910);
    root.get("/identity/users")
        .await
        .refused(401, "TOKEN_EXPIRED");
}

async fn a_page_has_its_bounds() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    for path in ["/identity/users", "/identity/api-keys"] {
        let refusals = [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=-1", "limit"),
            ("limit=abc", "limit"),
            ("limit=", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("offset=-1", "offset"),
            ("offset=1000001", "offset"),
            ("offset=1.5", "offset"),
            ("page=2", "page"),
            ("limit=1&limit=2", "limit"),
        ];
        for (query, field) in refusals {
            let refused = root
                .get(&format!("{path}?{query}"))
                .await
                .refused(400, "VALIDATION");
            assert_eq!(refused["errors"][0]["field"], field, "{query}");
        }
        root.get(&format!("{path}?limit=100&offset=1000000"))
            .await
            .is(200);
    }
}

async fn what_is_listed_is_no_secret() {
    let server = Server::start().await;
    let mut root = server.administrator("root@example.com").await;
    root.enable_authenticator().await;
    root.sign_in().await;
    let listed = root.get("/identity/users").await.is(200);
    for word in ["password", "hash", "argon2", "secret", "token"] {
        assert!(
            !listed.text.to_lowercase().contains(word),
            "{word} in {}",
            listed.text
        );
    }
}
