//! `cargo xtask ci` and `cargo xtask test`: runs the checks, cheap ones first, times each, and
//! stops at the first failure.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{
    bench, compat, dependencies, drift, generators, lenient, linters, migrations, package, process,
    released, schemathesis, sdk, semver, test, tools, typescript, workspace,
};

/// A check and its name.
type Step = (&'static str, fn() -> Result<()>);

/// Checks of the code alone.
const CODE: [Step; 6] = [
    ("fmt", || {
        process::run(process::cargo().args(["fmt", "--all", "--check"]))
    }),
    ("dependencies", dependencies::run),
    ("clippy", clippy),
    ("migrations", migrations::run),
    ("package", package::run),
    ("semver", semver::run),
];

/// Checks that the server does what the documents say.
///
/// Only a few generators are tried, since the others need Java, Go and 300 MB of tools.
/// `cargo xtask generators --check` tries all.
const CONTRACT: [Step; 11] = [
    ("drift", drift::run),
    ("openapi --check", || lenient::run(true)),
    ("compat", compat::run),
    ("sdk --check", || sdk::run(true)),
    ("openapi-spec-validator", validate),
    ("linters", linters::run),
    ("generators --few", generators::few),
    ("test", tests),
    ("typescript", typescript::check),
    ("released", released::run),
    ("schemathesis", schemathesis::run),
];

/// Checks that come last, as they use the build that the tests have left.
const SPEED: [Step; 1] = [("bench --instructions", bench::instructions::ci)];

/// Runs all steps and prints how long each took.
///
/// # Errors
///
/// Fails if a step fails. The steps after it are not run.
pub fn run() -> Result<()> {
    through(&[CODE.as_slice(), CONTRACT.as_slice(), SPEED.as_slice()].concat())
}

/// Runs the tests and the other checks of the server against the documents.
///
/// # Errors
///
/// Fails as [`run`] does.
pub fn contract() -> Result<()> {
    through(&CONTRACT)
}

fn through(steps: &[Step]) -> Result<()> {
    let mut done: Vec<(&str, Duration, bool)> = Vec::new();
    let mut outcome = Ok(());
    for (name, step) in steps {
        println!("xtask: {name}");
        let begun = Instant::now();
        let result = step();
        done.push((name, begun.elapsed(), result.is_ok()));
        if let Err(error) = result {
            outcome = Err(error).with_context(|| format!("{name} failed"));
            break;
        }
    }
    println!();
    for (name, took, passed) in &done {
        println!(
            "{name:24} {:>8.1} s  {}",
            took.as_secs_f64(),
            if *passed { "ok" } else { "FAILED" }
        );
    }
    let left = steps.len() - done.len();
    if left > 0 {
        println!("{left} of {} steps not run", steps.len());
    }
    outcome
}

/// Lints everything, and the program as its users build it: without the feature `documents`.
fn clippy() -> Result<()> {
    let all: &[&str] = &["--workspace", "--all-targets"];
    for what in [all, &["--package", "countersign"]] {
        let mut command = process::cargo();
        command
            .arg("clippy")
            .args(what)
            .args(["--", "-D", "warnings"]);
        process::run(&mut command)?;
    }
    Ok(())
}

fn tests() -> Result<()> {
    if !test::run(&[])? {
        bail!("not all tests passed");
    }
    Ok(())
}

/// Checks that each document and its twin are valid OpenAPI.
fn validate() -> Result<()> {
    let tool = tools::python_tool("openapi-spec-validator")?;
    let folder = workspace::root().join("openapi");
    let mut command = Command::new(tool);
    for (name, _) in sdk::read_documents()? {
        command.arg(folder.join(format!("{name}.yaml")));
        command.arg(folder.join(format!("lenient/{name}.yaml")));
    }
    process::run(&mut command)
}
