//! Removes from the document what is the same in every value, and records how the members of a
//! union are told apart.
//!
//! A required string with one value says which shape an object has. In Rust its type says so: the
//! field would be noise, and an enum of one value a trap for the day it gets a second one.
//! Serialised values have it again (`types`).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::openapi::{SCHEMAS, entries};

/// What was removed.
#[derive(Default)]
pub struct Constants {
    /// For each object schema, its constants: property and value.
    pub fields: BTreeMap<String, Vec<(String, String)>>,
    /// The unions, by the names of their schemas.
    pub unions: BTreeMap<String, Union>,
}

/// A `oneOf` with a discriminator.
pub struct Union {
    /// The property that tells the members apart.
    pub tag: String,
    /// The value and the schema of each member.
    pub members: Vec<(String, String)>,
}

/// Removes the constants in place.
///
/// # Errors
///
/// Fails if the members of a union cannot be told apart.
pub fn lift(document: &mut Value) -> Result<Constants> {
    let mut found = Constants::default();
    for (name, schema) in entries(&document["components"]["schemas"]) {
        if schema["oneOf"].is_array() {
            let union = union(schema).with_context(|| format!("the union {name}"))?;
            found.unions.insert(name.clone(), union);
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in schemas {
            let constants = take(schema);
            if !constants.is_empty() {
                found.fields.insert(name.clone(), constants);
            }
        }
    }
    Ok(found)
}

fn union(schema: &Value) -> Result<Union> {
    let tag = schema["discriminator"]["propertyName"].as_str();
    let tag = tag.context("has no discriminator")?.to_owned();
    let mut members = Vec::new();
    for member in schema["oneOf"].as_array().into_iter().flatten() {
        let target = member["$ref"].as_str().context("has a nameless member")?;
        let mapping = &schema["discriminator"]["mapping"];
        let Some((value, _)) = entries(mapping).find(|(_, known)| *known == target) else {
            bail!("has no value for {target}")
        };
        let name = target.trim_start_matches(SCHEMAS).to_owned();
        members.push((value.clone(), name));
    }
    Ok(Union { tag, members })
}

fn take(schema: &mut Value) -> Vec<(String, String)> {
    let mut constants = Vec::new();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return constants;
    };
    properties.retain(|name, property| {
        let value = match property["enum"].as_array().map(Vec::as_slice) {
            Some([Value::String(value)]) if required.contains(&json!(name)) => value.clone(),
            _other => return true,
        };
        constants.push((name.clone(), value));
        false
    });
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !constants.iter().any(|(known, _)| name == known));
    }
    constants
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lift;

    #[test]
    fn constants_are_taken_out_and_tell_members_apart() {
        let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        let mut document = json!({ "components": { "schemas": {
            "Done": { "required": ["status", "token"], "properties": {
                "status": { "type": "string", "enum": ["done"] }, "token": { "type": "string" } } },
            "Asked": { "required": ["status"], "properties": { "status": { "type": "string", "enum": ["asked"] } } },
            "Answer": { "oneOf": [reference("Done"), reference("Asked")], "discriminator": { "propertyName": "status",
                "mapping": { "asked": "#/components/schemas/Asked", "done": "#/components/schemas/Done" } } },
        } } });
        let found = lift(&mut document).expect("it lifts");
        assert_eq!(
            found.fields["Done"],
            [("status".to_owned(), "done".to_owned())]
        );
        let union = &found.unions["Answer"];
        assert_eq!(union.tag, "status");
        assert_eq!(union.members[0], ("done".to_owned(), "Done".to_owned()));
        let done = &document["components"]["schemas"]["Done"];
        assert_eq!(done["required"], json!(["token"]));
        assert!(done["properties"]["status"].is_null());
    }

    #[test]
    fn a_union_without_a_discriminator_is_refused() {
        let mut document = json!({ "components": { "schemas": { "A": { "oneOf": [] } } } });
        assert!(lift(&mut document).is_err());
    }
}
