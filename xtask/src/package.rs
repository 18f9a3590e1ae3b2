//! `cargo xtask package`: packs the SDK as for a release, and checks the archive.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// Keys that the packed manifest must have, for readers in a registry.
const KEYS: [&str; 4] = ["description", "license", "readme", "rust-version"];

/// Files that the archive must have besides the sources.
const FILES: [&str; 4] = [
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "examples/sign_in.rs",
];

/// Packs the SDK. It is not compiled again: the archive has the files that the tests were built
/// from.
///
/// # Errors
///
/// Fails if cargo does not pack it, or if the archive lacks something or names a folder of this
/// machine.
pub fn run() -> Result<()> {
    process::run(process::cargo().args([
        "package",
        "--no-verify",
        "--allow-dirty",
        "--manifest-path",
        "sdk/rust/Cargo.toml",
    ]))?;
    let name = format!("countersign-sdk-{}", env!("CARGO_PKG_VERSION"));
    let archive = workspace::target().join(format!("package/{name}.crate"));
    let tar = |arguments: &[&str]| {
        process::run_quietly(
            Command::new("tar")
                .arg("--file")
                .arg(&archive)
                .args(arguments),
        )
        .with_context(|| format!("reading {}", archive.display()))
    };
    let files = tar(&["--list", "--gzip"])?;
    for file in FILES {
        if !files.lines().any(|line| line == format!("{name}/{file}")) {
            bail!("the archive of the SDK has no {file}");
        }
    }
    let manifest = tar(&[
        "--extract",
        "--gzip",
        "--to-stdout",
        &format!("{name}/Cargo.toml"),
    ])?;
    for key in KEYS {
        if !manifest
            .lines()
            .any(|line| line.starts_with(&format!("{key} = \"")))
        {
            bail!("the manifest of the SDK has no {key}");
        }
    }
    let everything = tar(&["--extract", "--gzip", "--to-stdout"])?;
    let folder = workspace::root().join("sdk/rust");
    if everything.contains(folder.to_string_lossy().as_ref()) {
        bail!("the archive of the SDK names {}", folder.display());
    }
    println!("package: {name}.crate, {} files", files.lines().count());
    Ok(())
}
