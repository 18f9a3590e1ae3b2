//! Paths and methods that are not in the contract, the pages that show it, and operations for
//! operators.

use contract_tests::call::Method;
use contract_tests::contract::Contract;
use contract_tests::waiting::until;
use contract_tests::{Server, json, tests};

tests! {
    a_wrong_method_names_the_right_ones,
    an_unknown_path_is_not_found,
    a_strange_path_breaks_nothing,
    the_contract_is_served_as_it_was_written,
    the_lenient_twins_are_served_as_they_were_made,
    every_document_is_served_as_json_too,
    the_root_leads_to_swagger_ui,
    swagger_ui_can_be_switched_off,
    swagger_ui_forgets_the_authorization_where_the_operator_says_so,
    health_looks_at_nothing,
    readiness_looks_at_everything,
    every_answer_names_its_request,
}

const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUUX",
];

async fn a_wrong_method_names_the_right_ones() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    for operation in &Contract::get().operations {
        let path = operation.sample_path();
        let same_path = Contract::get()
            .operations
            .iter()
            .filter(|other| other.path == operation.path);
        let mut allowed: Vec<&str> = same_path.map(|other| other.method.as_str()).collect();
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        for method in METHODS
            .into_iter()
            .filter(|method| !allowed.contains(method))
        {
            let method: Method = method.parse().expect("a method");
            let refused = root.call(method.clone(), &path).await;
            assert_eq!(
                (refused.status, refused["code"].as_str()),
                (405, Some("METHOD_NOT_ALLOWED")),
                "{method} {path}: {}",
                refused.text
            );
            let header = refused.header("allow").unwrap_or_default();
            let mut named: Vec<&str> = header.split(", ").collect();
            named.sort_unstable();
            let mut expected = allowed.clone();
            expected.sort_unstable();
            assert_eq!(named, expected, "{method} {path}");
        }
    }
}

async fn an_unknown_path_is_not_found() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let paths = [
        "/identity",
        "/identity/",
        "/identity/nothing",
        "/identity/login/",
        "/identity//login",
        "/Identity/login",
        "/identity/mfa",
        "/identity/api-keys/a/b",
        "/nothing",
        "/.well-known/",
        "/.git/config",
        "/openapi/",
        "/openapi/other.yaml",
        "/healthz/x",
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let refused = server.call(method.clone(), path).await;
            assert_eq!(
                (refused.status, refused["code"].as_str()),
                (404, Some("NOT_FOUND")),
                "{method} {path}: {}",
                refused.text
            );
            let known = alice.call(method, path).await;
            assert_eq!(known.status, 404, "{path}");
        }
    }
}

async fn a_strange_path_breaks_nothing() {
    let server = Server::start().await;
    for path in [
        "/%00",
        "/identity/%2e%2e/login",
        "/identity/api-keys/%ff",
        "/%",
        "/identity/me?%",
        "/identity/login%0d%0aX: y",
    ] {
        let answer = server.get(path).await;
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.text
        );
    }
    server.get("/healthz").await.is(200);
}

async fn the_contract_is_served_as_it_was_written() {
    let server = Server::start().await;
    for document in countersign::api::documents() {
        let path = format!("/openapi/{}.yaml", document.name);
        let served = server.get(&path).await.is(200);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let written = std::fs::read_to_string(format!("{folder}{path}")).expect("the document");
        assert_eq!(served.text, written);
        let tag = served.header("etag").expect("an ETag");
        let again = server
            .get(&path)
            .header("If-None-Match", &tag)
            .await
            .is(304);
        assert!(again.text.is_empty());
    }
}

async fn the_lenient_twins_are_served_as_they_were_made() {
    let server = Server::start().await;
    for document in countersign::api::documents() {
        let path = format!("/openapi/lenient/{}.yaml", document.name);
        let served = server.get(&path).await.is(200);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let made = std::fs::read_to_string(format!("{folder}{path}")).expect("the twin");
        assert_eq!(served.text, made);
    }
}

