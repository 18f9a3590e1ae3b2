//! A schema as the list of its possible shapes, without the names of the schemas that it is put together from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::openapi::{entries, resolve};

/// The fields by which a client knows a shape, with the one value that each can have.
pub type Constants<'a> = BTreeMap<&'a str, &'a Value>;

/// One shape that a value may have: its keywords, references followed and combinations resolved.
#[derive(Clone, Default)]
pub struct Shape<'a> {
    /// Whatever stands beside the combinations, but for `properties` and `required`.
    keywords: BTreeMap<&'a str, &'a Value>,
    /// The schemas of its fields.
    pub properties: BTreeMap<&'a str, &'a Value>,
    /// The fields that are always there.
    pub required: BTreeSet<&'a str>,
}

/// All shapes of a schema: one, or one for each member of its `oneOf` or `anyOf`.
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

/// What a schema says itself, beside its combinations.
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

/// Each of one list with each of the other; where both say something, the second one wins.
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
    /// A keyword's value.
    pub fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword).copied()
    }

    /// The type, said or implied by fields.
    pub fn kind(&self) -> Option<&'a str> {
        let implied = (!self.properties.is_empty()).then_some("object");
        self.get("type").and_then(Value::as_str).or(implied)
    }

    /// The fields that are always there with the one value that they can have.
    pub fn constants(&self, document: &'a Value) -> Constants<'a> {
        let required = self.required.iter().copied();
        required
            .filter_map(|name| Some((name, only_value(document, self.properties.get(name)?)?)))
            .collect()
    }
}

/// The value of a schema that allows no other.
pub fn only_value<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match resolve(document, schema)["enum"].as_array()?.as_slice() {
        [only] => Some(only),
        _several => None,
    }
}
