//! Finds U+0000 in requests. It is refused: PostgreSQL cannot store it, SQLite could, and nobody
//! can type it.

use serde_json::Value;
use url::form_urlencoded;

/// Returns the field of a JSON body that contains it in its value, at any depth; `body` if a name
/// contains it.
///
/// A body that does not contain the escape sequence is not parsed.
pub(super) fn in_json(bytes: &[u8]) -> Option<String> {
    const WRITTEN: &[u8] = b"\\u0000";
    if !bytes.windows(WRITTEN.len()).any(|part| part == WRITTEN) {
        return None;
    }
    // A body that cannot be parsed is refused elsewhere.
    find("", &serde_json::from_slice(bytes).ok()?)
}

fn find(path: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(|| path.to_owned()),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .find_map(|(index, value)| find(&format!("{path}[{index}]"), value)),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            if name.contains('\0') {
                let named = if path.is_empty() { "body" } else { path };
                return Some(named.to_owned());
            }
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            find(&path, value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Returns the name of the field of a query or a form that contains it, in its value or its name. The
/// returned name has U+0000 removed.
pub(super) fn in_pairs(text: &str) -> Option<String> {
    form_urlencoded::parse(text.as_bytes()).find_map(|(name, value)| {
        let there = name.contains('\0') || value.contains('\0');
        there.then(|| name.replace('\0', ""))
    })
}

#[cfg(test)]
mod tests {
    use super::{in_json, in_pairs};

    #[test]
    fn it_is_found_wherever_it_is_and_nowhere_else() {
        for (body, field) in [
            (r#"{"email": "a\u0000"}"#, Some("email")),
            (r#"{"a": {"b": ["", {"c": "\u0000"}]}}"#, Some("a.b[1].c")),
            (r#"{"a": {"b\u0000": 1}}"#, Some("a")),
            (r#"{"\u0000": 1}"#, Some("body")),
            (r#"{"email": "a\\u0000"}"#, None),
            (r#"{"email": "a\u00001", "x": 1}"#, Some("email")),
            (r#"{"email": "a"}"#, None),
            (r#"{"email": "\u0000""#, None),
        ] {
            assert_eq!(in_json(body.as_bytes()).as_deref(), field, "{body}");
        }
        assert_eq!(in_pairs("a=b&c=%00").as_deref(), Some("c"));
        assert_eq!(in_pairs("a=b&c%00=d").as_deref(), Some("c"));
        assert_eq!(in_pairs("a=%2500&c="), None);
    }
}
