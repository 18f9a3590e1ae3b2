//! `cargo xtask bench`: measures how fast the server is compared with the limits of its parts, and
//! what it uses of the machine.
//!
//! Everything runs on this machine at once: load, server and database share its processors. One run
//! measures each thing beside its limit, so that the ratios hold even if the machine's speed
//! varies. Rates come from a closed loop, in which each connection sends its next request when it
//! has an answer. Times come from an open loop at half of that rate. There, requests are due at
//! equal intervals, and each is timed from the moment it was due, so that a request delayed by a
//! slow one counts as late.

mod bare;
mod calls;
mod chart;
mod engine;
mod flood;
pub mod instructions;
mod load;
mod machine;
mod one_step;
mod report;
mod second_step;
mod seed;
mod server;
mod standing;
pub mod usage;
mod users;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::{process, workspace};
use report::Report;
use server::Build;

/// How much to measure, and for how long.
#[derive(Args, Clone)]
pub struct Sizes {
    /// Users with an authenticator that is on, such as 500k or 10m; 1m, or 100k with --quick.
    #[arg(long, value_parser = amount)]
    users: Option<u32>,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds of each measurement; 8, or 3 with --quick.
    #[arg(long)]
    seconds: Option<u64>,
    /// Seconds before the memory of an idle server is read; 60, or 10 with --quick.
    #[arg(long)]
    idle: Option<u64>,
    /// Measures what fits into two minutes, and stores nothing.
    #[arg(long)]
    quick: bool,
    /// Also measures second steps among ten times as many users.
    #[arg(long)]
    large: bool,
    /// Measures only these parts, and stores nothing.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Counts instructions instead, and compares them with the stored figures.
    #[arg(long)]
    instructions: bool,
    /// Counts those of the development build, as CI does.
    #[arg(long, requires = "instructions")]
    dev: bool,
    /// Stores the counted instructions as the figures to compare with.
    #[arg(long, requires = "instructions")]
    keep: bool,
    /// Serves the bare baseline on this port instead of measuring.
    #[arg(long, hide = true)]
    serve_bare: Option<u16>,
    /// Bytes of its answer's body.
    #[arg(long, hide = true, default_value_t = 0)]
    bare_body: usize,
}

/// A part of a run.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Second steps on SQLite, and beside a flood of passwords.
    Sqlite,
    /// The check of a bearer and the password step.
    Calls,
    /// Start to first answer.
    Start,
    /// Second steps on PostgreSQL.
    Postgres,
    /// Memory.
    Memory,
}

impl Sizes {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn users(&self) -> u32 {
        let usual = if self.quick { 100_000 } else { 1_000_000 };
        self.users.unwrap_or(usual)
    }

    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { 3 } else { 8 })
    }

    fn idle(&self) -> u64 {
        self.idle.unwrap_or(if self.quick { 10 } else { 60 })
    }

    /// Tells whether everything is measured, for long enough to be stored.
    fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty()
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

/// Parses a number that may end in k or m.
fn amount(text: &str) -> Result<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, times) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1000),
        (_, Some(digits)) => (digits, 1_000_000),
        (None, None) => (lower.as_str(), 1),
    };
    let number: u32 = digits.parse().context("a number such as 500k or 10m")?;
    number.checked_mul(times).context("too many")
}

/// Measures, prints the tables, and stores the figures.
///
/// # Errors
/// Fails if something cannot be built, started or measured, or takes more instructions than before.
pub fn run(sizes: &Sizes) -> Result<()> {
    if let Some(port) = sizes.serve_bare {
        return bare::serve(port, sizes.bare_body);
    }
    if sizes.instructions {
        let profile = if sizes.dev { "dev" } else { "release" };
        return instructions::run(profile, sizes.keep);
    }
    if cfg!(debug_assertions) {
        return again_in_release();
    }
    build_release()?;
    let report = measure(&Build::of("release"), sizes)?;
    println!("\n{}", report.markdown());
    if sizes.is_whole() {
        keep(&report, sizes)?;
    }
    Ok(())
}

fn measure(build: &Build, sizes: &Sizes) -> Result<Report> {
    let mut report = Report::default();
    let idle = standing::Idle::start(build)?;
    let folder = tempfile::tempdir()?;
    seed::sqlite(build, folder.path(), sizes.users())?;
    if sizes.wants(Part::Sqlite) {
        second_step::sqlite(build, folder.path(), sizes, &mut report)?;
    }
    if sizes.wants(Part::Postgres) {
        second_step::postgres(build, sizes, &mut report)?;
    }
    if sizes.wants(Part::Calls) {
        one_step::measure(build, folder.path(), sizes, &mut report)?;
    }
    if sizes.wants(Part::Start) {
        standing::starts(build, folder.path(), sizes, &mut report)?;
    }
    drop(folder);
    if sizes.wants(Part::Memory) {
        idle.measure(sizes.idle(), &mut report)?;
        standing::holding_on(build, &mut report)?;
    }
    if sizes.large {
        second_step::large(build, sizes, &mut report)?;
    }
    if sizes.is_whole() {
        instructions::beside(build, &mut report)?;
    }
    Ok(report)
}

/// Writes the figures and the chart.
fn keep(report: &Report, sizes: &Sizes) -> Result<()> {
    let mut all = machine::origin()?;
    if let Value::Object(all) = &mut all {
        let sizes = json!({
            "users": sizes.users(),
            "connections": sizes.connections,
            "seconds": sizes.seconds(),
        });
        all.insert("sizes".to_owned(), sizes);
        all.extend(report.json());
    }
    write("latest.json", &format!("{all:#}\n"))?;
    write("latest.svg", &chart::draw(report, &all))
}

/// Writes a file beside the committed figures.
fn write(name: &str, text: &str) -> Result<()> {
    let path = kept(name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// Returns the path of a committed file of figures.
fn kept(name: &str) -> PathBuf {
    workspace::root().join("xtask").join("bench").join(name)
}

fn build_release() -> Result<()> {
    process::run(process::cargo().args([
        "build",
        "--release",
        "--workspace",
        "--bin",
        "xtask",
        "--bin",
        "countersign",
    ]))
}

/// Runs this command again as a release build: a debug build would distort the measurements.
fn again_in_release() -> Result<()> {
    build_release()?;
    let xtask = workspace::target().join("release").join("xtask");
    process::run(Command::new(xtask).args(std::env::args_os().skip(1)))
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn users_are_counted_in_thousands_and_millions() {
        assert_eq!(amount("7").expect("a number"), 7);
        assert_eq!(amount("500k").expect("a number"), 500_000);
        assert_eq!(amount("10M").expect("a number"), 10_000_000);
        assert!(amount("10g").is_err() && amount("9999m").is_err());
    }
}
