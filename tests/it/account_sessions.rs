//! One's own sessions, and what happened to one's account.

use contract_tests::{Method, Person, Server, Value, json, tests};

use super::other_than;

tests! {
    a_session_says_when_from_where_and_how_it_began,
    an_ended_session_is_refused_on_its_next_call,
    all_other_sessions_end_at_once,
    nobody_ends_a_session_of_somebody_else,
    sessions_that_are_over_are_not_listed,
    sessions_come_in_pages,
    what_happened_is_told_newest_first,
    what_happened_comes_page_by_page,
    what_happened_to_others_is_not_told,
    what_an_administrator_did_is_told_as_such,
}

const EMAIL: &str = "alice@example.com";

/// Signs in once more.
async fn again(alice: &Person) -> Person {
    let login = alice.login().await.is(200);
    Person::signed_in(&alice.server, &alice.email, &login)
}

/// Returns the id of a person's session.
async fn own(alice: &Person) -> String {
    let me = alice.me().await.is(200);
    me["session"]["id"].as_str().expect("an id").to_owned()
}

/// Returns the entries of a list.
fn entries<'a>(answer: &'a contract_tests::Answer, list: &str) -> &'a [Value] {
    answer[list].as_array().expect("a list")
}

async fn a_session_says_when_from_where_and_how_it_began() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    let begun = server
        .login(EMAIL, contract_tests::PASSWORD)
        .from("198.51.100.7")
        .await
        .is(200);
    let body = json!({ "mfaToken": begun.text("mfaToken"), "code": alice.fresh_code() });
    let name = format!("Acme/1.0 {}", "x".repeat(300));
    let signed_in = server
        .post("/identity/mfa/login/verify", &body)
        .from("203.0.113.9")
        .header("User-Agent", &name);
    alice.keep(&signed_in.await.is(200));
    server.clock.advance(120);
    let list = alice.sessions().await.is(200);
    assert_eq!(list.number("totalCount"), 2);
    let newest = &entries(&list, "sessions")[0];
    assert_eq!(newest["current"], true);
    assert_eq!(newest["id"], json!(own(&alice).await));
    assert_eq!(newest["signedInFrom"], "203.0.113.9");
    assert_eq!(newest["program"], json!(name[..200]));
    assert_eq!(newest["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(newest["acr"], "aal2");
    let first = &entries(&list, "sessions")[1];
    assert_eq!(first["current"], false);
    assert_eq!(first["acr"], "aal1");
    assert!(first.get("program").is_none(), "{first}");
    // A session of a server that did not keep it.
    server
        .database
        .run("UPDATE sessions SET source = NULL, program = NULL");
    let list = alice.sessions().await.is(200);
    assert!(entries(&list, "sessions")[0].get("signedInFrom").is_none());
}

async fn an_ended_session_is_refused_on_its_next_call() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let other = again(&alice).await;
    let id = own(&other).await;
    alice.end_session(&id).await.is(204);
    other.me().await.refused(401, "TOKEN_INVALID");
    let refused = server.refresh(&other.refresh_token).await;
    refused.refused(401, "TOKEN_INVALID");
    alice.me().await.is(200);
    let refused = alice.end_session(&id).await;
    refused.refused(404, "SESSION_NOT_FOUND");
    assert_eq!(alice.sessions().await.is(200).number("totalCount"), 1);
    // Ending one's own is a sign-out.
    alice.end_session(&own(&alice).await).await.is(204);
    alice.me().await.refused(401, "TOKEN_INVALID");
    let refused = alice.end_other_sessions().await;
    refused.refused(401, "TOKEN_INVALID");
}

async fn all_other_sessions_end_at_once() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let others = [again(&alice).await, again(&alice).await];
    let bob = server.registered("bob@example.com").await;
    alice.end_other_sessions().await.is(204);
    for other in &others {
        other.me().await.refused(401, "TOKEN_INVALID");
    }
    alice.me().await.is(200);
    bob.me().await.is(200);
    alice.end_other_sessions().await.is(204);
    alice.login().await.is(200);
}

async fn nobody_ends_a_session_of_somebody_else() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let root = server.administrator("root@example.com").await;
    let id = own(&alice).await;
    let refused = root.end_session(&id).await;
    refused.refused(404, "SESSION_NOT_FOUND");
    alice.me().await.is(200);
    for bad in [
        "x",
        "session-",
        &id[8..],
        &id.to_uppercase(),
        "factor-01a2039d-1b20-7c44-9e0a-3f6f8a1d2c5b",
    ] {
        let refused = alice.end_session(bad).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "sessionId");
    }
    let path = format!("/identity/me/sessions/{id}");
    let nobody = server.call(Method::DELETE, &path).await;
    nobody.refused(401, "TOKEN_INVALID");
}

async fn sessions_that_are_over_are_not_listed() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    again(&alice).await.sign_out().await.is(204);
    let idle = again(&alice).await;
    let id = own(&idle).await;
    for _ in 0..5 {
        server.clock.advance(800);
        let refreshed = server.refresh(&alice.refresh_token).await.is(200);
        alice.keep(&refreshed);
    }
    let list = alice.sessions().await.is(200);
    assert_eq!(list.number("totalCount"), 1);
    let refused = alice.end_session(&id).await;
    refused.refused(404, "SESSION_NOT_FOUND");
}

