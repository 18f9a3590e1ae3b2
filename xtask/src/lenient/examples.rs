//! Leaves the examples of bodies out: people read the strict documents, and openapi-generator warns of examples.

use yaml_serde::Value;

/// Takes the examples of all bodies out, and the components that hold them.
pub fn drop(document: &mut Value) {
    for key in ["paths", "components"] {
        if let Some(part) = document.get_mut(key) {
            drop_in(part);
        }
    }
    if let Some(components) = document.get_mut("components").and_then(Value::as_mapping_mut) {
        components.shift_remove("examples");
    }
}

fn drop_in(value: &mut Value) {
    if let Some(members) = value.as_sequence_mut() {
        members.iter_mut().for_each(drop_in);
        return;
    }
    for (key, inner) in value.as_mapping_mut().into_iter().flatten() {
        if key.as_str() == Some("content") {
            drop_bodies(inner);
        }
        drop_in(inner);
    }
}

fn drop_bodies(content: &mut Value) {
    for (_, media) in content.as_mapping_mut().into_iter().flatten() {
        if let Some(media) = media.as_mapping_mut().filter(|media| media.contains_key("schema")) {
            media.shift_remove("example");
            media.shift_remove("examples");
        }
    }
}
