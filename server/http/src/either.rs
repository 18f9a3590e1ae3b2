//! Describes requests that need one of several fields in the document made from the code: `utoipa`
//! has no attribute for that.

use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// States that a component requires one of these fields. The request type does the actual check.
///
/// A missing component is not added. The drift check then reports it.
pub fn require_either(document: &mut OpenApi, component: &str, fields: &[&str]) {
    let ways: Vec<&[&str]> = fields.iter().map(std::slice::from_ref).collect();
    require_one_of(document, component, &ways);
}

/// States that a component requires the fields of one of these lists, as [`require_either`] does.
pub fn require_one_of(document: &mut OpenApi, component: &str, ways: &[&[&str]]) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(component) else {
        return;
    };
    let choices: Vec<_> = ways
        .iter()
        .map(|fields| json!({ "required": fields }))
        .collect();
    let extensions = object.extensions.get_or_insert_with(Extensions::default);
    extensions.insert("anyOf".to_owned(), choices.into());
}
