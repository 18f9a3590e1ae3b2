//! Brings a hand-written 3.0 document and a derived 3.1 document into one canonical form, in which
//! equal contracts are equal values.
//!
//! Prose, examples and defaults are dropped, 3.1 idioms get their 3.0 form, unordered lists are
//! sorted, and references to anything but schemas are resolved. What remains is what a client can
//! observe.

use serde_json::{Map, Value, json};

use super::shape::schema;
use crate::openapi::{self, entries, resolve};

/// Returns the canonical form of a document: `operations`, `schemas` and `securitySchemes`.
pub fn canonical(document: &Value) -> Value {
    let mut operations = Map::new();
    for found in openapi::operations(document) {
        let value = operation(document, found.item, found.object);
        operations.insert(found.name, value);
    }
    let schemas: Map<String, Value> = entries(&document["components"]["schemas"])
        .map(|(name, value)| (name.clone(), schema(value)))
        .collect();
    let doors: Map<String, Value> = entries(&document["components"]["securitySchemes"])
        .map(|(name, value)| (name.clone(), without_prose(resolve(document, value))))
        .collect();
    json!({ "operations": operations, "schemas": schemas, "securitySchemes": doors })
}

fn operation(document: &Value, item: &Value, found: &Value) -> Value {
    let mut parameters = Map::new();
    for list in [&item["parameters"], &found["parameters"]] {
        for one in list.as_array().into_iter().flatten() {
            let one = resolve(document, one);
            parameters.insert(parameter_name(one), parameter(one));
        }
    }
    let mut answers = Map::new();
    for (status, answer) in entries(&found["responses"]) {
        answers.insert(
            status.clone(),
            response(document, resolve(document, answer)),
        );
    }
    let mut canonical = Map::new();
    canonical.insert("operationId".to_owned(), found["operationId"].clone());
    canonical.insert("tags".to_owned(), sorted(found.get("tags")));
    canonical.insert("security".to_owned(), security(document, found));
    canonical.insert("parameters".to_owned(), Value::Object(parameters));
    if let Some(body) = found.get("requestBody") {
        canonical.insert(
            "body".to_owned(),
            request_body(document, resolve(document, body)),
        );
    }
    canonical.insert("answers".to_owned(), Value::Object(answers));
    if found["deprecated"] == json!(true) {
        canonical.insert("deprecated".to_owned(), json!(true));
    }
    Value::Object(canonical)
}

/// Returns a name such as `query:limit` or `header:x-request-id`. Header names ignore case.
fn parameter_name(parameter: &Value) -> String {
    let place = parameter["in"].as_str().unwrap_or_default();
    let name = parameter["name"].as_str().unwrap_or_default();
    if place == "header" {
        format!("{place}:{}", name.to_lowercase())
    } else {
        format!("{place}:{name}")
    }
}

fn parameter(parameter: &Value) -> Value {
    let place = parameter["in"].as_str().unwrap_or_default();
    let mut canonical = Map::new();
    canonical.insert(
        "required".to_owned(),
        json!(parameter["required"] == json!(true)),
    );
    canonical.insert("schema".to_owned(), schema(&parameter["schema"]));
    let form = matches!(place, "query" | "cookie");
    let defaults = [
        ("style", json!(if form { "form" } else { "simple" })),
        ("explode", json!(form)),
        ("allowReserved", json!(false)),
    ];
    for (key, default) in defaults {
        if let Some(value) = parameter.get(key).filter(|value| **value != default) {
            canonical.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(canonical)
}

fn request_body(document: &Value, body: &Value) -> Value {
    let required = body["required"] == json!(true);
    let mut content = content(document, body);
    if !required {
        // utoipa can express "optional" only by an Option, which makes the schema nullable as well.
        for (_, media) in &mut content {
            if let Some(map) = media.as_object_mut() {
                map.remove("nullable");
                if let Some(inner) = map.remove("allOf").and_then(single) {
                    *media = inner;
                }
            }
        }
    }
    json!({ "required": required, "content": content })
}

fn response(document: &Value, answer: &Value) -> Value {
    let mut headers = Map::new();
    for (name, header) in entries(&answer["headers"]) {
        let header = resolve(document, header);
        // utoipa cannot express `required` for a header. The contract tests check that the header
        // is really there.
        headers.insert(
            name.to_lowercase(),
            json!({ "schema": schema(&header["schema"]) }),
        );
    }
    let mut content = content(document, answer);
    for (_, media) in &mut content {
        // In an answer, one schema and a oneOf of several mean the same kind of thing: a set of
        // possible bodies.
        if media
            .as_object()
            .is_some_and(|map| map.len() == 1 && map.contains_key("$ref"))
        {
            *media = json!({ "oneOf": [media.take()] });
        }
    }
    json!({ "headers": headers, "content": content })
}

/// Media type → canonical schema.
fn content(document: &Value, holder: &Value) -> Map<String, Value> {
    entries(&holder["content"])
        .map(|(media, value)| {
            (
                media.to_lowercase(),
                schema(&resolve(document, value)["schema"]),
            )
        })
        .collect()
}

/// Returns the operation's own requirements, otherwise the document's. No requirement and the empty
/// one are equal.
fn security(document: &Value, operation: &Value) -> Value {
    let list = operation
        .get("security")
        .or_else(|| document.get("security"));
    let sorted = sorted(list);
    if sorted == json!([{}]) {
        json!([])
    } else {
        sorted
    }
}

/// Sorts a list. A missing list becomes the empty one.
fn sorted(list: Option<&Value>) -> Value {
    let mut members = list.and_then(Value::as_array).cloned().unwrap_or_default();
    members.sort_by_key(Value::to_string);
    Value::Array(members)
}

/// Returns the only member of a list.
fn single(list: Value) -> Option<Value> {
    match list {
        Value::Array(mut members) if members.len() == 1 => members.pop(),
        _other => None,
    }
}

fn without_prose(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.retain(|key, _| key != "description" && !key.starts_with("x-"));
    }
    value
}
