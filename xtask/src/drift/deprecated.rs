//! House rule for deprecated operations: they say how long they work, and what to use instead.

use serde_json::{Value, json};

use crate::openapi::{Operation, entries, is_error, operations, resolve};

/// The headers with the times since when an operation is deprecated (RFC 9745) and when it goes
/// (RFC 8594).
const HEADERS: [&str; 2] = ["Deprecation", "Sunset"];

/// Checks one operation.
pub fn findings(spec: &Value, operation: &Operation, found: &mut Vec<String>) {
    if !is_deprecated(operation) {
        return;
    }
    let name = &operation.name;
    for (status, answer) in entries(&operation.object["responses"]) {
        if is_error(status) {
            continue;
        }
        let declared = &resolve(spec, answer)["headers"];
        for header in HEADERS {
            if !entries(declared).any(|(other, _)| other.eq_ignore_ascii_case(header)) {
                found.push(format!(
                    "{name} is deprecated, and its answer {status} does not declare {header}"
                ));
            }
        }
    }
    let words = operation.object["description"].as_str().unwrap_or_default();
    let words = words.split_whitespace().collect::<Vec<&str>>().join(" ");
    let replaced = operations(spec).iter().any(|other| {
        !is_deprecated(other) && words.contains(&format!("Use `{}` instead", other.name))
    });
    if !replaced {
        found.push(format!(
            "{name} is deprecated, and its description does not say \"Use `METHOD /path` instead\" of an operation \
             that is not"
        ));
    }
}

fn is_deprecated(operation: &Operation) -> bool {
    operation.object["deprecated"] == json!(true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::findings;
    use crate::openapi::operations;

    fn document(description: &str, headers: &Value, next: bool) -> Value {
        json!({ "paths": {
            "/old": { "get": { "deprecated": true, "description": description,
                "responses": { "200": { "headers": headers }, "404": {} } } },
            "/new": { "get": { "deprecated": next, "description": "Use `GET /old` instead.",
                "responses": { "204": { "headers": headers } } } },
        } })
    }

    fn found(document: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for operation in operations(document) {
            findings(document, &operation, &mut found);
        }
        found
    }

    #[test]
    fn a_deprecated_operation_says_until_when_and_what_instead() {
        let both = json!({ "deprecation": {}, "Sunset": {} });
        let words = "Does it. Use `GET /new` instead.";
        assert_eq!(found(&document(words, &both, false)), Vec::<String>::new());
        assert_eq!(
            found(&document(words, &json!({ "Deprecation": {} }), false)),
            ["GET /old is deprecated, and its answer 200 does not declare Sunset"]
        );
        for words in ["Does it.", "Use `GET /newer` instead.", "See `GET /new`."] {
            let found = found(&document(words, &both, false));
            assert!(found[0].contains("does not say"), "{words}: {found:?}");
        }
        assert_eq!(found(&document(words, &both, true)).len(), 2);
    }
}
