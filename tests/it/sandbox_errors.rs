//! Forced errors: each documented (operation, status, code) comes back as it is documented, and only for the calls that are meant.

use std::collections::BTreeMap;

use contract_tests::call::Method;
use contract_tests::contract::{Contract, Operation};
use contract_tests::reqwest::header::HeaderMap;
use contract_tests::reqwest::{self, Client};
use contract_tests::{Sandbox, Value, json, tests};

tests! {
    on_sqlite:
    every_documented_error_comes_back_when_forced,
    one_request_names_its_error_itself,
    the_next_call_of_an_operation_is_answered_with_it_and_no_other,
    every_call_for_an_address_is_answered_with_it,
    errors_wait_in_a_list_until_they_are_forgotten,
    what_no_operation_documents_cannot_be_forced,
}

/// A request that the checker of the tests does not look at: what is forced was not brought about.
async fn sent(sandbox: &Sandbox, request: reqwest::RequestBuilder) -> (u16, HeaderMap, Value) {
    let answer = request.send().await.unwrap_or_else(|error| {
        panic!("{}: {error:?}", sandbox.url());
    });
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.json().await.unwrap_or(Value::Null))
}

fn request(http: &Client, sandbox: &Sandbox, operation: &Operation) -> reqwest::RequestBuilder {
    let method: Method = operation.method.parse().expect("a method");
    let url = format!("{}{}", sandbox.url(), operation.sample_path());
    let request = http.request(method, url);
    match operation.body {
        Some(_) => request.json(&json!({})),
        None => request,
    }
}

async fn every_documented_error_comes_back_when_forced() {
    let sandbox = Sandbox::start().await;
    let http = Client::builder().no_proxy().build().expect("a client");
    let mut count = BTreeMap::new();
    for (name, status, code) in Contract::get().triples() {
        if status < 400 {
            continue;
        }
        let (api, id) = name.split_once(' ').expect("a document and an id");
        let operation = Contract::get().operation(api, id);
        let wanted = json!({ "api": api, "operationId": id, "errorCode": code });
        sandbox.post("/sandbox/errors", &wanted).await.is(201);
        let (told, headers, body) = sent(&sandbox, request(&http, &sandbox, operation)).await;
        assert_eq!(
            (told, &body["code"]),
            (status, &json!(code)),
            "{name} {body}"
        );
        operation.holds(status, &headers, &body);
        assert_eq!(headers["countersign-sandbox"], "true");
        *count.entry(api.to_owned()).or_insert(0) += 1;
    }
    println!(
        "errors forced: {count:?}, {} in all",
        count.values().sum::<i32>()
    );
    let listed = sandbox.get("/sandbox/errors").await.is(200);
    assert_eq!(listed["errors"], json!([]));
    let operations = sandbox.get("/sandbox/operations").await.is(200);
    let operations = operations["operations"].as_array().expect("a list");
    let errors = operations
        .iter()
        .flat_map(|one| one["errors"].as_array().expect("a list"));
    assert_eq!(
        errors.count(),
        usize::try_from(count.values().sum::<i32>()).expect("a number")
    );
}

async fn one_request_names_its_error_itself() {
    let sandbox = Sandbox::start().await;
    let http = Client::builder().no_proxy().build().expect("a client");
    let login = Contract::get().operation("identity", "login");
    let named =
        |code: &str| request(&http, &sandbox, login).header("Countersign-Sandbox-Error", code);
    let (status, headers, body) = sent(&sandbox, named("TOO_MANY_PASSWORD_ATTEMPTS")).await;
    assert_eq!(
        (status, &body["code"]),
        (429, &json!("TOO_MANY_PASSWORD_ATTEMPTS"))
    );
    assert_eq!(headers["retry-after"], body["retryAfter"].to_string());
    let (status, _, body) = sent(&sandbox, named("MFA_METHOD_LOCKED")).await;
    assert_eq!((status, &body["code"]), (400, &json!("VALIDATION")));
    assert_eq!(body["errors"][0]["field"], "countersign-sandbox-error");
    sandbox.login("none@example.com").await;
}

async fn the_next_call_of_an_operation_is_answered_with_it_and_no_other() {
    let sandbox = Sandbox::start().await;
    let http = Client::builder().no_proxy().build().expect("a client");
    let wanted = json!({ "operationId": "login", "errorCode": "INVALID_CREDENTIALS", "times": 2 });
    let forced = sandbox.post("/sandbox/errors", &wanted).await.is(201);
    assert_eq!(
        (forced.text("api"), forced.number("timesLeft")),
        ("identity".to_owned(), 2)
    );
    // The operation of that id in another document is another.
    let other = json!({ "email": "none@example.com", "password": "correct horse battery staple" });
    sandbox.post("/user/login", &other).await.is(200);
    let login = Contract::get().operation("identity", "login");
    for _ in 0..2 {
        let (status, ..) = sent(&sandbox, request(&http, &sandbox, login).json(&other)).await;
        assert_eq!(status, 401);
    }
    sandbox.login("none@example.com").await;
}

