//! Lists that come in pages.

use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, MockServer};
use countersign_sdk::{Problem, Session, veeam};
use serde_json::{Value, json};

use super::{answer, error, served, session};

/// Serves `total` users in pages; beyond the `broken`-th, an error.
fn users(server: &MockServer, path: &'static str, broken: usize) {
    server.mock(move |when, then| {
        when.path(path);
        then.respond_with(move |request: &HttpMockRequest| {
            let asked = |name: &str| {
                let found = request.query_params().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.and_then(|(_, value)| value.parse::<usize>().ok())
            };
            let (from, limit) = (asked("offset").unwrap_or(0), asked("limit").unwrap_or(3));
            if from >= broken {
                return answer(500, None, &error(500, "INTERNAL"));
            }
            let entries: Vec<Value> = (from..7.min(from + limit)).map(user).collect();
            let body = if path.starts_with("/identity") {
                json!({ "users": entries, "totalCount": 7 })
            } else {
                json!({ "results": entries, "totalCount": 7, "offset": from, "limit": limit, "_links": { "self": { "href": "/" } } })
            };
            answer(200, None, &body)
        });
    });
}

fn user(number: usize) -> Value {
    json!({
        "id": format!("user-{number}"), "number": number, "email": format!("{number}@example.com"), "role": "user",
        "mfaEnabled": false, "mfaMethods": [], "createdAt": "2026-11-22T14:15:22.123Z",
        "name": format!("{number}@example.com"), "isDefault": false,
        "description": "", "_links": { "self": { "href": "/" } },
    })
}

#[tokio::test]
async fn a_stream_reads_page_after_page() {
    let (server, client) = served().await;
    client.sign_in_with(session(1, 900));
    users(&server, "/identity/users", 99);
    for (limit, offset, wanted) in [(3, 0, 7), (7, 0, 7), (100, 2, 5), (2, 6, 1), (3, 9, 0)] {
        let mut stream = client.list_users().limit(limit).offset(offset).stream();
        let mut read = Vec::new();
        while let Some(user) = stream.next().await {
            read.push(user.expect("a user").number);
        }
        let numbers: Vec<_> = (i64::from(offset)..i64::from(offset) + wanted).collect();
        assert_eq!(read, numbers, "{limit} from {offset}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_error() {
    let (server, client) = served().await;
    client.sign_in_with(session(1, 900));
    users(&server, "/identity/users", 3);
    let mut stream = client.list_users().stream();
    for _ in 0..3 {
        stream.next().await.expect("an entry").expect("a user");
    }
    let error = stream
        .next()
        .await
        .expect("an entry")
        .expect_err("an error");
    assert_eq!(error.code(), Some("INTERNAL"));
    assert!(stream.next().await.is_none());
}

#[test]
fn a_list_can_be_read_without_async() {
    let server = MockServer::start();
    users(&server, "/api/v8.1/users", 99);
    let client = veeam::Client::new(&server.base_url()).expect("this machine");
    client.sign_in_with(Session::bearer("access-1"));
    let entries = client.list_users_v81().limit(2).stream().blocking();
    let users: Vec<_> = entries.collect::<Result<_, _>>().expect("users");
    assert_eq!(users.len(), 7);
}
