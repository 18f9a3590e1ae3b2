//! Brings one schema into canonical form: 3.1 idioms as 3.0 ones, prose and defaults dropped,
//! unordered lists sorted.

use serde_json::{Map, Value, json};

/// Keywords that do not affect which values are allowed.
const PROSE: [&str; 8] = [
    "description",
    "title",
    "example",
    "examples",
    "externalDocs",
    "$comment",
    "$schema",
    "xml",
];

/// Keywords with a default. Stating the default is the same as leaving it out.
const DEFAULTS: [(&str, Value); 7] = [
    ("deprecated", Value::Bool(false)),
    ("nullable", Value::Bool(false)),
    ("readOnly", Value::Bool(false)),
    ("writeOnly", Value::Bool(false)),
    ("uniqueItems", Value::Bool(false)),
    ("additionalProperties", Value::Bool(true)),
    ("required", Value::Array(Vec::new())),
];

/// Returns the canonical form of a schema in either dialect.
pub fn schema(value: &Value) -> Value {
    let Some(source) = value.as_object() else {
        return value.clone();
    };
    let mut map = Map::new();
    for (key, inner) in source {
        if PROSE.contains(&key.as_str()) || key.starts_with("x-") || key == "propertyNames" {
            continue;
        }
        map.insert(key.clone(), keyword(key, inner));
    }
    null_forms(&mut map);
    bounds(&mut map);
    if let Some(constant) = map.remove("const") {
        map.insert("enum".to_owned(), json!([constant]));
    }
    for (key, default) in &DEFAULTS {
        if map.get(*key) == Some(default) {
            map.remove(*key);
        }
    }
    if map.get("additionalProperties") == Some(&json!({})) {
        map.remove("additionalProperties");
    }
    for key in ["required", "enum", "oneOf", "anyOf", "allOf"] {
        if let Some(Value::Array(list)) = map.get_mut(key) {
            list.sort_by_key(Value::to_string);
        }
    }
    unwrap_single(map)
}

/// Returns the canonical form of a keyword's value. Names under `properties` are not keywords.
fn keyword(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("properties", Value::Object(properties)) => properties
            .iter()
            .map(|(name, inner)| (name.clone(), schema(inner)))
            .collect(),
        ("items" | "additionalProperties" | "not", Value::Object(_)) => schema(value),
        ("oneOf" | "anyOf" | "allOf", Value::Array(members)) => {
            members.iter().map(schema).collect()
        }
        ("$ref", Value::String(target)) => {
            json!(
                target
                    .strip_prefix("#/components/schemas/")
                    .unwrap_or(target)
            )
        }
        ("discriminator", Value::Object(_)) => discriminator(value),
        (_, Value::Number(number)) => plain_number(number),
        _ => value.clone(),
    }
}

/// Lists `mapping` by schema name, whether it is written as a name or as a reference.
fn discriminator(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(Value::Object(mapping)) = value.get_mut("mapping") {
        for target in mapping.values_mut() {
            if let Value::String(text) = target {
                *text = text.trim_start_matches("#/components/schemas/").to_owned();
            }
        }
    }
    value
}

/// Makes `1.0` and `1` the same number.
fn plain_number(number: &serde_json::Number) -> Value {
    let float = number.as_f64().unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only whole numbers far inside the range get here"
    )]
    if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 {
        return json!(float as i64);
    }
    Value::Number(number.clone())
}

/// Converts the three ways in which 3.1 allows null to `nullable`.
fn null_forms(map: &mut Map<String, Value>) {
    let mut nullable = false;
    if let Some(Value::Array(types)) = map.get_mut("type") {
        let before = types.len();
        types.retain(|one| one != "null");
        nullable |= types.len() < before;
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(Value::Array(members)) = map.get_mut(key) {
            let before = members.len();
            members.retain(|one| *one != json!({ "type": "null" }));
            nullable |= members.len() < before;
        }
    }
    if nullable && let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|one| !one.is_null());
    }
    if nullable {
        map.insert("nullable".to_owned(), json!(true));
    }
}

/// Converts a numeric `exclusiveMinimum` of 3.1 to the boolean one of 3.0.
fn bounds(map: &mut Map<String, Value>) {
    for (exclusive, plain) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        match map.get(exclusive).cloned() {
            Some(Value::Number(bound)) => {
                map.insert(plain.to_owned(), Value::Number(bound));
                map.insert(exclusive.to_owned(), json!(true));
            }
            Some(Value::Bool(false)) => {
                map.remove(exclusive);
            }
            _ => {}
        }
    }
}

/// Replaces a combination of one member: by the member if it stands alone, otherwise by an `allOf`.
fn unwrap_single(mut map: Map<String, Value>) -> Value {
    for key in ["oneOf", "anyOf", "allOf"] {
        let Some(Value::Array(members)) = map.get(key) else {
            continue;
        };
        let [only] = members.as_slice() else { continue };
        let only = only.clone();
        map.remove(key);
        if map.is_empty() {
            return only;
        }
        map.insert("allOf".to_owned(), json!([only]));
        break;
    }
    // 3.1 allows keywords beside a `$ref`; 3.0 expresses that as an allOf of one.
    if map.len() > 1
        && let Some(target) = map.remove("$ref")
    {
        map.insert("allOf".to_owned(), json!([{ "$ref": target }]));
    }
    Value::Object(map)
}
