//! `cargo xtask test`: sets up what the tests need and runs them all, on SQLite and on PostgreSQL.

mod cargo;
pub mod postgres;
mod tally;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tools::TEST_TOOLS;
use postgres::Cluster;
use tally::Tally;

/// A file to which a test appends one line for each check that it skips, named in this variable.
const SKIPS: &str = "COUNTERSIGN_TEST_SKIPS_FILE";

/// Names the database on which the contract tests run; without it, each server has an SQLite of its own.
const DATABASE: &str = "COUNTERSIGN_TEST_DATABASE_URL";

/// Runs everything; `arguments` go to `cargo test`.
///
/// # Errors
///
/// When a test fails, or when PostgreSQL (in CI: anything) is missing.
pub fn run(arguments: &[String]) -> Result<()> {
    // Ctrl-C ends the tests that we wait for; we go on to remove the cluster.
    ctrlc::set_handler(|| ()).context("taking Ctrl-C")?;
    let mut tally = Tally::default();
    for tool in &TEST_TOOLS {
        tally.skipped.extend(tool.ensure()?);
    }
    let cluster = Cluster::start().context("PostgreSQL")?;
    let skips = tempfile::NamedTempFile::new().context("making a file for skipped checks")?;

    println!("xtask: all tests, on SQLite");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let everything = [&["--workspace"], arguments.as_slice()].concat();
    let sqlite = cargo::test(
        &everything,
        &[(SKIPS, skips.path().as_os_str())],
        &mut tally,
    )?;
    println!("xtask: the contract tests, on PostgreSQL");
    let contract = [&["--workspace", "--test", "it"], arguments.as_slice()].concat();
    let url = cluster.url();
    let environment = [(SKIPS, skips.path().as_os_str()), (DATABASE, url.as_ref())];
    let postgres = cargo::test(&contract, &environment, &mut tally)?;
    drop(cluster);

    tally
        .skipped
        .extend(fs::read_to_string(skips.path())?.lines().map(str::to_owned));
    for sentence in &tally.skipped {
        println!("skipped: {sentence}");
    }
    println!("{tally}");
    if !sqlite || !postgres || tally.failed > 0 {
        bail!("test: not all tests passed");
    }
    if crate::process::is_ci() && !tally.skipped.is_empty() {
        bail!("test: in CI nothing may be skipped");
    }
    Ok(())
}
