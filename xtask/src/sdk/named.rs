//! Gives inline objects of the document a name of ours. typify's would say where they are, not what
//! they are.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::lists::{Listed, NAMED};
use crate::openapi::SCHEMAS;

/// Moves each object of the list into a component.
///
/// # Errors
///
/// Fails if a place of the list has no object, or two places of one name differ.
pub fn lift(owner: &str, document: &mut Value) -> Result<()> {
    lift_listed(
        NAMED.iter().filter(|(document, _, _)| *document == owner),
        document,
    )
}

fn lift_listed<'a>(listed: impl Iterator<Item = &'a Listed>, document: &mut Value) -> Result<()> {
    for (_, component, places) in listed {
        for place in *places {
            let Some((schema, property)) = place.split_once('.') else {
                bail!("{place} is no place of an object")
            };
            let mut found = &mut document["components"]["schemas"][schema]["properties"][property];
            let description = found["description"].clone();
            let listed = found["type"] == "array";
            if listed {
                found = &mut found["items"];
            }
            if !found["properties"].is_object() {
                bail!("{place} of the list of named objects is no object in the document");
            }
            let mut lifted = found.take();
            *found = json!({ "$ref": format!("{SCHEMAS}{component}") });
            if !listed {
                *found = json!({ "description": description, "allOf": [found] });
            }
            lifted["description"] = description;
            let known = &mut document["components"]["schemas"][component];
            if known.is_null() {
                *known = lifted;
            } else if known["properties"] != lifted["properties"] {
                bail!("{place} has other fields than the other places of {component}");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lift_listed;

    #[test]
    fn an_object_in_a_list_gets_a_name() {
        let field = json!({ "type": "object", "properties": { "field": { "type": "string" } } });
        let mut document = json!({ "components": { "schemas": { "Error": { "properties": {
            "errors": { "type": "array", "description": "What is wrong.", "items": field } } } } } });
        let listed = [("x", "InvalidField", &["Error.errors"][..])];
        lift_listed(listed.iter(), &mut document).expect("it lifts");
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            schemas["Error"]["properties"]["errors"]["items"],
            json!({ "$ref": "#/components/schemas/InvalidField" })
        );
        assert_eq!(schemas["InvalidField"]["properties"], field["properties"]);
        let missing = [("x", "Nothing", &["Error.code"][..])];
        assert!(lift_listed(missing.iter(), &mut document).is_err());
    }
}
