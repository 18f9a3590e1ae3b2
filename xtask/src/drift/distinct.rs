//! House rule on `oneOf`: a reader must be able to tell the members apart by what they require.
//!
//! The generated SDK tries members in turn, so two members that look alike would silently be read as the first.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::openapi::flat;

/// Checks each oneOf in a schema, however deep.
pub fn findings(spec: &Value, place: &str, schema: &Value, found: &mut Vec<String>) {
    if let Some(members) = schema["oneOf"].as_array() {
        for (index, left) in members.iter().enumerate() {
            for right in &members[index + 1..] {
                if !told_apart(spec, left, right) {
                    found.push(format!(
                        "{place}: nothing required tells {} and {} apart",
                        title(left),
                        title(right)
                    ));
                }
            }
        }
    }
    let Some(map) = schema.as_object() else {
        return;
    };
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    findings(spec, &format!("{place}, property {name}"), property, found);
                }
            }
            ("items" | "additionalProperties" | "not", _) => findings(spec, place, inner, found),
            ("oneOf" | "anyOf" | "allOf", Value::Array(members)) => {
                for member in members {
                    findings(spec, place, member, found);
                }
            }
            _ => {}
        }
    }
}

/// A required string property with one value each, not the same; or something that each one requires and the other
/// does not have.
fn told_apart(spec: &Value, left: &Value, right: &Value) -> bool {
    let (left, right) = (Member::new(spec, left), Member::new(spec, right));
    let constants = left.constants.iter().any(|(name, value)| {
        right
            .constants
            .iter()
            .any(|(other, theirs)| name == other && value != theirs)
    });
    constants || left.has_its_own(&right) && right.has_its_own(&left)
}

struct Member {
    required: BTreeSet<String>,
    properties: BTreeSet<String>,
    constants: Vec<(String, Value)>,
}

impl Member {
    fn new(spec: &Value, schema: &Value) -> Self {
        let (properties, required) = flat(spec, schema);
        let required: BTreeSet<String> = required
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let names = properties.iter().map(|(name, _)| name.clone()).collect();
        let constants = properties
            .into_iter()
            .filter(|(name, property)| required.contains(name) && property["type"] == "string")
            .filter_map(
                |(name, property)| match property["enum"].as_array()?.as_slice() {
                    [only] => Some((name, only.clone())),
                    _several => None,
                },
            )
            .collect();
        Self {
            required,
            properties: names,
            constants,
        }
    }

    /// Whether it requires something that the other does not have.
    fn has_its_own(&self, other: &Self) -> bool {
        let mut own = self.required.difference(&other.properties);
        own.any(|name| !other.required.contains(name))
    }
}

fn title(schema: &Value) -> &str {
    schema["$ref"]
        .as_str()
        .and_then(|target| target.rsplit('/').next())
        .unwrap_or("an unnamed member")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::findings;

    fn count(left: &Value, right: &Value) -> usize {
        let mut found = Vec::new();
        findings(
            &json!({}),
            "x",
            &json!({ "oneOf": [left, right] }),
            &mut found,
        );
        found.len()
    }

    #[test]
    fn members_need_a_constant_or_a_field_of_their_own() {
        let constant = |value: &str| {
            json!({ "required": ["kind", "id"], "properties": {
            "kind": { "type": "string", "enum": [value] }, "id": { "type": "string" } } })
        };
        assert_eq!(count(&constant("a"), &constant("b")), 0);
        assert_eq!(count(&constant("a"), &constant("a")), 1);
        let mut optional = constant("b");
        optional["required"] = json!(["id"]);
        assert_eq!(count(&constant("a"), &optional), 1);
        assert_eq!(
            count(&json!({ "required": ["a"] }), &json!({ "required": ["b"] })),
            0
        );
        assert_eq!(count(&json!({ "required": ["a"] }), &json!({})), 1);
        let member = |own: &str, other: &str| json!({ "required": ["id", own], "properties": { "id": {}, own: {}, other: {} } });
        assert_eq!(count(&member("a", "c"), &member("b", "c")), 0);
        assert_eq!(count(&member("a", "b"), &member("b", "c")), 1);
    }
}
