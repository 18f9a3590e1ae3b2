//! Walks through an OpenAPI document held as a value, for both the checks and the SDK generator.

use std::collections::BTreeSet;

use serde_json::Value;

/// The methods that an OpenAPI path item can have.
pub const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The media types that a typed error may have.
const ERROR_MEDIA: [&str; 2] = ["application/json", "application/problem+json"];

/// The prefix of a reference to a component schema.
pub const SCHEMAS: &str = "#/components/schemas/";

/// One operation of a document, and its place.
pub struct Operation<'a> {
    /// Method and path: `POST /identity/login`.
    pub name: String,
    /// The path: `/identity/login`.
    pub path: &'a str,
    /// The method: `post`.
    pub method: &'static str,
    /// The operation object.
    pub object: &'a Value,
    /// The path item that it belongs to.
    pub item: &'a Value,
}

/// Returns all operations, by path and method.
pub fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for method in METHODS {
            if let Some(object) = item.get(method) {
                let name = format!("{} {path}", method.to_uppercase());
                found.push(Operation {
                    name,
                    path,
                    method,
                    object,
                    item,
                });
            }
        }
    }
    found
}

/// Returns the members of an object; none for anything else.
pub fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Follows `$ref`s into the document. A dangling one stays as it is.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..16 {
        let Some(Value::String(target)) = value.get("$ref") else {
            break;
        };
        let Some(found) = target
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer))
        else {
            break;
        };
        value = found;
    }
    value
}

/// Tells whether the key of an answer stands for errors.
pub fn is_error(status: &str) -> bool {
    status.starts_with('4') || status.starts_with('5')
}

/// Returns the possible bodies of an error answer: its schema, or the members if it is a union.
pub fn error_schemas(document: &Value, answer: &Value) -> Vec<Value> {
    ERROR_MEDIA
        .iter()
        .filter_map(|media| answer["content"].get(media)?.get("schema"))
        .flat_map(
            |schema| match resolve(document, schema)["oneOf"].as_array() {
                Some(members) => members.clone(),
                None => vec![schema.clone()],
            },
        )
        .collect()
}

/// Returns all properties and all required names of an object schema, through `$ref` and `allOf`.
pub fn flat(document: &Value, schema: &Value) -> (Vec<(String, Value)>, Vec<Value>) {
    let schema = resolve(document, schema);
    let mut properties = Vec::new();
    let mut required = Vec::new();
    for member in schema["allOf"].as_array().into_iter().flatten() {
        let (inner, names) = flat(document, member);
        properties.extend(inner);
        required.extend(names);
    }
    properties
        .extend(entries(&schema["properties"]).map(|(name, value)| (name.clone(), value.clone())));
    required.extend(schema["required"].as_array().into_iter().flatten().cloned());
    (properties, required)
}

/// Returns the component schemas that a part of the document reaches through references.
pub fn reachable_schemas(document: &Value, part: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = Vec::new();
    references(part, &mut open);
    while let Some(target) = open.pop() {
        if found.insert(target.clone())
            && let Some(value) = target
                .strip_prefix('#')
                .and_then(|pointer| document.pointer(pointer))
        {
            references(value, &mut open);
        }
    }
    found
        .iter()
        .filter_map(|target| target.strip_prefix(SCHEMAS))
        .map(str::to_owned)
        .collect()
}

/// Collects the targets of all references in a value.
fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("$ref") {
                into.push(target.clone());
            }
            map.values().for_each(|inner| references(inner, into));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
