//! House rules for names: no two may become equal when a generator converts them to another
//! language's case.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::openapi::{Operation, entries, operations, resolve};

/// Names that the runtimes of generators use themselves.
const TAKEN: [&str; 12] = [
    "ApiClient",
    "ApiError",
    "ApiException",
    "ApiKey",
    "ApiKeyAuth",
    "ApiResponse",
    "Client",
    "Configuration",
    "Error",
    "HttpBearerAuth",
    "Response",
    "Schema",
];

/// Suffixes by which generators derive types from an operation's name.
const OF_OPERATIONS: [&str; 7] = [
    "Response",
    "Responses",
    "Data",
    "Error",
    "Errors",
    "Params",
    "Result",
];

/// Checks the names of schemas, properties, values and parameters.
pub fn findings(spec: &Value, found: &mut Vec<String>) {
    for key in ["license", "contact"] {
        if entries(&spec["info"][key]).count() == 0 {
            found.push(format!("the document does not say its {key}"));
        }
    }
    if spec["info"]["license"]["url"].as_str().is_none() {
        found.push("the document's license has no url".to_owned());
    }
    let operations = operations(spec);
    let mut constants: BTreeMap<String, &String> = BTreeMap::new();
    for (name, schema) in entries(&spec["components"]["schemas"]) {
        schema_name(name, &operations, found);
        properties(&format!("schema {name}"), schema, found);
        for value in schema["enum"].as_array().into_iter().flatten() {
            let folded = folded(value.as_str().unwrap_or_default());
            if let Some(other) = constants.insert(folded, name) {
                found.push(format!(
                    "schemas {other} and {name} both have the value {value}: two constants of one name in Go"
                ));
            }
        }
    }
    for operation in &operations {
        path_parameters(spec, operation, found);
    }
}

fn schema_name(name: &str, operations: &[Operation], found: &mut Vec<String>) {
    let letters: Vec<char> = name.chars().collect();
    let run = letters
        .windows(2)
        .any(|pair| pair.iter().all(char::is_ascii_uppercase));
    if run {
        found.push(format!(
            "schema {name} has capitals in a row, of which generators make names like mFACode"
        ));
    }
    if TAKEN.contains(&name) {
        found.push(format!(
            "schema {name} is a name that the runtime of a generator has for itself"
        ));
    }
    for operation in operations {
        let id = operation.object["operationId"].as_str().unwrap_or_default();
        let clash = OF_OPERATIONS
            .iter()
            .any(|end| folded(name) == folded(&format!("{id}{end}")));
        if clash {
            found.push(format!(
                "schema {name} is what generators call a type of their own for {id}"
            ));
        }
    }
}

/// Checks that no two properties of an object differ only in case or underscores.
fn properties(place: &str, schema: &Value, found: &mut Vec<String>) {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (name, inner) in entries(&schema["properties"]) {
        if let Some(other) = seen.insert(folded(name), name) {
            found.push(format!(
                "{place}: {other} and {name} are one name in most languages"
            ));
        }
        properties(&format!("{place}, property {name}"), inner, found);
    }
}

/// Checks that an id in a path has a pattern, so that a generated client or a fuzzer knows its
/// form.
fn path_parameters(spec: &Value, operation: &Operation, found: &mut Vec<String>) {
    for parameter in operation.object["parameters"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let parameter = resolve(spec, parameter);
        let schema = &parameter["schema"];
        let is_open = schema["pattern"].is_null() && schema["format"].is_null();
        if parameter["in"] == "path" && schema["type"] == "string" && is_open {
            found.push(format!(
                "{}: the path's {} has no pattern",
                operation.name, parameter["name"]
            ));
        }
    }
}

/// Removes from a name what languages change in it.
fn folded(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, '_' | '-' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::findings;

    fn told(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut spec = json!({
            "info": { "license": { "name": "x", "url": "https://example.com" }, "contact": { "name": "x" } },
            "paths": { "/pets/{id}": { "get": { "operationId": "showPet", "parameters": [
                { "name": "id", "in": "path", "schema": { "type": "string", "pattern": "^[0-9]+$" } } ] } } },
            "components": { "schemas": {
                "Kind": { "type": "string", "enum": ["cat", "dog"] },
                "Pet": { "properties": { "petName": {}, "kind": {} } } } },
        });
        change(&mut spec);
        let mut found = Vec::new();
        findings(&spec, &mut found);
        found
    }

    #[test]
    fn names_that_generators_would_give_twice_are_found() {
        let none: [&str; 0] = [];
        assert_eq!(told(|_| {}), none);
        for (place, value, says) in [
            (
                "/components/schemas/PETName",
                json!({}),
                "capitals in a row",
            ),
            ("/components/schemas/ApiKey", json!({}), "runtime"),
            ("/components/schemas/ShowPetResponse", json!({}), "showPet"),
            (
                "/components/schemas/Pet/properties/pet_name",
                json!({}),
                "one name",
            ),
            (
                "/components/schemas/Sort",
                json!({ "enum": ["CAT"] }),
                "two constants",
            ),
            (
                "/paths/~1pets~1{id}/get/parameters/0/schema",
                json!({ "type": "string" }),
                "no pattern",
            ),
            ("/info/license", json!({ "name": "x" }), "no url"),
            ("/info/contact", json!({}), "contact"),
        ] {
            let found = told(|spec| {
                let (parent, key) = place.rsplit_once('/').expect("a place");
                let parent = spec.pointer_mut(parent).expect("a parent");
                if parent.is_object() {
                    parent[key] = value.clone();
                }
            });
            assert_eq!(found.len(), 1, "{place}: {found:?}");
            assert!(found[0].contains(says), "{place}: {found:?}");
        }
    }
}
