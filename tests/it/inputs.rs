//! Everything that can be wrong with a request, on every operation that takes a body: errors name
//! the field, never the value.

use std::collections::BTreeMap;

use contract_tests::call::{Method, at_once};
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Call, Person, Server, Value, json, tests};

tests! {
    what_is_no_json_object_is_refused_everywhere,
    an_unknown_field_is_named_everywhere,
    a_missing_field_is_named_everywhere,
    a_field_of_the_wrong_type_is_named_everywhere,
    a_field_of_the_wrong_length_is_named_everywhere,
    a_field_given_twice_is_named_everywhere,
    an_unknown_method_is_a_refusal_of_its_own,
    another_media_type_is_refused_everywhere,
    a_body_over_sixteen_kibibytes_is_refused_everywhere,
    a_body_of_exactly_the_limit_is_read,
    a_body_that_never_comes_is_refused_everywhere,
    a_longer_body_is_read_where_the_operator_says_so,
}

/// A value for bodies that no answer may contain.
const VALUE: &str = "uncommon-value-7f3k";

/// Returns the operations that take a body.
fn with_body() -> impl Iterator<Item = &'static Operation> {
    Contract::get()
        .of("identity")
        .filter(|operation| operation.body.is_some())
}

/// Returns a user who may call everything.
async fn root(server: &Server) -> Person {
    server.administrator("root@example.com").await
}

/// Makes a call of an operation by somebody who may make it; with a key if it accepts keys.
fn call(root: &Person, operation: &Operation) -> Call {
    let method: Method = operation.method.parse().expect("a method");
    let factor = "factor-01a2039d-1b20-7c44-9e0a-3f6f8a1d2c5b";
    let path = operation.path.replace("{factorId}", factor);
    match operation.security.bearer && !operation.security.open {
        true => root.call(method, &path),
        false => root.server.call(method, &path),
    }
}

/// Returns a body that matches the schema: every required field with a valid value.
fn fitting(operation: &Operation) -> Value {
    let schema = operation.body.as_ref().expect("a body");
    let value = |name: &str| match name {
        "email" => json!("zelda@example.com"),
        "password" => json!("vXq7 kTz9 mRw3a"),
        "method" => json!("email"),
        "scopes" => json!(["users:read"]),
        "credential" => {
            json!({ "id": "eA", "rawId": "eA", "type": "public-key", "response": {} })
        }
        _ => json!("x"),
    };
    let names = schema["required"].as_array().cloned().unwrap_or_default();
    let fields = names
        .iter()
        .filter_map(Value::as_str)
        .map(|name| (name.to_owned(), value(name)));
    Value::Object(fields.collect())
}

/// Returns the fields of an operation's body, with the schema of each.
fn fields(operation: &Operation) -> BTreeMap<String, Value> {
    let schema = operation.body.as_ref().expect("a body");
    let properties = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    properties.into_iter().collect()
}

/// Sends a body. Asserts that the refusal names this field and does not repeat the value.
async fn names_field(root: &Person, operation: &Operation, body: &Value, field: &str) {
    let refused = call(root, operation).json(body).await;
    let place = format!("{} with {body}", operation.id);
    assert_eq!(refused.status, 400, "{place}: {}", refused.text);
    assert!(!refused.text.contains(VALUE), "{place}: {}", refused.text);
    if field == "method" && refused["code"] == "INVALID_MFA_METHOD" {
        return;
    }
    assert_eq!(refused["code"], "VALIDATION", "{place}: {}", refused.text);
    let named: Vec<&str> = refused["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| error["field"].as_str())
        .collect();
    assert!(named.contains(&field), "{place}: {named:?}");
}

async fn what_is_no_json_object_is_refused_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        let texts = [
            "{",
            "}",
            "nonsense",
            "null",
            "true",
            "1",
            "\"text\"",
            "[]",
            "[{}]",
            "{'a':1}",
            "\u{feff}\u{feff}{}",
            "\u{feff}",
            "\u{0}",
        ];
        for text in texts {
            let refused = call(&root, operation)
                .body("application/json", text)
                .await
                .refused(400, "VALIDATION");
            assert_eq!(
                refused["errors"][0]["field"], "body",
                "{} with {text}",
                operation.id
            );
        }
        let trailing = format!("{} x", fitting(operation));
        let refused = call(&root, operation)
            .body("application/json", trailing)
            .await
            .refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "body", "{}", operation.id);
        let not_utf8 = vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}'];
        call(&root, operation)
            .body("application/json", not_utf8)
            .await
            .refused(400, "VALIDATION");
        let deep = format!("{{\"a\":{}", "[".repeat(10_000));
        call(&root, operation)
            .body("application/json", deep)
            .await
            .refused(400, "VALIDATION");
        if !operation.body_is_optional {
            let refused = call(&root, operation)
                .body("application/json", "")
                .await
                .refused(400, "VALIDATION");
            assert_eq!(refused["errors"][0]["field"], "body", "{}", operation.id);
        }
    }
}

async fn an_unknown_field_is_named_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        let mut body = fitting(operation);
        body["unheardOf"] = json!(VALUE);
        names_field(&root, operation, &body, "unheardOf").await;
        for snake in ["first_name", "mfa_token", "refresh_token"] {
            let mut body = fitting(operation);
            body[snake] = json!(VALUE);
            names_field(&root, operation, &body, snake).await;
        }
    }
}

async fn a_missing_field_is_named_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        let whole = fitting(operation);
        for name in whole.as_object().expect("an object").keys() {
            let mut body = whole.clone();
            body.as_object_mut().expect("an object").remove(name);
            names_field(&root, operation, &body, name).await;
        }
    }
}

