//! Runs a server under callgrind, controls when it counts, and reads its dumps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::server::{self, Build, Server};
use crate::process::{self, find};

/// A server under callgrind.
pub struct Watched {
    server: Server,
    out: PathBuf,
    dumps: u32,
}

impl Watched {
    /// Starts the server. Nothing is counted yet, which makes it several times faster.
    ///
    /// # Errors
    /// Fails if it does not start.
    pub fn start(build: &Build, folder: &Path) -> Result<Self> {
        let out = folder.join("callgrind.out");
        let runner = [
            find("valgrind").context("there is no valgrind")?,
            "--quiet".into(),
            "--tool=callgrind".into(),
            "--instr-atstart=no".into(),
            format!("--callgrind-out-file={}", out.display()).into(),
        ];
        Ok(Self {
            server: server::start(&build.under(runner), folder, None)?,
            out,
            dumps: 0,
        })
    }

    /// Returns the server.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Starts or stops instrumentation.
    ///
    /// # Errors
    /// Fails if callgrind does not respond. So does every function in this file.
    pub fn watch(&self, on: bool) -> Result<()> {
        self.control(if on { "--instr=on" } else { "--instr=off" })
    }

    /// Resets the counters to zero.
    pub fn zero(&self) -> Result<()> {
        self.control("--zero")
    }

    /// Returns what was counted since the reset, in callgrind's format.
    pub fn dump(&mut self) -> Result<String> {
        self.control("--dump")?;
        self.dumps += 1;
        let file = format!("{}.{}", self.out.display(), self.dumps);
        std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))
    }

    fn control(&self, word: &str) -> Result<()> {
        let process = self.server.process().to_string();
        process::run_quietly(Command::new("callgrind_control").args([word, &process]))?;
        Ok(())
    }
}

/// Returns the total number of instructions in a dump.
///
/// # Errors
/// Fails if the dump has no total.
pub fn total(dump: &str) -> Result<u64> {
    let sum = dump.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))
    });
    Ok(sum.context("no sum in the dump")?.trim().parse()?)
}

/// Returns the instructions of all calls into functions whose names contain `part`, including what
/// those call. A call counts only if it comes from another function.
///
/// # Errors
/// Fails if callgrind did not write the dump.
pub fn inclusive(dump: &str, part: &str) -> Result<u64> {
    let mut names: HashMap<&str, bool> = HashMap::new();
    let (mut caller, mut callee, mut is_call) = (false, false, false);
    let mut sum = 0;
    for line in dump.lines() {
        if is_call {
            is_call = false;
            if callee && !caller {
                let cost = line.split_whitespace().nth(1);
                sum += cost.context("a call without a cost")?.parse::<u64>()?;
            }
        } else if let Some(function) = line.strip_prefix("fn=") {
            caller = known(&mut names, function, part);
        } else if let Some(function) = line.strip_prefix("cfn=") {
            callee = known(&mut names, function, part);
        } else {
            is_call = line.starts_with("calls=");
        }
    }
    Ok(sum)
}

/// Tells whether a function is one of those searched for. Callgrind writes a function's name only
/// once, and its number from then on.
fn known<'a>(names: &mut HashMap<&'a str, bool>, function: &'a str, part: &str) -> bool {
    match function.split_once(' ') {
        Some((number, name)) => {
            let is_it = name.contains(part);
            names.insert(number, is_it);
            is_it
        }
        None => names.get(function).copied().unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::{inclusive, total};

    const DUMP: &str = "\
events: Ir
fn=(1) server::compare
10 5
cfn=(2) argon2::Argon2::fill
calls=1 20
10 700
fn=(2)
20 300
cfn=(3) argon2::block::compress
calls=4 30
21 350
cfn=(4) memcpy
calls=4 0
22 50
fn=(5) server::other
cfn=(4)
calls=1 0
40 9
totals: 1064
";

    #[test]
    fn calls_are_counted_where_they_are_entered_from_outside() {
        assert_eq!(total(DUMP).expect("a sum"), 1064);
        assert_eq!(inclusive(DUMP, "argon2").expect("a dump"), 700);
        assert_eq!(inclusive(DUMP, "memcpy").expect("a dump"), 59);
        assert_eq!(inclusive(DUMP, "nobody").expect("a dump"), 0);
    }
}
