//! Loads the hand-written documents and those made from the code. No other file knows where they
//! come from.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// One API: its hand-written document, and the one that the server's code describes.
pub struct Document {
    /// The file's stem: `identity` for `openapi/identity.yaml`.
    pub name: String,
    /// The hand-written document, OpenAPI 3.0.3.
    pub spec: Value,
    /// What utoipa collects from the mounted handlers, OpenAPI 3.1.
    pub code: Value,
}

/// Returns every API of the server, in the server's order.
///
/// # Errors
///
/// Fails if a document is not YAML, or the code's document cannot be serialised.
pub fn documents() -> Result<Vec<Document>> {
    let mut found = Vec::new();
    for document in countersign_sandbox::all_documents() {
        let code = serde_json::to_value((document.code)()).with_context(|| {
            format!(
                "{}: the code's document cannot be serialised",
                document.name
            )
        })?;
        found.push(Document {
            name: document.name.to_owned(),
            spec: parse(document.name, document.strict.yaml)?,
            code,
        });
    }
    Ok(found)
}

/// Parses a hand-written document. Where it refers to the schema of a plain value, such as what every error says, the
/// schema itself then stands: generators would make a type of it.
///
/// # Errors
///
/// Fails if the text is not YAML.
pub fn parse(name: &str, yaml: &str) -> Result<Value> {
    let mut document = yaml_serde::from_str(yaml)
        .with_context(|| format!("openapi/{name}.yaml is not readable YAML"))?;
    write_out(&mut document);
    Ok(document)
}

fn write_out(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas");
    let Some(schemas) = schemas.and_then(Value::as_object_mut) else {
        return;
    };
    let mut plain = BTreeMap::new();
    schemas.retain(|name, schema| {
        let keeps = !is_plain(schema);
        if !keeps {
            plain.insert(format!("#/components/schemas/{name}"), schema.take());
        }
        keeps
    });
    replace(document, &plain);
}

/// Tells whether a schema is of one value that is no choice.
fn is_plain(schema: &Value) -> bool {
    matches!(
        schema["type"].as_str(),
        Some("string" | "integer" | "boolean")
    ) && schema.get("enum").is_none()
}

fn replace(value: &mut Value, plain: &BTreeMap<String, Value>) {
    if let Some(schema) = value["$ref"].as_str().and_then(|name| plain.get(name)) {
        *value = schema.clone();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, plain)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| replace(member, plain)),
        _other => {}
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn plain_values_stand_where_they_are_referred_to() {
        let yaml = r##"
components:
  schemas:
    Sentence: { type: string, description: One sentence. }
    Method: { type: string, enum: [sms] }
    Refused:
      properties:
        message: { $ref: "#/components/schemas/Sentence" }
        method: { $ref: "#/components/schemas/Method" }
"##;
        let read = parse("test", yaml).expect("it is YAML");
        assert_eq!(
            read["components"]["schemas"],
            json!({
                "Method": { "type": "string", "enum": ["sms"] },
                "Refused": { "properties": {
                    "message": { "type": "string", "description": "One sentence." },
                    "method": { "$ref": "#/components/schemas/Method" },
                } },
            })
        );
    }
}