async fn sessions_come_in_pages() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    for _ in 0..4 {
        server.clock.advance(1);
        again(&alice).await;
    }
    let mut seen = Vec::new();
    for offset in [0, 2, 4] {
        let path = format!("/identity/me/sessions?limit=2&offset={offset}");
        let page = alice.get(&path).await.is(200);
        assert_eq!(page.number("totalCount"), 5);
        let times = entries(&page, "sessions")
            .iter()
            .map(|one| one["createdAt"].clone());
        seen.extend(times.map(|time| time.as_str().expect("a time").to_owned()));
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.windows(2).all(|two| two[0] > two[1]), "{seen:?}");
    for bad in ["?limit=0", "?limit=101", "?offset=-1", "?of=bob"] {
        let refused = alice.get(&format!("/identity/me/sessions{bad}")).await;
        refused.refused(400, "VALIDATION");
    }
}

async fn what_happened_is_told_newest_first() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    server.clock.advance(1);
    let token = alice.begin_sign_in().await;
    server.clock.advance(1);
    let wrong = server.verify_login(&token, other_than("000000")).await;
    wrong.refused(400, "INVALID_MFA_CODE");
    server.clock.advance(1);
    server
        .verify_login(&token, &alice.fresh_code())
        .await
        .is(200);
    let told = alice.activity("").await.is(200);
    let words: Vec<&str> = entries(&told, "events")
        .iter()
        .filter_map(|one| one["event"].as_str())
        .collect();
    assert_eq!(words[..3], ["signed_in", "code_wrong", "challenge_begun"]);
    assert!(words.contains(&"registration_begun"), "{words:?}");
    let newest = &entries(&told, "events")[0];
    assert_eq!(newest["detail"], "pwd otp mfa");
    assert_eq!(newest["byOther"], false);
    assert!(
        newest["from"]
            .as_str()
            .is_some_and(|from| from.starts_with("127."))
    );
    assert!(told["next"].is_null(), "everything is on one page");
}

async fn what_happened_comes_page_by_page() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    for _ in 0..6 {
        server.clock.advance(1);
        again(&alice).await;
    }
    let whole = alice.activity("").await.is(200);
    let (mut seen, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = alice.activity(&query).await.is(200);
        let events = entries(&page, "events");
        assert!(!events.is_empty() && events.len() <= 3);
        seen.extend(events.to_vec());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?limit=3&before={next}");
        // What happens meanwhile moves nothing.
        again(&alice).await;
    }
    assert_eq!(seen, entries(&whole, "events"));
    let id = whole["events"][0]["id"].as_str().expect("an id");
    for bad in [
        "?before=x",
        "?before=event-",
        "?limit=0",
        "?limit=101",
        "?after=x",
        &format!("?before={}", id.to_uppercase()),
    ] {
        alice.activity(bad).await.refused(400, "VALIDATION");
    }
}

async fn what_happened_to_others_is_not_told() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let bob = server.registered("bob@example.com").await;
    server.login(EMAIL, "wrong, wrong, wrong").await;
    let of = async |one: &Person| {
        let told = one.activity("").await.is(200);
        entries(&told, "events").to_vec()
    };
    let wrong = |events: &[Value]| events.iter().any(|one| one["event"] == "password_wrong");
    assert!(wrong(&of(&alice).await));
    assert!(!wrong(&of(&bob).await));
    // The id of somebody else's event is only a place in the order.
    let first = of(&alice).await[0]["id"].clone();
    let query = format!("?before={}", first.as_str().expect("an id"));
    let told = bob.activity(&query).await.is(200);
    assert!(entries(&told, "events").len() <= of(&bob).await.len());
    let nobody = server.get("/identity/me/activity").await;
    nobody.refused(401, "TOKEN_INVALID");
    let nobody = server.get("/identity/me/sessions").await;
    nobody.refused(401, "TOKEN_INVALID");
}

async fn what_an_administrator_did_is_told_as_such() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let root = server.administrator("root@example.com").await;
    let number = super::veeam::number(&alice).await;
    server.clock.advance(1);
    let body = json!({ "description": "the archer" });
    let put = root.call(Method::PUT, &format!("/api/v1/users/{number}"));
    put.json(&body).await.is(200);
    let told = alice.activity("?limit=1").await.is(200);
    let newest = &entries(&told, "events")[0];
    assert_eq!(
        (&newest["event"], &newest["byOther"]),
        (&json!("user_updated"), &json!(true))
    );
    assert!(newest["from"].is_null(), "whose address is not told");
    let told = alice.get("/identity/me/export").await.is(200);
    let all = entries(&told, "activity").iter();
    let others: Vec<_> = all.filter(|one| one["byOther"] == true).collect();
    assert_eq!(others.len(), 1);
    assert!(others[0]["from"].is_null(), "{}", others[0]);
}
