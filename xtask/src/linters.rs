//! `cargo xtask linters`: runs other projects' linters on the documents in openapi/. Our exceptions
//! are kept beside them.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, sdk, tools, workspace};

/// From npm, in the versions that the exceptions were written for.
const PACKAGES: [&str; 2] = ["@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3"];

/// Lints each document with Redocly's strictest rules and with Spectral's for OpenAPI.
///
/// # Errors
///
/// Fails if a linter finds something or cannot be installed.
pub fn run() -> Result<()> {
    let programs = tools::node_modules("xtask-linters", &PACKAGES)?.join("node_modules/.bin");
    let folder = workspace::root().join("openapi");
    let files: Vec<String> = sdk::read_documents()?
        .into_iter()
        .map(|(name, _)| format!("{name}.yaml"))
        .collect();
    let lint = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(programs.join(program));
        command
            .current_dir(&folder)
            .env("REDOCLY_TELEMETRY", "off")
            .args(arguments)
            .args(&files);
        process::run(&mut command).with_context(|| format!("{program} found something"))
    };
    lint("redocly", &["lint", "--config", "linters/redocly.yaml"])?;
    let strict = ["--fail-severity", "hint"];
    lint(
        "spectral",
        &[&["lint", "--ruleset", "linters/spectral.yaml"], &strict[..]].concat(),
    )?;
    println!(
        "linters: Redocly and Spectral find nothing in {} documents",
        files.len()
    );
    Ok(())
}
