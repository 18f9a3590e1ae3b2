//! House rules for a hand-written document: what readers, the SDK generator and Swagger UI rely on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{deprecated, distinct, errors, names, served};
use crate::openapi::{Operation, entries, operations, resolve};

/// The sources of an operation's or field's shape: a vendor's page, a conclusion from it, or our
/// own addition.
const SOURCES: [&str; 3] = ["documented", "inferred", "extension"];

/// Returns every broken rule, one sentence each.
pub fn findings(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if !spec["openapi"]
        .as_str()
        .is_some_and(|version| version.starts_with("3.0."))
    {
        found.push(format!(
            "the document is OpenAPI {}, not 3.0",
            spec["openapi"]
        ));
    }
    operation_ids(spec, &mut found);
    errors::envelope(spec, &mut found);
    names::findings(spec, &mut found);
    served::findings(spec, &mut found);
    for operation in operations(spec) {
        words(spec, &operation, &mut found);
        parameters(spec, &operation, &mut found);
        examples(spec, &operation, &mut found);
        errors::findings(spec, &operation, &mut found);
        deprecated::findings(spec, &operation, &mut found);
        for (status, answer) in entries(&operation.object["responses"]) {
            for (_, media) in entries(&resolve(spec, answer)["content"]) {
                let place = format!("{}, answer {status}", operation.name);
                distinct::findings(spec, &place, &media["schema"], &mut found);
            }
        }
    }
    for (name, schema) in entries(&spec["components"]["schemas"]) {
        let place = format!("schema {name}");
        described(spec, &place, schema, &mut found);
        distinct::findings(spec, &place, schema, &mut found);
    }
    dangling(spec, spec, &mut found);
    found
}

fn operation_ids(spec: &Value, found: &mut Vec<String>) {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for operation in operations(spec) {
        let Some(id) = operation.object["operationId"].as_str() else {
            continue;
        };
        if let Some(first) = seen.get(id) {
            found.push(format!(
                "{} has the operationId {id}, which {first} has already",
                operation.name
            ));
        } else {
            seen.insert(id, operation.name);
        }
    }
}

/// Checks operationId, summary, description, tag, security and x-source.
fn words(spec: &Value, operation: &Operation, found: &mut Vec<String>) {
    let name = &operation.name;
    for key in ["operationId", "summary", "description"] {
        if operation.object[key]
            .as_str()
            .is_none_or(|text| text.trim().is_empty())
        {
            found.push(format!("{name} has no {key}"));
        }
    }
    let known: BTreeSet<&str> = spec["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| tag["name"].as_str())
        .collect();
    let tags = operation.object["tags"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    match tags {
        [Value::String(tag)] if known.contains(tag.as_str()) => {}
        [Value::String(tag)] => found.push(format!(
            "{name} has the tag {tag}, which the document does not list"
        )),
        others => found.push(format!("{name} has {} tags instead of one", others.len())),
    }
    if operation
        .object
        .get("security")
        .is_none_or(|security| !security.is_array())
    {
        found.push(format!(
            "{name} does not say its security (an empty list for none)"
        ));
    }
    for requirement in operation.object["security"]
        .as_array()
        .into_iter()
        .flatten()
    {
        for (scheme, _) in entries(requirement) {
            if spec["components"]["securitySchemes"].get(scheme).is_none() {
                found.push(format!(
                    "{name} asks for the security scheme {scheme}, which the document does not have"
                ));
            }
        }
    }
    let source = operation.object["x-source"].as_str().unwrap_or_default();
    if !SOURCES.contains(&source) {
        found.push(format!(
            "{name} has no x-source of documented, inferred or extension"
        ));
    }
}

fn parameters(spec: &Value, operation: &Operation, found: &mut Vec<String>) {
    let lists = [
        &operation.item["parameters"],
        &operation.object["parameters"],
    ];
    for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
        let parameter = resolve(spec, parameter);
        if parameter["description"]
            .as_str()
            .is_none_or(|text| text.trim().is_empty())
        {
            found.push(format!(
                "{}, parameter {} has no description",
                operation.name, parameter["name"]
            ));
        }
    }
}

/// Checks that there is an example of the request if it has a body, and of each answer with
/// content.
fn examples(spec: &Value, operation: &Operation, found: &mut Vec<String>) {
    let name = &operation.name;
    if let Some(body) = operation.object.get("requestBody") {
        for (media, value) in entries(&resolve(spec, body)["content"]) {
            if !has_example(value) {
                found.push(format!("{name} has no example for its {media} body"));
            }
        }
    }
    for (status, answer) in entries(&operation.object["responses"]) {
        let answer = resolve(spec, answer);
        if answer["description"]
            .as_str()
            .is_none_or(|text| text.trim().is_empty())
        {
            found.push(format!("{name}, answer {status} has no description"));
        }
        for (media, value) in entries(&answer["content"]) {
            if !has_example(value) {
                found.push(format!("{name}, answer {status} has no {media} example"));
            }
            for (example, value) in entries(&value["examples"]) {
                if !is_shared(spec, value) {
                    found.push(format!(
                        "{name}, answer {status}: the example {example} does not stand in components/examples"
                    ));
                }
            }
        }
    }
}

/// Tells whether a named example leads to a component: openapi-generator warns if one is written in
/// an answer.
fn is_shared(spec: &Value, example: &Value) -> bool {
    let target = example["$ref"].as_str().unwrap_or_default();
    let pointer = target.strip_prefix('#').unwrap_or_default();
    pointer.starts_with("/components/examples/") && spec.pointer(pointer).is_some()
}

/// Tells whether a media type object has at least one example.
pub fn has_example(media: &Value) -> bool {
    media.get("example").is_some()
        || media["examples"]
            .as_object()
            .is_some_and(|map| !map.is_empty())
}

/// Checks that every property is described: directly, by the component it refers to, or by having
/// only one possible value.
fn described(spec: &Value, place: &str, schema: &Value, found: &mut Vec<String>) {
    for (name, property) in entries(&schema["properties"]) {
        let place = format!("{place}, property {name}");
        if !says_what_it_is(spec, property) {
            found.push(format!("{place} has no description"));
        }
        described(spec, &place, property, found);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            described(spec, place, &schema[key], found);
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for member in schema[key].as_array().into_iter().flatten() {
            described(spec, place, member, found);
        }
    }
}

fn says_what_it_is(spec: &Value, property: &Value) -> bool {
    let described = |value: &Value| {
        value["description"]
            .as_str()
            .is_some_and(|text| !text.trim().is_empty())
    };
    let constant = property["enum"]
        .as_array()
        .is_some_and(|values| values.len() == 1);
    constant
        || described(property)
        || property.get("$ref").is_some() && described(resolve(spec, property))
}

/// Finds references that lead nowhere. Examples are data and are not searched.
fn dangling(spec: &Value, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(sentence) = leads_nowhere(spec, map) {
                found.push(sentence);
            }
            for (key, inner) in map {
                if !matches!(key.as_str(), "example" | "examples") {
                    dangling(spec, inner, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| dangling(spec, inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn leads_nowhere(spec: &Value, map: &Map<String, Value>) -> Option<String> {
    let target = map.get("$ref")?.as_str()?;
    let pointer = target.strip_prefix('#');
    if pointer.and_then(|pointer| spec.pointer(pointer)).is_some() {
        return None;
    }
    Some(format!("the reference {target} leads nowhere"))
}
