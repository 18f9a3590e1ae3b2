//! Tests that the checker finds what it has to find.

use std::panic::{AssertUnwindSafe, catch_unwind};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Contract;

const ID: &str = "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90";

/// Returns a 401 of `login` that follows the contract.
fn good() -> (u16, Vec<(&'static str, &'static str)>, Value) {
    let headers = vec![
        ("content-type", "application/json"),
        ("x-request-id", ID),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'"),
        ("www-authenticate", "Bearer"),
    ];
    let body = json!({
        "code": "INVALID_CREDENTIALS", "message": "A sentence.", "statusCode": 401, "requestId": ID
    });
    (401, headers, body)
}

/// Tells whether the checker accepts this as an answer of an operation.
fn passes(
    operation: &str,
    (status, headers, body): &(u16, Vec<(&'static str, &'static str)>, Value),
) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let operation = Contract::get().operation("identity", operation);
    catch_unwind(AssertUnwindSafe(|| operation.check(*status, &map, body))).is_ok()
}

#[test]
fn an_answer_that_keeps_the_contract_passes() {
    assert!(passes("login", &good()));
}

#[test]
fn an_answer_that_lacks_a_header_does_not_pass() {
    for header in [
        "content-type",
        "x-request-id",
        "x-content-type-options",
        "content-security-policy",
        "www-authenticate",
    ] {
        let (status, headers, body) = good();
        let others = headers.into_iter().filter(|(name, _)| *name != header);
        let without = (status, others.collect(), body);
        assert!(!passes("login", &without), "without {header}");
    }
}

#[test]
fn an_answer_with_a_wrong_member_does_not_pass() {
    for (member, value, what) in [
        ("code", json!("TOKEN_INVALID"), "a code of elsewhere"),
        ("statusCode", json!(400), "another status in the body"),
        (
            "requestId",
            json!("01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e91"),
            "the id of another request",
        ),
        ("message", json!("no sentence"), "no sentence"),
        ("stack", json!("undeclared"), "an undeclared member"),
    ] {
        let (status, headers, mut body) = good();
        body[member] = value;
        assert!(!passes("login", &(status, headers, body)), "{what}");
    }
}

#[test]
fn a_status_or_a_header_of_elsewhere_does_not_pass() {
    let mut other = good();
    other.0 = 418;
    assert!(!passes("login", &other), "a status of elsewhere");
    let mut waiting = good();
    waiting.1.push(("retry-after", "1"));
    assert!(
        !passes("login", &waiting),
        "Retry-After where there is nothing to wait for"
    );
}

#[test]
fn a_secret_that_caches_may_keep_does_not_pass() {
    let secret = (
        202,
        good().1[..4].to_vec(),
        json!({ "message": "x", "registrationToken": "x" }),
    );
    assert!(!passes("registerUser", &secret));
}

#[test]
fn a_body_where_there_is_none_does_not_pass() {
    let empty = (204, good().1[1..4].to_vec(), Value::Null);
    assert!(passes("logout", &empty));
    let full = (204, good().1[..4].to_vec(), json!({}));
    assert!(!passes("logout", &full));
}

#[test]
fn a_path_of_nobody_is_answered_by_its_nearest_relation() {
    let owner = |path: &str| Contract::get().owner(path);
    assert_eq!(owner("/identity/nothing?x=1"), "identity");
    assert_eq!(owner("/nothing"), "identity");
    assert_eq!(owner("/"), "identity");
    for version in ["v1", "v3", "v8.1", "v9", "v12.4"] {
        assert_eq!(owner(&format!("/api/{version}/nothing")), "veeam");
    }
}

#[test]
fn literal_paths_go_before_parameters() {
    let contract = Contract::get();
    let id = |method: &str, path: &str| {
        contract
            .matching(method, path)
            .map(|operation| operation.id.as_str())
    };
    assert_eq!(id("GET", "/identity/api-keys?limit=1"), Some("listApiKeys"));
    assert_eq!(id("DELETE", "/identity/api-keys/x"), Some("deleteApiKey"));
    assert_eq!(id("DELETE", "/identity/api-keys/"), None);
    assert_eq!(id("GET", "/identity/login"), None);
}
