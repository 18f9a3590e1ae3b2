//! The versions of the Veeam API: v1 to v7 answer as one, v8 and v8.1 as another, and there are no
//! others.

use contract_tests::call::Method;
use contract_tests::{Authenticator, Call, Person, Server, json, tests};

use crate::veeam::{OTHER_PASSWORD, number, registered, root};

tests! {
    older_versions_answer_as_v1_does,
    newer_versions_answer_as_v8_1_does,
    other_versions_are_told_in_problem_details,
    every_version_tells_the_servers_own,
}

/// Makes a call about the users of a version.
fn of(person: &Person, version: &str, method: Method, rest: &str) -> Call {
    person.call(method, &format!("/api/{version}/users{rest}"))
}

/// Sets an authenticator up and removes it again, and asserts the status of each step.
async fn there_and_back(person: &mut Person, version: &str, empty: u16) {
    let own = number(person).await;
    let act =
        |person: &Person, what: &str| of(person, version, Method::POST, &format!("/{own}/{what}"));
    let begun = act(person, "enableMfa").await.is(200);
    person.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = person.fresh_code();
    let proof = json!({ "code": code, "token": begun.text("token") });
    let accepted = act(person, "acceptMfa").json(&proof).await;
    assert_eq!(accepted.is(empty).text, "", "{version}");
    person.sign_in().await;
    let disabled = act(person, "disableMfa").await;
    assert_eq!(disabled.is(empty).text, "", "{version}");
    person.authenticator = None;
    person.sign_in().await;
}

async fn older_versions_answer_as_v1_does() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await;
    for version in ["v1", "v2", "v3", "v4", "v5", "v6", "v7"] {
        let list = of(
            &alice,
            version,
            Method::GET,
            "?NameFilter=alice@example.com",
        );
        let list = list.await.is(200);
        let user = &list["results"][0];
        assert_eq!(user["id"], own);
        assert!(user["type"].is_null(), "{user}");
        let link = list["_links"]["self"]["href"].as_str().expect("a link");
        assert!(link.ends_with(&format!("/api/{version}/users")), "{link}");
        let link = user["_links"]["self"]["href"].as_str().expect("a link");
        let path = format!("/api/{version}/users/{own}");
        assert!(link.ends_with(&path), "{link}");
        let name = json!({ "name": version, "password": OTHER_PASSWORD });
        let made = of(&root, version, Method::POST, "").json(&name).await;
        let made = made.is(200).number("id");
        let gone = of(&root, version, Method::DELETE, &format!("/{made}"));
        assert_eq!(gone.await.is(200).text, "");
    }
    there_and_back(&mut alice, "v1", 200).await;
    there_and_back(&mut alice, "v3", 200).await;
}

async fn newer_versions_answer_as_v8_1_does() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut alice = registered(&server, "alice@example.com").await;
    let own = number(&alice).await.to_string();
    for version in ["v8", "v8.1"] {
        let list = of(&alice, version, Method::GET, "").await.is(200);
        let user = &list["results"][0];
        assert_eq!(user["id"], own);
        assert_eq!(user["type"], "Internal");
        let link = user["_links"]["self"]["href"].as_str().expect("a link");
        let path = format!("/api/{version}/users/{own}");
        assert!(link.ends_with(&path), "{link}");
        let seen = of(&alice, version, Method::GET, &format!("/{own}")).await;
        assert_eq!(&seen.is(200).body, user);
        let change = json!({ "description": version });
        let changed = of(&alice, version, Method::PUT, &format!("/{own}")).json(&change);
        assert_eq!(changed.await.is(200)["description"], version);
        let name = json!({ "name": version, "description": "", "password": OTHER_PASSWORD });
        let made = of(&root, version, Method::POST, "").json(&name).await;
        let made = made.is(201);
        let media = made.header("content-type");
        assert_eq!(media.as_deref(), Some("application/json; charset=utf-8"));
        let gone = of(
            &root,
            version,
            Method::DELETE,
            &format!("/{}", made.text("id")),
        );
        assert_eq!(gone.await.is(204).text, "");
        let begun = of(&alice, version, Method::POST, &format!("/{own}/enableMfa")).await;
        assert_eq!(begun.is(200)["userId"], own);
    }
    there_and_back(&mut alice, "v8.1", 204).await;
    there_and_back(&mut alice, "v8", 204).await;
}

async fn other_versions_are_told_in_problem_details() {
    let server = Server::start().await;
    let root = root(&server).await;
    for path in [
        "/api/v0/users",
        "/api/v9/users",
        "/api/v8.2/users",
        "/api/v10/users/1/enableMfa",
        "/api/v3/nothing",
        "/api/v9/system/about",
        "/api/v8.1/system/serverInfo",
        "/api/v8.1",
    ] {
        let refused = root.get(path).await.refused(404, "NOT_FOUND");
        let media = refused.header("content-type");
        assert_eq!(media.as_deref(), Some("application/problem+json"), "{path}");
        assert_eq!(refused["status"], 404);
    }
    for version in ["v1", "v3", "v8", "v8.1"] {
        let refused = of(&root, version, Method::PATCH, "").await;
        let refused = refused.refused(405, "METHOD_NOT_ALLOWED");
        let allow = refused.header("allow");
        assert_eq!(allow.as_deref(), Some("GET, HEAD, POST"), "{version}");
    }
    // HEAD is routed to the same place, and a stranger learns the same from each version.
    of(&root, "v3", Method::HEAD, "").await.is(200);
    let stranger = server.get("/api/v3/users").await;
    stranger.refused(401, "TOKEN_INVALID");
}

async fn every_version_tells_the_servers_own() {
    let server = Server::start().await;
    let alice = registered(&server, "alice@example.com").await;
    for version in ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v8.1"] {
        let path = format!("/api/{version}/system/about");
        let told = alice.get(&path).await.is(200);
        let own = json!({ "serverVersion": env!("CARGO_PKG_VERSION") });
        assert_eq!(told.body, own, "{version}");
        let stranger = server.get(&path).await;
        stranger.refused(401, "TOKEN_INVALID");
    }
}
