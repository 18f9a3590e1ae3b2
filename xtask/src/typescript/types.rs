//! The generated part of the TypeScript SDK: the types of each document in openapi/, by openapi-typescript.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::run_quietly;
use crate::{sdk, workspace};

/// How the types are made: an object without properties may have any; a field with a default may be left out; each schema has a
/// name of its own.
const OPTIONS: [&str; 5] = [
    "--empty-objects-unknown",
    "--default-non-nullable=false",
    "--root-types",
    "--root-types-no-schema-prefix",
    "--root-types-keep-casing",
];

/// Writes the types, or with `check` says which of them are not what would be written.
///
/// # Errors
///
/// Fails if openapi-typescript is missing or fails, a file cannot be written, or (with `check`) a file is not up to date.
pub fn run(check: bool) -> Result<()> {
    let folder = super::folder()?;
    let made = workspace::target().join("typescript");
    fs::create_dir_all(&made).with_context(|| format!("making {}", made.display()))?;
    let mut stale = Vec::new();
    let documents = sdk::read_documents()?;
    for (name, _) in &documents {
        let text = types(&folder, name, &made.join(format!("{name}.ts")))?;
        let shown = format!("sdk/typescript/src/generated/{name}.ts");
        let path = workspace::root().join(&shown);
        if fs::read_to_string(&path).is_ok_and(|current| current == text) {
            continue;
        }
        if check {
            stale.push(shown);
        } else {
            fs::write(&path, text).with_context(|| format!("writing {shown}"))?;
            println!("sdk: wrote {shown}");
        }
    }
    if !stale.is_empty() {
        bail!(
            "sdk: not up to date with openapi/: {}; run `cargo xtask sdk`",
            stale.join(", ")
        );
    }
    println!(
        "sdk: the types of {} documents for TypeScript are up to date",
        documents.len()
    );
    Ok(())
}

/// The types of one document.
fn types(folder: &Path, name: &str, output: &Path) -> Result<String> {
    run_quietly(
        Command::new(folder.join("node_modules/.bin/openapi-typescript"))
            .current_dir(folder)
            .arg(format!("../../openapi/{name}.yaml"))
            .arg("--output")
            .arg(output)
            .args(OPTIONS),
    )
    .with_context(|| format!("openapi/{name}.yaml"))?;
    fs::read_to_string(output).with_context(|| format!("reading {}", output.display()))
}
