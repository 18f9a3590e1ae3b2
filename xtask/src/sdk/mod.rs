//! `cargo xtask sdk [--check]`: writes the generated part of the SDKs from the documents in openapi/. Here, the one in Rust.
//!
//! One document becomes `sdk/rust/src/generated/NAME.rs` (types, errors, calls) and `NAME_mock.rs`
//! (httpmock helpers). The document stays faithful to the wire. What makes the SDK last
//! (`constants`, `open`, `plain`) and what keeps secrets out of logs (`secrets`) is changed in
//! memory.
//!
//! The structs come from progenitor, which uses typify: their fields, types and prose. The rest is
//! ours, since an SDK that lasts, reads well and compiles fast needs another shape than
//! progenitor's: requests with constructors (`objects`), unions with tags (`unions`), errors on one
//! level (`errors`), calls that are awaited (`calls`), and mocks (`mocks`).

mod calls;
mod constants;
mod errors;
mod finish;
mod generate;
mod lists;
mod mocks;
mod named;
mod objects;
mod open;
mod operations;
mod plain;
mod secrets;
mod types;
mod unions;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::documents::parse;
use crate::{typescript, workspace};

/// A document in the form that progenitor and the finishing steps take.
pub struct Lowered {
    /// The document's name: `identity`.
    pub name: String,
    /// The document, changed in memory.
    pub document: Value,
    /// The enums that become open.
    pub open: Vec<open::OpenEnum>,
    /// What is the same in every value of a type.
    pub constants: constants::Constants,
    /// The operations.
    pub operations: Vec<operations::Operation>,
}

/// Writes the generated files. With `check`, names those that are not up to date instead.
///
/// # Errors
///
/// Fails if a document cannot be turned into code, a file cannot be written, or (with `check`) a
/// file is not up to date.
pub fn run(check: bool) -> Result<()> {
    let folder = workspace::root().join("sdk/rust/src/generated");
    let mut stale = Vec::new();
    let mut total = 0;
    for (name, document) in read_documents()? {
        let lowered = lower(&name, document).with_context(|| format!("openapi/{name}.yaml"))?;
        let client = finish::client(&lowered).with_context(|| format!("generating {name}.rs"))?;
        let mock = finish::mocks(&lowered).with_context(|| format!("generating {name}_mock.rs"))?;
        for (file, text) in [
            (format!("{name}.rs"), client),
            (format!("{name}_mock.rs"), mock),
        ] {
            total += 1;
            let path = folder.join(file);
            let current = fs::read_to_string(&path).unwrap_or_default();
            if current == text {
                continue;
            }
            if check {
                stale.push(shown(&path));
            } else {
                write(&path, &text)?;
                println!("sdk: wrote {}", shown(&path));
            }
        }
    }
    if !stale.is_empty() {
        bail!(
            "sdk: {} not up to date with openapi/; run `cargo xtask sdk`",
            list(&stale)
        );
    }
    println!("sdk: {total} generated files are up to date");
    typescript::types::run(check)
}

/// Runs all steps in memory, in order. Each builds on the result of the one before.
pub fn lower(name: &str, document: Value) -> Result<Lowered> {
    let mut document = sorted(document);
    let operations = operations::collect(name, &document)?;
    named::lift(name, &mut document)?;
    secrets::lift(&mut document)?;
    let open = open::lift(name, &mut document)?;
    operations::forget_errors(&mut document);
    let constants = constants::lift(&mut document)?;
    plain::strip(&mut document);
    Ok(Lowered {
        name: name.to_owned(),
        document,
        open,
        constants,
        operations,
    })
}

/// Sorts keys alphabetically, so that the generated code does not depend on how serde_json was
/// built.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<(String, Value)> = map.into_iter().collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            members
                .into_iter()
                .map(|(key, inner)| (key, sorted(inner)))
                .collect()
        }
        Value::Array(list) => list.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

/// Reads every `openapi/*.yaml`, by name.
pub fn read_documents() -> Result<Vec<(String, Value)>> {
    read_folder(&workspace::root().join("openapi"))
}

/// Reads every document of a folder, by name.
pub fn read_folder(folder: &Path) -> Result<Vec<(String, Value)>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    let mut documents = Vec::new();
    for path in paths {
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        documents.push((name.to_owned(), parse(name, &text)?));
    }
    Ok(documents)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace::root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn list(names: &[String]) -> String {
    format!(
        "{} {}",
        names.join(", "),
        if names.len() == 1 { "is" } else { "are" }
    )
}
