//! Runs `cargo test`, passes its output through, and counts the results.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Context, Result};

use super::tally::Tally;
use crate::process;

/// Runs the tests. Returns whether they passed; the counts go to the tally.
///
/// # Errors
///
/// Fails if cargo cannot be started or its output cannot be passed on.
pub fn test(arguments: &[&str], variable: Option<(&str, &str)>, tally: &mut Tally) -> Result<bool> {
    let mut child = process::cargo()
        .args(["test", "--no-fail-fast"])
        .args(arguments)
        .envs(variable)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    let output = child
        .stdout
        .take()
        .context("reading what cargo test says")?;
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading what cargo test says")?;
        tally.take(&String::from_utf8_lossy(&line));
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    drop(out);
    Ok(child.wait().context("waiting for cargo test")?.success())
}