async fn a_field_of_the_wrong_type_is_named_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        for (name, schema) in fields(operation) {
            let of_any_type = [
                json!(null),
                json!(true),
                json!(1.5),
                json!({ "a": VALUE }),
                json!([[VALUE]]),
                json!(VALUE),
                json!(7),
            ];
            let fits = |value: &Value| match schema["type"].as_str() {
                Some("string") => value.is_string(),
                Some("integer") => value.is_i64(),
                Some("array") => false,
                _ => false,
            };
            for value in of_any_type.into_iter().filter(|value| !fits(value)) {
                let mut body = fitting(operation);
                body[&name] = value.clone();
                let field = match name.as_str() {
                    "scopes" if value.is_array() => "scopes[0]",
                    "credential" if value.is_object() => "credential.id",
                    name => name,
                };
                names_field(&root, operation, &body, field).await;
            }
        }
    }
}

async fn a_field_of_the_wrong_length_is_named_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut tried = 0;
    for operation in with_body() {
        for (name, schema) in fields(operation) {
            let longest = schema["maxLength"].as_u64();
            let shortest = schema["minLength"].as_u64().filter(|&least| least > 0);
            let too_long = longest.map(|most| {
                VALUE
                    .repeat(300)
                    .chars()
                    .take(usize::try_from(most).expect("small") + 1)
                    .collect()
            });
            let too_short = shortest.map(|_| String::new());
            for value in [too_long, too_short].into_iter().flatten() {
                let mut body = fitting(operation);
                body[&name] = json!(value);
                names_field(&root, operation, &body, &name).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

async fn a_field_given_twice_is_named_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        let Some((name, value)) = fitting(operation)
            .as_object()
            .and_then(|body| body.clone().into_iter().next())
        else {
            continue;
        };
        let body = format!("{{\"{name}\":{value},\"{name}\":{value}}}");
        let refused = call(&root, operation)
            .body("application/json", body)
            .await
            .refused(400, "VALIDATION");
        assert_eq!(
            refused["errors"][0]["field"],
            name.as_str(),
            "{}",
            operation.id
        );
    }
}

async fn an_unknown_method_is_a_refusal_of_its_own() {
    let server = Server::start().await;
    let root = root(&server).await;
    let mut called = 0;
    for operation in with_body().filter(|operation| fields(operation).contains_key("method")) {
        for method in [
            "pigeon",
            "recovery_code",
            "Email",
            "EMAIL",
            "authenticator ",
            "",
            VALUE,
        ] {
            let mut body = fitting(operation);
            body["method"] = json!(method);
            let refused = call(&root, operation)
                .json(&body)
                .await
                .refused(400, "INVALID_MFA_METHOD");
            assert!(!refused.text.contains(VALUE));
            called += 1;
        }
    }
    assert_eq!(called, 28, "four operations take a method");
}

async fn another_media_type_is_refused_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "application/xml",
            "multipart/form-data; boundary=x",
        ] {
            let refused = call(&root, operation)
                .body(media_type, fitting(operation).to_string())
                .await;
            assert_eq!(
                (refused.status, refused["code"].as_str()),
                (415, Some("UNSUPPORTED_MEDIA_TYPE")),
                "{} {media_type}",
                operation.id
            );
        }
        let refused = call(&root, operation)
            .body("application/json; charset=utf-8", "[]")
            .await;
        refused.refused(400, "VALIDATION");
        let refused = call(&root, operation).body("APPLICATION/JSON", "[]").await;
        refused.refused(400, "VALIDATION");
    }
}

async fn a_body_over_sixteen_kibibytes_is_refused_everywhere() {
    let server = Server::start().await;
    let root = root(&server).await;
    for operation in with_body() {
        let body = || format!("{{\"a\":\"{}\"}}", "x".repeat(16_384));
        call(&root, operation)
            .body("application/json", body())
            .await
            .refused(413, "PAYLOAD_TOO_LARGE");
        // In chunks, without announcing the length.
        let piece = |_| Ok::<_, std::io::Error>(vec![b' '; 1024]);
        let pieces = reqwest::Body::wrap_stream(futures_util::stream::iter((0..17).map(piece)));
        call(&root, operation)
            .body("application/json", pieces)
            .await
            .refused(413, "PAYLOAD_TOO_LARGE");
    }
    root.me().await.is(200);
}

async fn a_body_that_never_comes_is_refused_everywhere() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let root = root(&server).await;
    let calls = with_body().map(|operation| {
        let call = call(&root, operation);
        call.without_its_body("application/json")
    });
    for answer in at_once(calls).await {
        answer.refused(408, "REQUEST_TIMEOUT");
    }
    root.me().await.is(200);
}

async fn a_body_of_exactly_the_limit_is_read() {
    let server = Server::start().await;
    let body = |spaces: usize| format!("{}{{}}", " ".repeat(spaces));
    let login = |body: String| {
        server
            .call(Method::POST, "/identity/login")
            .body("application/json", body)
    };
    login(body(16_382)).await.refused(400, "VALIDATION");
    login(body(16_383)).await.refused(413, "PAYLOAD_TOO_LARGE");
}

async fn a_longer_body_is_read_where_the_operator_says_so() {
    let server = Server::with(|settings| settings.body_limit_bytes = 65_536).await;
    let body = format!("{}{{}}", " ".repeat(60_000));
    let refused = server
        .call(Method::POST, "/identity/login")
        .body("application/json", body)
        .await;
    refused.refused(400, "VALIDATION");
}
