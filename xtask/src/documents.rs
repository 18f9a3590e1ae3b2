//! Where the hand-written documents and the documents of the code come from: the one place that knows.

use anyhow::{Context, Result};
use serde_json::Value;

/// One API, as written by hand and as the server's code describes itself.
pub struct Document {
    /// The file's stem: `identity` for `openapi/identity.yaml`.
    pub name: String,
    /// The hand-written document, OpenAPI 3.0.3.
    pub spec: Value,
    /// What utoipa collects from the mounted handlers, OpenAPI 3.1.
    pub code: Value,
}

/// Every API of the server, in the server's own order.
///
/// # Errors
///
/// When a document is no YAML, or the code's document cannot be serialised.
pub fn documents() -> Result<Vec<Document>> {
    let mut found = Vec::new();
    for document in countersign_api::documents() {
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

/// A hand-written document as a value.
///
/// # Errors
///
/// When the text is no YAML.
pub fn parse(name: &str, yaml: &str) -> Result<Value> {
    yaml_serde::from_str(yaml).with_context(|| format!("openapi/{name}.yaml is not readable YAML"))
}
