//! House rule for `x-also-served`: each entry leads to existing paths and hides none.

use serde_json::Value;

use crate::openapi::entries;

/// Checks the path prefixes that are served as others.
pub fn findings(spec: &Value, found: &mut Vec<String>) {
    let any_begins_with = |beginning: &str| {
        entries(&spec["paths"]).any(|(path, _)| {
            path.strip_prefix(beginning)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    for (asked, served) in entries(&spec["x-also-served"]) {
        let served = served.as_str().unwrap_or_default();
        if served.is_empty() || !any_begins_with(served) {
            found.push(format!(
                "x-also-served leads {asked} to {served:?}, with which no path begins"
            ));
        }
        if any_begins_with(asked) {
            found.push(format!(
                "x-also-served leads {asked} away, with which paths of the document begin"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::findings;

    #[test]
    fn an_entry_leads_somewhere_and_hides_nothing() {
        let found = |entry| {
            let mut found = Vec::new();
            let spec = json!({
                "paths": { "/api/v1/users": {}, "/api/v8.1/users": {} },
                "x-also-served": entry,
            });
            findings(&spec, &mut found);
            found
        };
        assert!(found(json!({ "/api/v2": "/api/v1" })).is_empty());
        for bad in [
            json!({ "/api/v2": "/api/v3" }),
            json!({ "/api/v2": "/api/v" }),
            json!({ "/api/v2": 1 }),
            json!({ "/api/v8.1": "/api/v1" }),
        ] {
            assert_eq!(found(bad.clone()).len(), 1, "{bad}");
        }
    }
}
