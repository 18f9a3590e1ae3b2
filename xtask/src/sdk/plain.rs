//! Removes from the document what must not be fixed in a shipped SDK.
//!
//! Lengths, patterns, ranges and defaults are for the server to judge. A client that enforces those
//! of its own version refuses what a newer or differently configured server accepts, and fails to
//! read its answers. Unknown fields are never refused. Examples would only swell the generated
//! documentation. If a vendor spells an optional field in two ways, the first one is enough: both
//! have the same name in Rust.

use std::collections::BTreeSet;

use heck::ToSnakeCase;
use serde_json::{Value, json};

/// Keywords of a schema that a client does not enforce.
const DROPPED: [&str; 13] = [
    "default",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
];

/// Strips all schemas of components, parameters and bodies.
pub fn strip(document: &mut Value) {
    if let Some(components) = document["components"].as_object_mut() {
        components.remove("examples");
        for schema in components
            .get_mut("schemas")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            plain(schema.1);
        }
    }
    inner_schemas(document);
}

/// Strips the schemas under a `schema` key, anywhere outside the component schemas.
fn inner_schemas(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("example");
            map.remove("examples");
            for (key, inner) in map.iter_mut() {
                match key.as_str() {
                    "schema" => plain(inner),
                    "schemas" => {}
                    _other => inner_schemas(inner),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(inner_schemas),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn plain(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    let unsigned = map
        .get("minimum")
        .and_then(Value::as_f64)
        .is_some_and(|minimum| minimum >= 0.0);
    for key in DROPPED {
        map.remove(key);
    }
    if map.get("additionalProperties") == Some(&json!(false)) {
        map.remove("additionalProperties");
    }
    if unsigned && map.get("type") == Some(&json!("integer")) {
        let small = map.get("format") == Some(&json!("int32"));
        map.insert(
            "format".to_owned(),
            json!(if small { "uint32" } else { "uint64" }),
        );
    }
    // The server judges which fields are required together. As a type it would be one variant for
    // each choice.
    if map.contains_key("properties") {
        map.remove("anyOf");
    }
    let required = map.get("required").cloned().unwrap_or_default();
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        let mut known = BTreeSet::new();
        properties.retain(|name, _| {
            let first = known.insert(name.to_snake_case());
            first
                || required
                    .as_array()
                    .is_some_and(|all| all.contains(&json!(name)))
        });
        for (_, property) in properties {
            plain(property);
        }
    }
    for key in ["items", "additionalProperties", "not"] {
        if let Some(inner) = map.get_mut(key) {
            plain(inner);
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        map.get_mut(key)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .for_each(plain);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::strip;

    #[test]
    fn what_the_server_judges_is_not_baked_in() {
        let mut document = json!({
            "paths": { "/a": { "get": { "parameters": [{ "name": "limit", "example": 3, "schema": {
                "type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "default": 30 } }] } } },
            "components": { "schemas": { "A": { "type": "object", "additionalProperties": false, "properties": {
                "example": { "type": "string", "minLength": 1, "pattern": "x" },
                "refreshToken": { "type": "string" }, "refresh_token": { "type": "string" } } } } },
        });
        strip(&mut document);
        let limit = json!({ "name": "limit", "schema": { "type": "integer", "format": "uint32" } });
        assert_eq!(document["paths"]["/a"]["get"]["parameters"][0], limit);
        let schema = json!({ "type": "object", "properties": {
            "example": { "type": "string" }, "refreshToken": { "type": "string" } } });
        assert_eq!(document["components"]["schemas"]["A"], schema);
    }
}
