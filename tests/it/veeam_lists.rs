//! Lists of which only a part is requested: the server returns that part or refuses, so that nobody
//! acts on the wrong user.

use contract_tests::{Person, Server, json, tests};

use crate::veeam::{OTHER_PASSWORD, enable, enabled, number, registered, root};

tests! {
    a_filter_finds_who_signs_in_by_the_name,
    a_filter_of_ones_own_list_finds_oneself_or_nobody,
    no_list_passes_over_a_parameter,
    the_default_user_is_the_first_administrator,
    sentences_name_the_way_out_that_there_is,
}

/// Returns the names in a list, and its count.
async fn names(person: &Person, query: &str) -> (Vec<String>, i64) {
    let list = person.get(&format!("/api/v1/users?{query}")).await.is(200);
    let users = list["results"].as_array().expect("a list");
    let names = users
        .iter()
        .map(|one| one["name"].as_str().expect("a name"));
    (
        names.map(str::to_owned).collect(),
        list.number("totalCount"),
    )
}

async fn a_filter_finds_who_signs_in_by_the_name() {
    let server = Server::start().await;
    let root = root(&server).await;
    registered(&server, "alice@example.com").await;
    for name in ["Authentication", "Authentication 2"] {
        let body = json!({ "name": name, "password": OTHER_PASSWORD });
        root.post("/api/v1/users", &body).await.is(200);
    }
    for (query, found) in [
        ("NameFilter=alice%40example.com", "alice@example.com"),
        ("NameFilter=%20Alice%40EXAMPLE.com", "alice@example.com"),
        ("NameFilter=authentication", "Authentication"),
        ("NameFilter=Authentication+2&Limit=1", "Authentication 2"),
        ("NameFilter=root%40example.com&Offset=0", "root@example.com"),
    ] {
        let expected = (vec![found.to_owned()], 1);
        assert_eq!(names(&root, query).await, expected, "{query}");
    }
    for query in ["NameFilter=alice", "NameFilter=%25", "NameFilter=nobody"] {
        assert_eq!(names(&root, query).await, (vec![], 0), "{query}");
    }
    for beyond in ["Offset=1", "Limit=0"] {
        let query = format!("NameFilter=authentication&{beyond}");
        assert_eq!(names(&root, &query).await, (vec![], 1), "{query}");
    }
}

async fn a_filter_of_ones_own_list_finds_oneself_or_nobody() {
    let server = Server::start().await;
    root(&server).await;
    let alice = registered(&server, "alice@example.com").await;
    let own = (vec!["alice@example.com".to_owned()], 1);
    assert_eq!(names(&alice, "NameFilter=ALICE@example.com").await, own);
    assert_eq!(names(&alice, "").await, own);
    let others = names(&alice, "NameFilter=root@example.com").await;
    assert_eq!(others, (vec![], 0));
}

async fn no_list_passes_over_a_parameter() {
    let server = Server::start().await;
    let root = root(&server).await;
    let long = format!("NameFilter={}", "x".repeat(321));
    for list in ["/api/v1/users", "/api/v3/users", "/api/v8.1/users"] {
        for (query, field) in [
            ("Name=alice", "Name"),
            ("nameFilter=alice", "nameFilter"),
            ("NameFilter=", "nameFilter"),
            (long.as_str(), "nameFilter"),
            ("Sort=name", "Sort"),
            ("NameFilter=a&NameFilter=b", "NameFilter"),
        ] {
            let refused = root.get(&format!("{list}?{query}")).await;
            let refused = refused.refused(400, "VALIDATION");
            let errors = refused["errors"].as_object().expect("fields");
            assert!(errors.contains_key(field), "{query}: {}", refused.text);
        }
    }
    for list in [
        "/identity/users?name=alice",
        "/identity/api-keys?accountId=1",
        "/identity/mfa/methods?method=email",
        "/identity/mfa/methods?limit=1",
    ] {
        let refused = root.get(list).await.refused(400, "VALIDATION");
        assert!(
            refused["errors"][0]["field"].is_string(),
            "{}",
            refused.text
        );
    }
}

async fn the_default_user_is_the_first_administrator() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    let root = root(&server).await;
    server.administrator("carol@example.com").await;
    let default = async |person: &Person, whose: i64| {
        let user = person.get(&format!("/api/v1/users/{whose}")).await.is(200);
        user["isDefault"] == true
    };
    let (first, own) = (number(&alice).await, number(&root).await);
    assert!(!default(&alice, first).await, "the first account is a user");
    assert!(!default(&root, first).await);
    assert!(default(&root, own).await);
    let list = root.get("/api/v8.1/users").await.is(200);
    let all = list["results"].as_array().expect("users");
    let defaults = all.iter().filter(|one| one["isDefault"] == true);
    let names: Vec<_> = defaults.map(|one| &one["name"]).collect();
    assert_eq!(names, ["root@example.com"]);
    let put = root
        .call(contract_tests::Method::PUT, &format!("/api/v1/users/{own}"))
        .json(&json!({ "description": "x" }));
    assert_eq!(put.await.is(200)["isDefault"], true);
}

async fn sentences_name_the_way_out_that_there_is() {
    let server = Server::start().await;
    let mut alice = registered(&server, "alice@example.com").await;
    enabled(&mut alice).await;
    alice.sign_in().await;
    let own = number(&alice).await;
    let refused = enable(&alice, own, &json!(false)).await;
    let refused = refused.refused(400, "MFA_ALREADY_ENABLED");
    let told = refused.text("detail");
    assert!(told.contains("`recreate: true`"), "{told}");
    let refused = crate::veeam::sign_in(&server, "nobody", "nothing at all here").await;
    let told = refused.refused(401, "INVALID_CREDENTIALS").text("detail");
    assert!(told.contains("user name"), "{told}");
    server.clock.advance(301);
    let refused = enable(&alice, own, &json!(true)).await;
    let told = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert!(!told.text("detail").contains("Step up"), "{}", told.text);
}
