//! Expands a schema into the list of its possible shapes, independent of the names of component
//! schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::openapi::{entries, resolve};

/// The fields that identify a shape, each with its only value.
pub type Constants<'a> = BTreeMap<&'a str, &'a Value>;

/// One shape that a value may have: its keywords, with references followed and combinations
/// resolved.
#[derive(Clone, Default)]
pub struct Shape<'a> {
    /// The keywords other than combinations, `properties` and `required`.
    keywords: BTreeMap<&'a str, &'a Value>,
    /// The schemas of its fields.
    pub properties: BTreeMap<&'a str, &'a Value>,
    /// The fields that are always there.
    pub required: BTreeSet<&'a str>,
}

/// Returns all shapes of a schema: one, or one for each member of its `oneOf` or `anyOf`.
pub fn shapes<'a>(document: &'a Value, schema: &'a Value) -> Vec<Shape<'a>> {
    let schema = resolve(document, schema);
    let mut all = vec![Shape::default()];
    for member in list(schema, "allOf") {
        all = combined(&all, &shapes(document, member));
    }
    all = combined(&all, &[own(schema)]);
    for key in ["oneOf", "anyOf"] {
        let members: Vec<Shape<'a>> = list(schema, key)
            .flat_map(|member| shapes(document, member))
            .collect();
        if !members.is_empty() {
            all = combined(&all, &members);
        }
    }
    all
}

fn list<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema[key].as_array().into_iter().flatten()
}

/// Returns the schema's own keywords, without its combinations.
fn own(schema: &Value) -> Shape<'_> {
    let mut shape = Shape::default();
    for (key, value) in entries(schema) {
        match key.as_str() {
            "allOf" | "oneOf" | "anyOf" => {}
            "properties" => {
                let fields = entries(value).map(|(name, field)| (name.as_str(), field));
                shape.properties = fields.collect();
            }
            "required" => {
                shape.required = list(schema, key).filter_map(Value::as_str).collect();
            }
            _ => {
                shape.keywords.insert(key, value);
            }
        }
    }
    shape
}

/// Combines each shape of one list with each of the other. If both have a keyword, the second one
/// wins.
fn combined<'a>(first: &[Shape<'a>], second: &[Shape<'a>]) -> Vec<Shape<'a>> {
    let mut all = Vec::new();
    for one in first {
        for other in second {
            let mut both = one.clone();
            both.keywords.extend(&other.keywords);
            both.properties.extend(&other.properties);
            both.required.extend(&other.required);
            all.push(both);
        }
    }
    all
}

impl<'a> Shape<'a> {
    /// Returns a keyword's value.
    pub fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword).copied()
    }

    /// Returns the type, stated or implied by fields.
    pub fn kind(&self) -> Option<&'a str> {
        let implied = (!self.properties.is_empty()).then_some("object");
        self.get("type").and_then(Value::as_str).or(implied)
    }

    /// Returns the fields that are always there with their only value.
    pub fn constants(&self, document: &'a Value) -> Constants<'a> {
        let required = self.required.iter().copied();
        required
            .filter_map(|name| Some((name, only_value(document, self.properties.get(name)?)?)))
            .collect()
    }
}

/// Returns the value of a schema that allows no other.
pub fn only_value<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match resolve(document, schema)["enum"].as_array()?.as_slice() {
        [only] => Some(only),
        _several => None,
    }
}
