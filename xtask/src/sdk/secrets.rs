//! Gives every secret field the hand-written type `crate::Secret`, whose `Debug` shows nothing.
//!
//! The generated types and the client's error type derive `Debug`, so a token in a plain `String`
//! would sooner or later appear in a log.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::lists::{SECRET_EVERYWHERE, SECRET_IN_REQUESTS};
use crate::openapi::{SCHEMAS, operations, reachable_schemas, resolve};

/// The in-memory component that stands for a secret, and its type in the SDK.
pub const SECRET: (&str, &str) = ("Secret", "crate::Secret");

/// Replaces the secret fields of all component schemas by a reference to the component of
/// [`SECRET`].
///
/// # Errors
///
/// Fails if the document already has a component of that name.
pub fn lift(document: &mut Value) -> Result<()> {
    let (component, _) = SECRET;
    if document["components"]["schemas"].get(component).is_some() {
        bail!("the component {component} stands where the SDK's own type belongs");
    }
    let requests = request_schemas(document);
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in schemas.iter_mut() {
            hide(schema, requests.contains(name));
        }
        schemas.insert(component.to_owned(), json!({ "type": "string" }));
    }
    Ok(())
}

/// Returns the component schemas that a client sends.
fn request_schemas(document: &Value) -> BTreeSet<String> {
    let bodies: Vec<Value> = operations(document)
        .iter()
        .map(|operation| resolve(document, &operation.object["requestBody"])["content"].clone())
        .collect();
    reachable_schemas(document, &Value::Array(bodies))
}

fn hide(schema: &mut Value, in_request: bool) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut() {
            let secret = SECRET_EVERYWHERE.contains(&name.as_str())
                || in_request && SECRET_IN_REQUESTS.contains(&name.as_str());
            if secret && is_text(property) {
                let mut hidden = reference();
                if let Some(description) = property.get("description") {
                    hidden = json!({ "description": description, "allOf": [hidden] });
                }
                *property = hidden;
            } else if secret && is_text(&property["items"]) {
                property["items"] = reference();
            } else {
                hide(property, in_request);
            }
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for member in schema
            .get_mut(key)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            hide(member, in_request);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        hide(items, in_request);
    }
}

/// Tells whether a schema is free text. An enum is not a secret.
fn is_text(schema: &Value) -> bool {
    schema["type"] == "string" && schema.get("enum").is_none()
}

fn reference() -> Value {
    json!({ "$ref": format!("{SCHEMAS}{}", SECRET.0) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{lift, reference};

    #[test]
    fn secrets_are_hidden_and_error_codes_are_not() {
        let mut document = json!({
            "paths": { "/a": { "post": { "requestBody": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Verify" } } } } } } },
            "components": { "schemas": {
                "Verify": { "properties": { "code": { "type": "string", "description": "The code." } } },
                "Tokens": { "properties": {
                    "accessToken": { "type": "string" },
                    "tokenType": { "type": "string", "enum": ["Bearer"] },
                    "backupCodes": { "type": "array", "items": { "type": "string" } },
                } },
                "ErrorResponse": { "properties": { "code": { "type": "string" } } },
            } },
        });
        lift(&mut document).expect("it lifts");
        let schemas = &document["components"]["schemas"];
        let code = json!({ "description": "The code.", "allOf": [reference()] });
        assert_eq!(schemas["Verify"]["properties"]["code"], code);
        assert_eq!(schemas["Tokens"]["properties"]["accessToken"], reference());
        assert_eq!(
            schemas["Tokens"]["properties"]["tokenType"]["type"],
            "string"
        );
        assert_eq!(
            schemas["Tokens"]["properties"]["backupCodes"]["items"],
            reference()
        );
        assert_eq!(
            schemas["ErrorResponse"]["properties"]["code"],
            json!({ "type": "string" })
        );
    }
}
