//! Loads the hand-written documents and those made from the code. No other file knows where they
//! come from.

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

/// Parses a hand-written document.
///
/// # Errors
///
/// Fails if the text is not YAML.
pub fn parse(name: &str, yaml: &str) -> Result<Value> {
    yaml_serde::from_str(yaml).with_context(|| format!("openapi/{name}.yaml is not readable YAML"))
}
