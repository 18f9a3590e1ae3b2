//! Removes what generators cannot use: examples of bodies, and `anyOf`s that only say which
//! properties are required.
//!
//! openapi-generator warns of the examples. With the `anyOf`s, its Go constructors drop their
//! arguments.

use yaml_serde::Value;

/// Removes them everywhere, and also the components with examples.
pub fn leave_out(document: &mut Value) {
    for key in ["paths", "components"] {
        if let Some(part) = document.get_mut(key) {
            leave_out_of(part);
        }
    }
    if let Some(components) = document
        .get_mut("components")
        .and_then(Value::as_mapping_mut)
    {
        components.shift_remove("examples");
    }
}

fn leave_out_of(value: &mut Value) {
    if let Some(members) = value.as_sequence_mut() {
        members.iter_mut().for_each(leave_out_of);
        return;
    }
    if value.get("anyOf").is_some_and(only_requires)
        && let Some(schema) = value.as_mapping_mut()
    {
        schema.shift_remove("anyOf");
    }
    for (key, inner) in value.as_mapping_mut().into_iter().flatten() {
        if key.as_str() == Some("content") {
            drop_bodies(inner);
        }
        leave_out_of(inner);
    }
}

fn only_requires(members: &Value) -> bool {
    let requires = |member: &Value| {
        let keys = member.as_mapping();
        keys.is_some_and(|keys| keys.len() == 1 && keys.contains_key("required"))
    };
    members
        .as_sequence()
        .is_some_and(|members| members.iter().all(requires))
}

fn drop_bodies(content: &mut Value) {
    for (_, media) in content.as_mapping_mut().into_iter().flatten() {
        if let Some(media) = media
            .as_mapping_mut()
            .filter(|media| media.contains_key("schema"))
        {
            media.shift_remove("example");
            media.shift_remove("examples");
        }
    }
}
