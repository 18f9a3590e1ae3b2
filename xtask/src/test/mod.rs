//! `cargo xtask test`: installs what the tests need and runs them all, on SQLite and on PostgreSQL.

mod cargo;
pub mod postgres;
mod tally;

use anyhow::{Context, Result};

use crate::process::is_ci;
use crate::tools::{TEST_TOOLS, ensure_axe, ensure_clients};
use postgres::Cluster;
use tally::Tally;

/// Names the database of the contract tests. Without it, each server has an SQLite of its own.
const DATABASE: &str = "COUNTERSIGN_TEST_DATABASE_URL";

/// Runs everything. `arguments` go to cargo and to the tests. Returns whether all tests passed; the last line
/// printed has the counts.
///
/// # Errors
///
/// Fails if PostgreSQL (in CI: anything) is missing, or cargo does not start.
pub fn run(arguments: &[String]) -> Result<bool> {
    // Ctrl-C ends the tests that we wait for. We then go on to remove the cluster.
    ctrlc::set_handler(|| ()).context("taking Ctrl-C")?;
    let mut missing = Vec::new();
    for tool in &TEST_TOOLS {
        missing.extend(tool.ensure()?);
    }
    missing.extend(ensure_clients()?);
    missing.extend(ensure_axe()?);
    let cluster = Cluster::start().context("PostgreSQL")?;
    let arguments = cargo::Arguments::new(arguments);
    let mut tally = Tally::default();

    println!("xtask: all tests, on SQLite");
    let sqlite = cargo::test(&arguments, &mut tally)?;
    println!("xtask: the contract tests, on PostgreSQL");
    let url = cluster.url();
    let postgres = cargo::contract(&arguments, (DATABASE, &url), &mut tally)?;
    drop(cluster);

    for name in &tally.names {
        println!("skipped: {name}");
    }
    for sentence in &missing {
        println!("{sentence}");
    }
    let complete = !is_ci() || tally.skipped == 0;
    if !complete {
        println!("in CI nothing may be skipped");
    }
    println!("{tally}");
    Ok(sqlite && postgres && complete && tally.failed == 0)
}
