//! House rule for `oneOf`: the discriminator names a property by which a reader tells the members
//! apart.
//!
//! Without one, generators read a union by trial, and several refuse to: no Java client could read
//! a sign-in.

use serde_json::{Value, json};

use crate::openapi::{SCHEMAS, entries, flat};

/// Checks each oneOf in a schema, at any depth. Only components may be unions: generators name an
/// inline one by accident of order.
pub fn findings(spec: &Value, place: &str, schema: &Value, found: &mut Vec<String>) {
    inner(spec, place, schema, place.starts_with("schema "), found);
}

fn inner(spec: &Value, place: &str, schema: &Value, is_named: bool, found: &mut Vec<String>) {
    if let Some(members) = schema["oneOf"].as_array() {
        if !is_named {
            found.push(format!(
                "{place}: a union without a name: make it a component"
            ));
        }
        union(spec, place, schema, members, found);
    }
    for (key, value) in entries(schema) {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let place = format!("{place}, property {name}");
                    inner(spec, &place, property, false, found);
                }
            }
            ("items" | "additionalProperties" | "not", _) => {
                inner(spec, place, value, false, found);
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(members)) => {
                for member in members {
                    inner(spec, place, member, false, found);
                }
            }
            _ => {}
        }
    }
}

/// Checks that each member is a component that requires the discriminator's property with one
/// value, and that the mapping leads from that value to it.
fn union(spec: &Value, place: &str, schema: &Value, members: &[Value], found: &mut Vec<String>) {
    let discriminator = &schema["discriminator"];
    let Some(property) = discriminator["propertyName"].as_str() else {
        found.push(format!("{place}: a union without a discriminator"));
        return;
    };
    let mapped = entries(&discriminator["mapping"]).count();
    if mapped != members.len() {
        found.push(format!(
            "{place}: {} members, and {mapped} in the discriminator's mapping",
            members.len()
        ));
    }
    for member in members {
        let Some(target) = member["$ref"].as_str() else {
            found.push(format!("{place}: a member of the union has no name"));
            continue;
        };
        let name = target.strip_prefix(SCHEMAS).unwrap_or(target);
        match constant(spec, member, property) {
            None => found.push(format!(
                "{place}: {name} does not require {property} with one value"
            )),
            Some(value) if discriminator["mapping"][&value] != *target => found.push(format!(
                "{place}: the discriminator's {value} does not lead to {name}"
            )),
            Some(_) => {}
        }
    }
}

/// Returns the only value of a required string property.
fn constant(spec: &Value, schema: &Value, property: &str) -> Option<String> {
    let (properties, required) = flat(spec, schema);
    let (_, found) = properties.iter().rev().find(|(name, _)| name == property)?;
    match found["enum"].as_array()?.as_slice() {
        [Value::String(only)]
            if found["type"] == "string" && required.contains(&json!(property)) =>
        {
            Some(only.clone())
        }
        _several => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::findings;

    fn document(kind: &Value) -> Value {
        json!({ "components": { "schemas": {
            "Cat": { "required": ["kind"], "properties": { "kind": { "type": "string", "enum": ["cat"] } } },
            "Dog": { "required": ["kind"], "properties": { "kind": kind } },
        } } })
    }

    fn told(place: &str, spec: &Value, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut union = json!({
            "oneOf": [{ "$ref": "#/components/schemas/Cat" }, { "$ref": "#/components/schemas/Dog" }],
            "discriminator": { "propertyName": "kind", "mapping": {
                "cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog" } },
        });
        change(&mut union);
        let mut found = Vec::new();
        findings(spec, place, &union, &mut found);
        found
    }

    #[test]
    fn a_union_is_told_apart_by_its_discriminator() {
        let well = document(&json!({ "type": "string", "enum": ["dog"] }));
        let none: [&str; 0] = [];
        assert_eq!(told("schema Pet", &well, |_| {}), none);
        assert_eq!(
            told("schema Pet", &well, |union| union["discriminator"] =
                Value::Null),
            ["schema Pet: a union without a discriminator"]
        );
        assert_eq!(
            told("GET /pet, answer 200", &well, |_| {}),
            ["GET /pet, answer 200: a union without a name: make it a component"]
        );
        assert_eq!(
            told("schema Pet", &well, |union| {
                union["discriminator"]["mapping"]["dog"] = json!("#/components/schemas/Cat");
            }),
            ["schema Pet: the discriminator's dog does not lead to Dog"]
        );
        assert_eq!(
            told("schema Pet", &well, |union| {
                union["discriminator"]["mapping"] = json!({ "cat": "#/components/schemas/Cat" });
            })
            .len(),
            2
        );
        let open = document(&json!({ "type": "string" }));
        assert_eq!(
            told("schema Pet", &open, |_| {}),
            ["schema Pet: Dog does not require kind with one value"]
        );
    }
}
