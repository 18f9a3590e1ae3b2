//! Lists the public API of a crate, one line for each item: of a release's archive, and of the
//! current source.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::compat::release::Version;
use crate::released::unpack_into;
use crate::workspace::Published;
use crate::{process, workspace};

/// A public API.
pub struct Listing {
    /// Its items, in rustdoc's order.
    pub items: Vec<String>,
    /// The features that a program can enable.
    pub features: Vec<String>,
}

/// Lists the released API.
///
/// # Errors
///
/// Fails if there is no such archive, or rustdoc cannot read it.
pub fn released(published: Published, version: Version) -> Result<Listing> {
    let folder = folder().join("released");
    unpack_into(&published.released(version), &folder)?;
    let manifest = folder.join("Cargo.toml");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    // A workspace of its own. With our lock file, both use the same dependencies.
    fs::write(&manifest, text + "\n[workspace]\n")
        .with_context(|| format!("writing {}", manifest.display()))?;
    fs::copy(
        workspace::root().join("Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .context("copying Cargo.lock")?;
    read(published, &manifest)
}

/// Lists the current API.
///
/// # Errors
///
/// Fails if rustdoc cannot read it.
pub fn current(published: Published) -> Result<Listing> {
    read(published, &published.manifest())
}

fn folder() -> PathBuf {
    workspace::target().join("semver")
}

/// Runs rustdoc to describe the API with all features. Its JSON format is unstable, so rustc
/// requires the variable. The version of `public-api` has to match the format of this rustc.
fn read(published: Published, manifest: &Path) -> Result<Listing> {
    let build = folder().join("build");
    let mut rustdoc = process::cargo();
    rustdoc.args([
        "rustdoc",
        "--quiet",
        "--lib",
        "--all-features",
        "--manifest-path",
    ]);
    rustdoc.arg(manifest).arg("--target-dir").arg(&build);
    rustdoc.args(["--", "-Z", "unstable-options", "--output-format", "json"]);
    process::run(
        rustdoc
            .args(["--cap-lints", "allow"])
            .env("RUSTC_BOOTSTRAP", "1"),
    )?;
    let json = format!("doc/{}.json", published.name.replace('-', "_"));
    let api = public_api::Builder::from_rustdoc_json(build.join(json))
        .omit_blanket_impls(true)
        .build()
        .context(
            "reading what rustdoc wrote (`public-api` must be of the version for this rustc)",
        )?;
    Ok(Listing {
        items: api.items().map(ToString::to_string).collect(),
        features: features(published, manifest)?,
    })
}

/// Returns the features in a manifest.
fn features(published: Published, manifest: &Path) -> Result<Vec<String>> {
    let mut metadata = process::cargo();
    metadata.args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--manifest-path",
    ]);
    let said = process::run_quietly(metadata.arg(manifest))?;
    let said: Value =
        serde_json::from_str(&said).context("reading what cargo says of a manifest")?;
    let packages = said["packages"].as_array();
    let package = packages
        .into_iter()
        .flatten()
        .find(|package| package["name"] == published.name);
    let features = package.and_then(|package| package["features"].as_object());
    let features = features.with_context(|| format!("{} has no features", manifest.display()))?;
    Ok(features.keys().cloned().collect())
}
