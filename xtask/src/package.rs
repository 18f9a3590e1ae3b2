//! `cargo xtask package`: packs the SDK and its test kit as for a release, and checks the archives.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{PUBLISHED, Published};
use crate::{process, workspace};

/// Keys that the packed manifest must have, for readers in a registry.
const KEYS: [&str; 4] = ["description", "license", "readme", "rust-version"];

/// Files that every archive must have besides the sources.
const FILES: [&str; 3] = ["Cargo.lock", "Cargo.toml", "README.md"];

/// Where cargo finds the SDK that the test kit needs: no registry has it before the release.
const HERE: &str = "patch.crates-io.countersign-sdk.path=\"sdk/rust\"";

/// Packs the crates. They are not compiled again: the archives have the files that the tests were
/// built from.
///
/// # Errors
///
/// Fails if cargo does not pack them, or if an archive lacks something or names a folder of this
/// machine.
pub fn run() -> Result<()> {
    let mut package = process::cargo();
    package.args(["package", "--no-verify", "--allow-dirty", "--config", HERE]);
    for published in PUBLISHED {
        package.args(["--package", published.name]);
    }
    process::run(&mut package)?;
    PUBLISHED.into_iter().try_for_each(check)
}

/// Looks into an archive.
fn check(published: Published) -> Result<()> {
    let Published { folder, shows, .. } = published;
    let name = format!("{}-{}", published.name, env!("CARGO_PKG_VERSION"));
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
    for file in FILES.into_iter().chain([shows]) {
        if !files.lines().any(|line| line == format!("{name}/{file}")) {
            bail!("the archive {name} has no {file}");
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
            bail!("the manifest of {name} has no {key}");
        }
    }
    let everything = tar(&["--extract", "--gzip", "--to-stdout"])?;
    let folder = workspace::root().join(folder);
    if everything.contains(folder.to_string_lossy().as_ref()) {
        bail!("the archive {name} names {}", folder.display());
    }
    println!("package: {name}.crate, {} files", files.lines().count());
    Ok(())
}
