//! The refused fields of a request, in the two shapes in which APIs print them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::refusal::FieldError;

/// Prints `[{"field": "email", "message": "…"}]`.
#[derive(Serialize)]
pub struct FlawList(Vec<FieldFlaw>);

/// One field that was refused.
#[derive(Serialize, ToSchema)]
pub struct FieldFlaw {
    field: String,
    message: Cow<'static, str>,
}

impl From<Vec<FieldError>> for FlawList {
    fn from(errors: Vec<FieldError>) -> Self {
        let flaws = errors.into_iter().map(|error| FieldFlaw {
            field: error.field,
            message: error.message,
        });
        Self(flaws.collect())
    }
}

/// Prints `{"email": ["…"]}`.
#[derive(Serialize)]
pub struct FlawMap(BTreeMap<String, Vec<Cow<'static, str>>>);

impl From<Vec<FieldError>> for FlawMap {
    fn from(errors: Vec<FieldError>) -> Self {
        let mut flaws: BTreeMap<String, Vec<Cow<'static, str>>> = BTreeMap::new();
        for error in errors {
            flaws.entry(error.field).or_default().push(error.message);
        }
        Self(flaws)
    }
}