async fn every_document_is_served_as_json_too() {
    let server = Server::start().await;
    for document in countersign::api::documents() {
        for folder in ["", "lenient/"] {
            let path = |kind: &str| format!("/openapi/{folder}{}.{kind}", document.name);
            let yaml = server.get(&path("yaml")).await.is(200);
            let json = server.get(&path("json")).await.is(200);
            let media = json.header("content-type");
            assert_eq!(media.as_deref(), Some("application/json"));
            let written: serde_json::Value = yaml_serde::from_str(&yaml.text).expect("YAML");
            let served: serde_json::Value = serde_json::from_str(&json.text).expect("JSON");
            assert_eq!(served, written, "{}", path("json"));
            assert!(json.text.starts_with(r#"{"openapi":"3.0.3","info":"#));
            let tag = json.header("etag").expect("an ETag");
            let again = server.get(&path("json")).header("If-None-Match", &tag);
            assert!(again.await.is(304).text.is_empty());
        }
    }
}

async fn the_root_leads_to_swagger_ui() {
    let server = Server::start().await;
    for path in ["/", "/swagger-ui"] {
        let redirect = server.get(path).await;
        assert!(
            (300..400).contains(&redirect.status),
            "{path}: {}",
            redirect.status
        );
        assert_eq!(redirect.header("location").as_deref(), Some("/swagger-ui/"));
    }
    let page = server.get("/swagger-ui/").await.is(200);
    assert!(page.text.contains("swagger-ui"));
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(
        policy.contains("script-src 'self'") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe-eval") && !policy.contains("script-src 'self' 'unsafe-inline'"),
        "{policy}"
    );
}

async fn swagger_ui_can_be_switched_off() {
    let server = Server::with(|settings| settings.swagger_ui = false).await;
    for path in ["/", "/swagger-ui", "/swagger-ui/", "/swagger-ui/index.html"] {
        server.get(path).await.refused(404, "NOT_FOUND");
    }
    server.get("/healthz").await.is(200);
}

async fn swagger_ui_forgets_the_authorization_where_the_operator_says_so() {
    for (setting, shown) in [
        (true, "\"persistAuthorization\": true"),
        (false, "\"persistAuthorization\": false"),
    ] {
        let server =
            Server::with(|settings| settings.swagger_persist_authorization = setting).await;
        let script = server
            .get("/swagger-ui/swagger-initializer.js")
            .await
            .is(200);
        assert!(script.text.contains(shown), "{}", script.text);
    }
}

async fn health_looks_at_nothing() {
    let server = Server::start().await;
    server
        .database
        .run("ALTER TABLE users RENAME TO users_gone");
    assert_eq!(
        server.get("/healthz").await.is(200).body,
        json!({ "status": "ok" })
    );
}

async fn readiness_looks_at_everything() {
    let server = Server::with(|settings| settings.policy.courier_queue = 1).await;
    let ready = server.get("/readyz").await.is(200);
    assert_eq!(
        ready.body,
        json!({ "status": "ready", "checks": { "database": "ok", "migrations": "ok", "courier": "ok" } })
    );

    server
        .database
        .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000001')");
    let not = server.get("/readyz").await.refused(503, "NOT_READY");
    assert_eq!(not["checks"]["migrations"], "ahead");
    server
        .database
        .run("DELETE FROM __diesel_schema_migrations WHERE version = '29991231000001'");
    server.get("/readyz").await.is(200);
    server.database.cut();
    let not = server.get("/readyz").await.refused(503, "NOT_READY");
    assert_eq!(not["checks"]["database"], "unreachable");
    server.database.mend();
    until("readiness", async || {
        (server.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    server
        .database
        .run("DELETE FROM __diesel_schema_migrations");
    assert_eq!(
        server.get("/readyz").await.refused(503, "NOT_READY")["checks"]["migrations"],
        "behind"
    );
}

async fn every_answer_names_its_request() {
    let server = Server::start().await;
    let one = server
        .get("/healthz")
        .await
        .header("x-request-id")
        .expect("an id");
    let sent = server.get("/healthz").header("X-Request-Id", &one).await;
    let two = sent.header("x-request-id").expect("an id");
    assert_eq!(one, two, "a caller may name its own request, by a UUID");
    let sent = server.get("/healthz").header("X-Request-Id", "mine").await;
    let three = sent.header("x-request-id").expect("an id");
    assert_ne!(three, "mine", "and by nothing else: it stands in the log");
    let refused = server
        .get("/identity/me")
        .await
        .refused(401, "TOKEN_INVALID");
    assert_eq!(
        refused.header("x-request-id"),
        refused["requestId"].as_str().map(str::to_owned)
    );
}
