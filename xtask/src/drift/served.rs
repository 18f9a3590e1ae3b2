//! House rule on `x-also-served`: each entry leads to paths that are there, and hides none.

use serde_json::Value;

use crate::openapi::entries;

/// Checks the beginnings of paths that are served as others.
pub fn findings(spec: &Value, found: &mut Vec<String>) {
    let any_begins_with = |beginning: &str| {
        entries(&spec["paths"]).any(|(path, _)| {
            path.strip_prefix(beginning)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    for (asked, served) in entries(&spec["x-also-served"]) {
        let served = served.as_str().unwrap_or_default();
        if !any_begins_with(served) {
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