async fn every_call_for_an_address_is_answered_with_it() {
    let sandbox = Sandbox::start().await;
    let http = Client::builder().no_proxy().build().expect("a client");
    let token = sandbox.login("none@example.com").await.text("accessToken");
    let mfa = sandbox.login("email@example.com").await.text("mfaToken");
    for email in ["None@example.com", "email@example.com"] {
        let wanted = json!({ "email": email, "errorCode": "SERVICE_UNAVAILABLE" });
        sandbox.post("/sandbox/errors", &wanted).await.is(201);
    }
    let post = |path: &str, body: Value| http.post(format!("{}{path}", sandbox.url())).json(&body);
    let password = "correct horse battery staple";
    let form = [
        ("grant_type", "password"),
        ("username", "none@example.com"),
        ("password", password),
    ];
    for meant in [
        post(
            "/identity/login",
            json!({ "email": "NONE@example.com", "password": password }),
        ),
        post(
            "/user/login",
            json!({ "email": "none@example.com", "password": password }),
        ),
        post(
            "/identity/mfa/login/verify",
            json!({ "mfaToken": mfa, "code": "123456" }),
        ),
        http.post(format!("{}/api/oauth2/token", sandbox.url()))
            .form(&form),
        http.get(format!("{}/identity/me", sandbox.url()))
            .bearer_auth(&token),
        http.get(format!("{}/user/profile", sandbox.url()))
            .bearer_auth(&token),
    ] {
        let (status, _, body) = sent(&sandbox, meant).await;
        assert_eq!(
            (status, &body["code"]),
            (503, &json!("SERVICE_UNAVAILABLE")),
            "{body}"
        );
    }
    // Nobody else's, nothing that does not document it, and the body of what is let through is whole.
    sandbox.login("sms@example.com").await;
    sandbox.get("/healthz").bearer(&token).await.is(200);
    let listed = sandbox.get("/sandbox/errors").await.is(200);
    assert_eq!(listed["errors"][0]["email"], "none@example.com");
    sandbox.delete("/sandbox/errors").await.is(204);
    sandbox.get("/identity/me").bearer(&token).await.is(200);
}

async fn errors_wait_in_a_list_until_they_are_forgotten() {
    let sandbox = Sandbox::start().await;
    let wanted = [
        json!({ "operationId": "getCurrentUser", "errorCode": "TOKEN_EXPIRED" }),
        json!({ "api": "veeam", "operationId": "listUsers", "email": "none@example.com", "errorCode": "TOKEN_EXPIRED" }),
    ];
    for one in &wanted {
        sandbox.post("/sandbox/errors", one).await.is(201);
    }
    let listed = sandbox.get("/sandbox/errors").await.is(200);
    assert_eq!(
        listed["errors"],
        json!([
            { "number": 1, "api": "identity", "operationId": "getCurrentUser", "errorCode": "TOKEN_EXPIRED", "timesLeft": 1 },
            { "number": 2, "api": "veeam", "operationId": "listUsers", "email": "none@example.com", "errorCode": "TOKEN_EXPIRED" },
        ])
    );
    sandbox.call(Method::POST, "/sandbox/reset").await.is(200);
    let listed = sandbox.get("/sandbox/errors").await.is(200);
    assert_eq!(listed["errors"], json!([]));
}

async fn what_no_operation_documents_cannot_be_forced() {
    let sandbox = Sandbox::start().await;
    for body in [
        json!({ "errorCode": "INTERNAL" }),
        json!({ "operationId": "login", "errorCode": "MFA_METHOD_LOCKED" }),
        json!({ "operationId": "fly", "errorCode": "INTERNAL" }),
        json!({ "api": "veeam", "operationId": "registerUser", "errorCode": "INTERNAL" }),
        json!({ "email": "none@example.com", "errorCode": "NO_SUCH_CODE" }),
        json!({ "operationId": "login", "errorCode": "INTERNAL", "times": 0 }),
        json!({ "api": "acme", "operationId": "login", "errorCode": "INTERNAL" }),
    ] {
        sandbox
            .post("/sandbox/errors", &body)
            .await
            .refused(400, "VALIDATION");
    }
    let call = || sandbox.call(Method::POST, "/sandbox/errors");
    call()
        .body("application/json", format!("\"{}\"", "x".repeat(20_000)))
        .await
        .refused(413, "PAYLOAD_TOO_LARGE");
    call()
        .body("text/plain", "{}")
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    call()
        .without_its_body("application/json")
        .await
        .refused(408, "REQUEST_TIMEOUT");
}
