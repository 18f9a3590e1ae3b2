//! What the contract says of a request: its body and its parameters, with the schemas that judge them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{follow, members};
use crate::schema::Schema;

/// A request body.
pub struct Request {
    /// Its schema, with all references followed.
    pub schema: Value,
    /// The document's first example of it.
    pub example: Value,
    validator: Schema,
}

/// A parameter of a path or a query.
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// `path`, `query` or `header`.
    pub place: String,
    /// Its schema, with all references followed.
    pub schema: Value,
    validator: Schema,
}

impl Request {
    pub(super) fn read(document: &Value, media: &Value, components: &Arc<Value>) -> Self {
        let named = members(&media["examples"]).map(|(_, one)| &follow(document, one)["value"]);
        let example = named.chain(media.get("example")).next();
        let schema = opened(&inlined(document, &media["schema"]));
        Self {
            example: example.expect("every body has an example").clone(),
            validator: Schema::new(&schema, components),
            schema,
        }
    }

    /// Whether the document accepts this body.
    pub fn accepts(&self, body: &Value) -> bool {
        self.validator.is_valid(body)
    }
}

impl Parameter {
    pub(super) fn read(document: &Value, parameter: &Value, components: &Arc<Value>) -> Self {
        let text = |name: &str| parameter[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            place: text("in"),
            schema: inlined(document, &parameter["schema"]),
            validator: Schema::new(&parameter["schema"], components),
        }
    }

    /// Whether the document accepts this value, which is always sent as a text.
    pub fn accepts(&self, text: &str) -> bool {
        let value = match self.schema["type"].as_str() {
            Some("integer") => text
                .parse::<i64>()
                .map_or(json!(text), |number| json!(number)),
            _ => json!(text),
        };
        self.validator.is_valid(&value)
    }
}

/// The schema with every object open that the document does not close: what a client may send.
fn opened(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: Map<String, Value> = members
                .iter()
                .map(|(name, value)| (name.clone(), opened(value)))
                .collect();
            if members.get("type") == Some(&json!("object")) {
                members.entry("additionalProperties").or_insert(json!(true));
            }
            Value::Object(members)
        }
        Value::Array(items) => items.iter().map(opened).collect(),
        other => other.clone(),
    }
}

/// The schema with all references below it followed.
fn inlined(document: &Value, schema: &Value) -> Value {
    match follow(document, schema) {
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| (name.clone(), inlined(document, value)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(|item| inlined(document, item)).collect(),
        other => other.clone(),
    }
}
