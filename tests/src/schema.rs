//! Converts schemas of OpenAPI 3.0 to JSON Schema 2020-12. They are closed, so that a field missing
//! in the contract is found.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// A schema of a document. It is compiled when it is first used: compiling all of them takes seconds, and one test uses
/// few.
pub struct Schema {
    own: Value,
    components: Arc<Value>,
    compiled: OnceLock<Validator>,
}

impl Schema {
    /// Names a schema. `components` are its document's, already [`translated`].
    pub fn new(schema: &Value, components: &Arc<Value>) -> Self {
        Self {
            own: schema.clone(),
            components: Arc::clone(components),
            compiled: OnceLock::new(),
        }
    }
}

impl Deref for Schema {
    type Target = Validator;

    fn deref(&self) -> &Validator {
        self.compiled
            .get_or_init(|| compile(&self.own, &self.components))
    }
}

/// Compiles a schema of a document.
///
/// # Panics
/// Panics if the schema is not valid.
pub fn compile(schema: &Value, components: &Value) -> Validator {
    let whole = json!({ "allOf": [translated(schema)], "components": components });
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&whole)
        .unwrap_or_else(|error| panic!("not a schema: {error}\n{schema:#}"))
}

/// Translates every schema below this value.
pub fn translated(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(object(members)),
        Value::Array(items) => items.iter().map(translated).collect(),
        other => other.clone(),
    }
}

fn object(members: &Map<String, Value>) -> Map<String, Value> {
    let mut result: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "example" | "examples" | "nullable"))
        .map(|(name, value)| (name.clone(), translated(value)))
        .collect();
    if members.get("nullable") == Some(&Value::Bool(true)) {
        let kind = result
            .get("type")
            .cloned()
            .unwrap_or_else(|| json!("object"));
        result.insert("type".to_owned(), json!([kind, "null"]));
    }
    for (bound, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        if result.get(exclusive).is_some_and(Value::is_boolean) {
            let strict = result.remove(exclusive) == Some(Value::Bool(true));
            if let Some(limit) = result.remove(bound) {
                result.insert(if strict { exclusive } else { bound }.to_owned(), limit);
            }
        }
    }
    // The contract lets answers gain fields, but the server must declare all it sends.
    let closed = result.get("type") == Some(&json!("object"))
        && result.get("properties").is_some_and(Value::is_object);
    if closed {
        result
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::compile;

    #[test]
    fn what_3_0_says_differently_is_translated() {
        let schema = json!({
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                "b": { "type": "string", "nullable": true },
                "c": { "type": "string", "format": "uuid" },
                "d": { "$ref": "#/components/schemas/D" },
            },
        });
        let components = json!({ "schemas": { "D": { "type": "string", "enum": ["d"] } } });
        let fits = |value| compile(&schema, &components).is_valid(&value);
        assert!(fits(json!({ "a": 1, "b": null })));
        assert!(!fits(json!({ "a": 0 })));
        assert!(!fits(json!({ "a": 1, "c": "no uuid" })));
        assert!(!fits(json!({ "a": 1, "d": "x" })));
        assert!(!fits(json!({ "a": 1, "e": "undeclared" })));
    }
}
