//! `cargo xtask dependencies`: checks licences, sources, crates that are there in two versions, and dependencies that
//! nobody uses.

use std::process::Command;

use anyhow::{Context, Result};

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
        .context("a crate in a Cargo.toml is not named in its sources: remove it there")
}
