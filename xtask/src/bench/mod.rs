//! `cargo xtask bench`: how many TOTP sign-in steps a second the server takes, beside bare actix and the raw engines.
//!
//! Everything runs on this machine at once: load, server and database share its processors. One run
//! measures all, so that the ratios hold when the machine's speed drifts.

mod bare;
mod engine;
mod load;
mod seed;
mod server;

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::process;
use crate::test::postgres::Cluster;

/// How large and how long.
#[derive(Args, Clone, Copy)]
pub struct Sizes {
    /// Users with an authenticator that is on.
    #[arg(long, default_value_t = 100_000)]
    pub users: u32,
    /// Connections that send one request after the other.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 8)]
    pub seconds: u64,
    /// Seconds to wait before the memory of an idle server is read.
    #[arg(long, default_value_t = 60)]
    pub idle: u64,
    /// Serves the bare baseline on this port instead of measuring.
    #[arg(long, hide = true)]
    pub serve_bare: Option<u16>,
}

impl Sizes {
    /// How long one measurement lasts.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Measures, and prints a table for the README.
///
/// # Errors
/// When something cannot be built, started or measured.
pub fn run(sizes: Sizes) -> Result<()> {
    if let Some(port) = sizes.serve_bare {
        return bare::serve(port);
    }
    if cfg!(debug_assertions) {
        return again_in_release(sizes);
    }
    process::run(process::cargo().args(["build", "--release", "--package", "countersign"]))?;
    let mut table = Table::default();
    let idle = server::idle_memory(sizes.idle)?;
    let bare = bare::measure(sizes)?;
    table.row("bare actix, the same request and answer sizes", &bare, None);

    let raw = engine::sqlite(sizes)?;
    table.raw(
        "SQLite, the same writes through its own API, 64 to a commit",
        raw,
    );
    let steps = server::sqlite(sizes)?;
    table.row("Countersign on SQLite", &steps, Some(raw));

    let cluster = Cluster::durable()?;
    let raw = engine::postgres(&cluster, sizes)?;
    table.raw(
        "PostgreSQL, the same writes by pgbench, one transaction a step",
        raw,
    );
    let steps = server::postgres(&cluster, sizes)?;
    table.row("Countersign on PostgreSQL", &steps, Some(raw));
    println!(
        "\n{} users, {} connections, {} s each\n",
        sizes.users, sizes.connections, sizes.seconds
    );
    println!("{}", table.text);
    println!("{idle}");
    Ok(())
}

/// A debug build would measure the debug build.
fn again_in_release(sizes: Sizes) -> Result<()> {
    let mut command = Command::new(process::cargo().get_program());
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "xtask",
        "--",
        "bench",
    ]);
    command.args(["--users", &sizes.users.to_string()]);
    command.args(["--connections", &sizes.connections.to_string()]);
    command.args(["--seconds", &sizes.seconds.to_string()]);
    command.args(["--idle", &sizes.idle.to_string()]);
    process::run(&mut command)
}

/// The rows of the README's table.
struct Table {
    text: String,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            text: "| What | per second | p50 ms | p99 ms | of the raw engine |\n|---|---|---|---|---|\n".to_owned(),
        }
    }
}

impl Table {
    fn row(&mut self, what: &str, measured: &load::Measured, raw: Option<f64>) {
        let ratio = raw.map_or_else(String::new, |raw| {
            format!("{:.2}", measured.per_second / raw)
        });
        let row = format!(
            "| {what} | {:.0} | {:.1} | {:.1} | {ratio} |\n",
            measured.per_second, measured.p50_ms, measured.p99_ms
        );
        eprint!("{row}");
        self.text.push_str(&row);
    }

    fn raw(&mut self, what: &str, per_second: f64) {
        let row = format!("| {what} | {per_second:.0} | | | 1 |\n");
        eprint!("{row}");
        self.text.push_str(&row);
    }
}

/// Refuses a measurement in which not every answer was a success: it would measure errors.
fn all_well(measured: &load::Measured) -> Result<()> {
    if measured.failed > 0 {
        bail!(
            "{} of {} answers were no success: {}",
            measured.failed,
            measured.sent,
            measured.example
        );
    }
    Ok(())
}
