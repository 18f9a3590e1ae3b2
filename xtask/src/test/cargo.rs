//! Runs tests, by cargo or by their program, passes the output through, and counts the results.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::tally::Tally;
use crate::process;
use crate::workspace;

/// What is said after `cargo xtask test`.
pub struct Arguments<'a> {
    /// Options of cargo itself, such as `--locked`.
    options: Vec<&'a str>,
    /// What the tests are told: parts of names, and what stands after `--`.
    told: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// Tells the two apart.
    pub fn new(arguments: &'a [String]) -> Self {
        let mut all = arguments.iter().map(String::as_str);
        let before: Vec<&str> = all.by_ref().take_while(|one| *one != "--").collect();
        let (options, mut told): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|one| one.starts_with('-'));
        told.extend(all);
        Self { options, told }
    }
}

/// Runs all tests of the workspace. Returns whether they passed; the counts go to the tally.
///
/// # Errors
///
/// Fails if cargo cannot be started or its output cannot be passed on.
pub fn test(arguments: &Arguments<'_>, tally: &mut Tally) -> Result<bool> {
    let mut command = process::cargo();
    command
        .args(["test", "--no-fail-fast", "--workspace"])
        .args(&arguments.options)
        .arg("--")
        .args(&arguments.told);
    counted(&mut command, tally)
}

/// Runs the contract tests alone, with a variable set. It is the program that [`test`] has built: cargo, asked for these
/// tests alone, would build half of the crates anew.
///
/// # Errors
///
/// Fails if the program is not there, cannot be started, or its output cannot be passed on.
pub fn contract(
    arguments: &Arguments<'_>,
    variable: (&str, &str),
    tally: &mut Tally,
) -> Result<bool> {
    let program = built(arguments)?;
    let mut command = Command::new(program);
    command
        .current_dir(workspace::root().join("tests"))
        .args(&arguments.told)
        .env(variable.0, variable.1);
    counted(&mut command, tally)
}

/// Returns the program of the contract tests.
fn built(arguments: &Arguments<'_>) -> Result<PathBuf> {
    let mut command = process::cargo();
    command
        .args(["test", "--workspace", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .args(&arguments.options);
    let messages = process::run_quietly(&mut command)?;
    let mut messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.find_map(|message| {
        let ours = message["target"]["name"] == "it";
        message["executable"]
            .as_str()
            .filter(|_| ours)
            .map(PathBuf::from)
    });
    program.context("cargo names no program for the contract tests")
}

fn counted(command: &mut Command, tally: &mut Tally) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the tests")?;
    let output = child.stdout.take().context("reading what the tests say")?;
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading what the tests say")?;
        tally.take(&String::from_utf8_lossy(&line));
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    drop(out);
    Ok(child.wait().context("waiting for the tests")?.success())
}
