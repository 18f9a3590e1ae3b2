//! U+0000, which PostgreSQL cannot store: refused in every text of every API, on both databases.

use std::collections::BTreeMap;

use contract_tests::call::Method;
use contract_tests::contract::Contract;
use contract_tests::{Server, Value, json, tests};

use super::held::{Held, without_limits};
use super::walk::{bodies, call_at, credential};

tests! {
    it_is_refused_in_every_field_of_every_operation,
    it_is_refused_in_paths_and_queries,
}

/// Returns values that are valid by the documents.
fn known() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("email", json!("zelda@example.com")),
        ("userName", json!("zelda@example.com")),
        ("username", json!("zelda")),
        ("password", json!("vXq7 kTz9 mRw3a!")),
        ("code", json!("271828")),
        ("token", json!("271828")),
        ("credential", credential()),
        ("scopes", json!(["users:read"])),
    ])
}

async fn it_is_refused_in_every_field_of_every_operation() {
    let server = Server::with(without_limits).await;
    let held = Held::make(&server, 0).await;
    let mut fields = 0;
    for operation in Contract::get()
        .operations
        .iter()
        .filter(|operation| operation.body.is_some())
    {
        let body = operation.body.as_ref().expect("a body");
        let texts = body["properties"].as_object().into_iter().flatten();
        let texts = texts.filter(|(_, schema)| schema["type"] == "string");
        for (field, _) in texts {
            let mut with = bodies(operation, &known()).remove(0);
            for text in ["\0", "zelda@example.com\0"] {
                with[field] = json!(text);
                let (holder, bearer) = held.callers(operation)[0];
                let call = call_at(&server, operation, &holder.path(operation), &with);
                let answer = match bearer {
                    Some(bearer) => call.bearer(bearer).await,
                    None => call.await,
                };
                assert_eq!(
                    answer.status,
                    400,
                    "{} with {with}: {}",
                    operation.name(),
                    answer.text
                );
                assert!(
                    answer.text.contains("U+0000"),
                    "{} with {with} says why: {}",
                    operation.name(),
                    answer.text
                );
                fields += 1;
            }
        }
    }
    assert!(fields > 80, "{fields}");
}

async fn it_is_refused_in_paths_and_queries() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    for (method, path) in [
        (Method::DELETE, "/identity/api-keys/%00"),
        (Method::DELETE, "/identity/mfa/methods/factor-%00"),
        (Method::GET, "/identity/users?limit=%00"),
        (Method::GET, "/identity/api-keys?offset=1%00"),
        (Method::GET, "/api/v1/users?Limit=%00"),
        (Method::GET, "/api/v1/users/%00"),
        (Method::POST, "/netevia/disablemfa/%00"),
    ] {
        let answer = root.call(method.clone(), path).await;
        assert!(
            (400..500).contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.text
        );
    }
}
