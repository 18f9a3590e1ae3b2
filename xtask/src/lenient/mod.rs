//! `cargo xtask openapi [--check]`: makes `openapi/lenient/NAME.yaml`, the twin of each document
//! for generated clients that fail on unknown content.
//!
//! The strict documents say what today's server answers. A client that validates answers against
//! them breaks on the next error code, enum value or field. In the twins, the enums of answers
//! accept any string (`values`), every error can be read as `ErrorResponse` (`errors`), and the
//! objects of answers accept more fields (`values`). Examples and what generators cannot express
//! are left out (`left_out`). Requests stay as strict.

mod errors;
mod left_out;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use yaml_serde::{Mapping, Value};

use crate::documents::parse;
use crate::openapi::{entries, operations, reachable_schemas, resolve};
use crate::sdk::read_documents;
use crate::workspace;

/// Writes the twins. With `check`, names those that are not up to date instead.
///
/// # Errors
///
/// Fails if a document has no twin, a file cannot be written, or (with `check`) a file is not up to
/// date.
pub fn run(check: bool) -> Result<()> {
    let folder = workspace::root().join("openapi");
    let names: Vec<String> = read_documents()?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let mut stale = Vec::new();
    for name in &names {
        let strict = fs::read_to_string(folder.join(format!("{name}.yaml")))
            .with_context(|| format!("reading openapi/{name}.yaml"))?;
        let text = twin(name, &strict).with_context(|| format!("openapi/{name}.yaml"))?;
        let path = folder.join(format!("lenient/{name}.yaml"));
        if fs::read_to_string(&path).is_ok_and(|current| current == text) {
            continue;
        }
        if check {
            stale.push(format!("openapi/lenient/{name}.yaml"));
        } else {
            write(&path, &text)?;
            println!("openapi: wrote openapi/lenient/{name}.yaml");
        }
    }
    if !stale.is_empty() {
        bail!(
            "openapi: not up to date: {}; run `cargo xtask openapi`",
            stale.join(", ")
        );
    }
    println!("openapi: {} lenient documents are up to date", names.len());
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Returns the twin of a document as text. Keys keep their order and descriptions stay as they are.
fn twin(name: &str, strict: &str) -> Result<String> {
    let spec = parse(name, strict)?;
    let mut document: Value = yaml_serde::to_value(&spec)?;
    let named_enum = |name: &String| values::is_enum(&spec, name);
    for schema in answered(&spec).into_iter().filter(|name| !named_enum(name)) {
        if let Some(schema) = component(&mut document, &schema) {
            values::loosen(&spec, schema, false);
        }
    }
    errors::open(&spec, &mut document)?;
    left_out::leave_out(&mut document);
    let body = yaml_serde::to_string(&document)?;
    Ok(format!(
        "# Made by `cargo xtask openapi` from ../{name}.yaml; do not edit.\n\
         # For generated clients that fail on what they do not know; which ones those are: ../GENERATORS.md.\n\n{body}"
    ))
}

/// Returns the schemas that an answer can contain, including errors, and the one as which later
/// errors are read.
fn answered(spec: &serde_json::Value) -> BTreeSet<String> {
    let answers = operations(spec)
        .iter()
        .flat_map(|operation| entries(&operation.object["responses"]))
        .map(|(_, answer)| resolve(spec, answer)["content"].clone())
        .collect();
    let mut found = reachable_schemas(spec, &serde_json::Value::Array(answers));
    found.insert(errors::OPEN_ERROR.to_owned());
    found
}

/// Returns a component schema by its name.
fn component<'a>(document: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    document
        .get_mut("components")?
        .get_mut("schemas")?
        .get_mut(name)
}

/// Makes a reference to a component schema.
fn reference(name: &str) -> Value {
    one("$ref", format!("{}{name}", crate::openapi::SCHEMAS).into())
}

/// Makes a mapping with one key.
fn one(key: &str, value: Value) -> Value {
    Value::Mapping(Mapping::from_iter([(key.into(), value)]))
}
