//! Requests that need one of several fields, in the document that the code yields: `utoipa` has no attribute for it.

use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Says of a component that one of these fields is required; the request itself judges it.
///
/// A component that is not there stays away, and the drift check names what is missing then.
pub fn require_either(document: &mut OpenApi, component: &str, fields: &[&str]) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(component) else {
        return;
    };
    let choices: Vec<_> = fields
        .iter()
        .map(|field| json!({ "required": [field] }))
        .collect();
    let extensions = object.extensions.get_or_insert_with(Extensions::default);
    extensions.insert("anyOf".to_owned(), choices.into());
}
