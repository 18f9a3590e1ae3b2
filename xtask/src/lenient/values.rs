//! Makes the enums of answers accept any string, and the objects of answers more fields.

use yaml_serde::{Mapping, Value};

use super::{one, reference};
use crate::openapi::{SCHEMAS, entries};

/// Loosens a schema of an answer and all inline schemas in it. `constant` says that a union's
/// members are told apart by it; its single value then has to stay.
///
/// An enum that is a component stays strict, so that its values keep a name in the client. It is
/// loosened where it is referred to. (A component of `anyOf` with a plain string in it makes
/// openapi-generator warn.)
pub fn loosen(spec: &serde_json::Value, schema: &mut Value, constant: bool) {
    let Some(map) = schema.as_mapping_mut() else {
        return;
    };
    if let Some(name) = target(map).filter(|name| is_enum(spec, name)) {
        map.shift_remove("$ref");
        map.insert("anyOf".into(), any_string(reference(&name)));
        return;
    }
    if let Some(name) = sole_target(map).filter(|name| is_enum(spec, name)) {
        *map = renamed(map, "allOf", "anyOf", any_string(reference(&name)));
        return;
    }
    let enumerated = map.get("enum").and_then(Value::as_sequence).map(Vec::len);
    if enumerated.is_some_and(|values| !(constant && values == 1)) {
        open_enum(map);
        return;
    }
    if map.contains_key("properties") {
        open_object(map);
        loosen_properties(spec, map);
    }
    if let Some(items) = map.get_mut("items") {
        name_items(spec, items);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            loosen(spec, inner, false);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let members = map.get_mut(key).and_then(Value::as_sequence_mut);
        for member in members.into_iter().flatten() {
            loosen(spec, member, false);
        }
    }
}

fn loosen_properties(spec: &serde_json::Value, map: &mut Mapping) {
    let properties = map.get_mut("properties").and_then(Value::as_mapping_mut);
    for (name, property) in properties.into_iter().flatten() {
        loosen(
            spec,
            property,
            name.as_str().is_some_and(|name| tells_apart(spec, name)),
        );
    }
}

/// Tells whether a property is the discriminator of some union.
fn tells_apart(spec: &serde_json::Value, property: &str) -> bool {
    let goes_by = |schema: &serde_json::Value| schema["discriminator"]["propertyName"] == property;
    property == "code" || entries(&spec["components"]["schemas"]).any(|(_, schema)| goes_by(schema))
}

/// Names the members of a list. Otherwise generators name the union after whichever list comes
/// first.
fn name_items(spec: &serde_json::Value, items: &mut Value) {
    let Some(map) = items.as_mapping_mut() else {
        return;
    };
    if let Some(name) = target(map).filter(|name| is_enum(spec, name)) {
        map.insert("title".into(), format!("{name}OrOther").into());
    }
}

/// Returns what a schema refers to.
fn target(map: &Mapping) -> Option<String> {
    let target = map.get("$ref")?.as_str()?;
    target.strip_prefix(SCHEMAS).map(str::to_owned)
}

/// Returns what a schema refers to through an `allOf`, which it needs for a description of its own.
fn sole_target(map: &Mapping) -> Option<String> {
    match map.get("allOf")?.as_sequence()?.as_slice() {
        [member] => target(member.as_mapping()?),
        _several => None,
    }
}

/// Tells whether a component is an enum.
pub fn is_enum(spec: &serde_json::Value, name: &str) -> bool {
    spec["components"]["schemas"][name]["enum"].is_array()
}

/// Makes an `anyOf` of known values and any string.
fn any_string(known: Value) -> Value {
    Value::Sequence(vec![known, one("type", "string".into())])
}

/// Moves the values of an enum into the first member of an `anyOf`.
fn open_enum(map: &mut Mapping) {
    let mut known = Mapping::new();
    for key in ["type", "enum"] {
        if let Some(value) = map.get(key) {
            known.insert(key.into(), value.clone());
        }
    }
    map.shift_remove("enum");
    *map = renamed(map, "type", "anyOf", any_string(Value::Mapping(known)));
}

/// States that an object accepts more fields: some generators read silence as no.
fn open_object(map: &mut Mapping) {
    let closed = |more: &Value| more.as_bool() == Some(false);
    if map.get("additionalProperties").is_none_or(closed) {
        map.insert("additionalProperties".into(), true.into());
    }
}

/// Replaces a key and its value in a mapping. Everything else keeps its order.
pub fn renamed(map: &Mapping, from: &str, to: &str, value: Value) -> Mapping {
    let mut renamed = Mapping::new();
    for (key, old) in map {
        match key.as_str() == Some(from) {
            true => renamed.insert(to.into(), value.clone()),
            false => renamed.insert(key.clone(), old.clone()),
        };
    }
    renamed
}
