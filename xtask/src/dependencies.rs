//! `cargo xtask dependencies`: checks licences, sources, crates that are there in two versions, dependencies that
//! nobody uses, and that the checks and the tests share one build.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, tools, workspace};

/// Checks all that `Cargo.lock` names against `deny.toml`, and each `Cargo.toml` against the sources beside it. The
/// database of advisories is left out, since it cannot be reached from everywhere.
///
/// # Errors
///
/// Fails if a check finds something, or its tool cannot be installed.
pub fn run() -> Result<()> {
    let deny = tools::cargo_tool("cargo-deny", "0.20.2")?;
    let mut command = Command::new(deny);
    command.current_dir(workspace::root()).args([
        "--workspace",
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    process::run(&mut command).context("deny.toml says what is allowed")?;
    let machete = tools::cargo_tool("cargo-machete", "0.9.2")?;
    let mut command = Command::new(machete);
    process::run(command.current_dir(workspace::root()))
        .context("a crate in a Cargo.toml is not named in its sources: remove it there")?;
    one_build()
}

/// Checks that `cargo xtask` builds each crate with the features that the tests turn on. With others, cargo would compile
/// that crate, and the server with it, a second time.
fn one_build() -> Result<()> {
    let of_tests = built_with("--workspace")?;
    let of_checks = built_with("--package=xtask")?;
    let missing: Vec<&str> = of_checks
        .difference(&of_tests)
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "the tests turn on other features of these crates; name them in xtask/Cargo.toml too:\n{}",
        missing.join("\n")
    );
}

/// Returns each crate that is built for a selection of packages, with its features.
fn built_with(selection: &str) -> Result<BTreeSet<String>> {
    let tree = process::run_quietly(process::cargo().args([
        "tree",
        selection,
        "--locked",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p} [{f}]",
    ]))?;
    let each = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    Ok(each.map(str::to_owned).collect())
}
