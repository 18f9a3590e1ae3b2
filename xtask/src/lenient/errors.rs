//! Makes every error readable as `ErrorResponse` if its code is unknown.
//!
//! The `oneOf` of each union becomes an `anyOf`, since `ErrorResponse`, its new last member, fits
//! every error. A status with a single error gets such a union. The discriminator stays. Each
//! `code` becomes a component of its own, because Go checks only such enums, and would otherwise
//! read an unknown code as the union's first member.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use yaml_serde::{Mapping, Value};

use super::values::renamed;
use super::{component, one, reference};
use crate::openapi::{SCHEMAS, entries, error_schemas, is_error, operations};

/// The schema that fits every error.
pub const OPEN_ERROR: &str = "ErrorResponse";

/// Opens the errors of all operations.
///
/// # Errors
///
/// Fails if a name that is needed is taken.
pub fn open(spec: &serde_json::Value, document: &mut Value) -> Result<()> {
    let mut unions = BTreeSet::new();
    let mut members = BTreeSet::new();
    for place in places(spec) {
        let Some(answer) = at(document, &place) else {
            continue;
        };
        let json: serde_json::Value = yaml_serde::from_value(answer.clone())?;
        members.extend(error_schemas(spec, &json).iter().filter_map(name));
        for (_, media) in answer
            .get_mut("content")
            .and_then(Value::as_mapping_mut)
            .into_iter()
            .flatten()
        {
            if let Some(union) = point_to_union(spec, media) {
                unions.insert(union);
            }
        }
    }
    for union in &unions {
        open_union(spec, document, union)?;
    }
    members.remove(OPEN_ERROR);
    members
        .iter()
        .try_for_each(|member| lift_code(document, member))
}

/// Returns where error answers are written out: in operations and among the components.
fn places(spec: &serde_json::Value) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for operation in operations(spec) {
        for (status, answer) in entries(&operation.object["responses"]) {
            if !is_error(status) {
                continue;
            }
            let shared = answer["$ref"].as_str();
            let place = match shared.and_then(|target| target.strip_prefix("#/")) {
                Some(target) => target.split('/').map(str::to_owned).collect(),
                None => [
                    "paths",
                    operation.path,
                    operation.method,
                    "responses",
                    status,
                ]
                .map(str::to_owned)
                .to_vec(),
            };
            found.insert(place);
        }
    }
    found
}

fn at<'a>(document: &'a mut Value, place: &[String]) -> Option<&'a mut Value> {
    place
        .iter()
        .try_fold(document, |value, key| value.get_mut(key.as_str()))
}

/// Returns the component that a reference names.
fn name(schema: &serde_json::Value) -> Option<String> {
    let target = schema["$ref"].as_str()?;
    target.strip_prefix(SCHEMAS).map(str::to_owned)
}

/// Makes an answer with a single error refer to a union. Returns the name of the answer's union.
fn point_to_union(spec: &serde_json::Value, media: &mut Value) -> Option<String> {
    let schema = media.get_mut("schema")?;
    let target = schema.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)?;
    if target == OPEN_ERROR {
        return None;
    }
    if spec["components"]["schemas"][target]["oneOf"].is_array() {
        return Some(target.to_owned());
    }
    let union = format!("{target}{ALONE}");
    *schema = reference(&union);
    Some(union)
}

/// The suffix for the union of a single error.
const ALONE: &str = "OrOther";

fn open_union(spec: &serde_json::Value, document: &mut Value, name: &str) -> Result<()> {
    let members = |known: Vec<Value>| {
        let all = known.into_iter().chain([reference(OPEN_ERROR)]);
        Value::Sequence(all.collect())
    };
    if let Some(union) = component(document, name).and_then(Value::as_mapping_mut) {
        let known = union.get("oneOf").and_then(Value::as_sequence).cloned();
        let known = known.with_context(|| format!("the name {name} is taken"))?;
        *union = renamed(union, "oneOf", "anyOf", members(known));
        return Ok(());
    }
    let member = name.strip_suffix(ALONE).unwrap_or(name);
    let schema = &spec["components"]["schemas"][member];
    let code = schema["properties"]["code"]["enum"][0]
        .as_str()
        .with_context(|| format!("{member} has no single `code`"))?;
    let mapping = one(code, format!("{SCHEMAS}{member}").into());
    let mut union = Mapping::new();
    let description = format!("`{code}`, or an error that was added later.");
    union.insert("description".into(), description.into());
    union.insert("anyOf".into(), members(vec![reference(member)]));
    let discriminator = [
        ("propertyName".into(), "code".into()),
        ("mapping".into(), mapping),
    ];
    union.insert(
        "discriminator".into(),
        Value::Mapping(Mapping::from_iter(discriminator)),
    );
    add(document, name, Value::Mapping(union))
}

/// Gives the code of an error a component of its own.
fn lift_code(document: &mut Value, member: &str) -> Result<()> {
    let place = ["components", "schemas", member, "properties", "code"].map(str::to_owned);
    let code = at(document, &place).with_context(|| format!("{member} has no `code`"))?;
    if code.get("enum").is_none() {
        return Ok(());
    }
    let name = format!("{member}Code");
    let lifted = std::mem::replace(code, reference(&name));
    add(document, &name, lifted)
}

fn add(document: &mut Value, name: &str, schema: Value) -> Result<()> {
    let place = ["components", "schemas"].map(str::to_owned);
    let schemas = at(document, &place).and_then(Value::as_mapping_mut);
    let schemas = schemas.context("the document has no schemas")?;
    if schemas.insert(name.into(), schema).is_some() {
        bail!("the name {name} is taken");
    }
    Ok(())
}
