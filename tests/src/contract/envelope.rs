//! Checks the common fields of errors, in the form of each API.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::text;

/// Checks an error of an API, whether it comes from an operation or not.
///
/// # Panics
/// Panics if it lacks a common field of that API.
#[track_caller]
pub fn check_error(api: &str, place: &str, status: u16, headers: &HeaderMap, body: &Value) {
    let sentence = match api {
        "identity" | "sandbox" => {
            assert_eq!(body["statusCode"], Value::from(status), "{place}");
            &body["message"]
        }
        "netevia" => {
            assert_eq!(body["status"], "error", "{place}");
            &body["message"]
        }
        "flashback" => {
            assert_eq!(body["success"], false, "{place}");
            assert_eq!(body["error"], body["message"], "{place}");
            &body["error"]
        }
        "veeam" => {
            assert_eq!(
                text(headers, "content-type").as_deref(),
                Some("application/problem+json"),
                "{place}"
            );
            assert_eq!(body["type"], "about:blank", "{place}");
            assert_eq!(body["status"], Value::from(status), "{place}");
            assert!(body["title"].is_string(), "{place}");
            &body["detail"]
        }
        other => panic!("no words are known of the errors of {other}"),
    };
    assert!(
        sentence
            .as_str()
            .is_some_and(|sentence| sentence.ends_with('.')),
        "{place}: no sentence"
    );
    let id = if api == "veeam" {
        "traceId"
    } else {
        "requestId"
    };
    assert_eq!(
        body[id].as_str(),
        text(headers, "x-request-id").as_deref(),
        "{place}"
    );
    assert_eq!(
        headers.contains_key("www-authenticate"),
        status == 401 || body["code"] == "INSUFFICIENT_SCOPE",
        "{place}"
    );
    assert_eq!(
        headers.contains_key("retry-after"),
        matches!(status, 429 | 503),
        "{place}"
    );
    if let Some(wait) = text(headers, "retry-after") {
        let wait: u64 = wait.parse().expect("Retry-After is in seconds");
        assert!(wait > 0, "{place}: Retry-After of nothing");
        assert_eq!(body["retryAfter"], Value::from(wait), "{place}");
    }
}
