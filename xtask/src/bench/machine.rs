//! Describes the origin of measurements: processor, memory, date and commit.

use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{process, workspace};

/// The processor features by which libraries choose their routines.
const CHOSEN_BY: [&str; 8] = [
    "adx", "avx", "avx2", "avx512f", "bmi2", "erms", "fsrm", "sha_ni",
];

/// Returns what every file of figures says about its origin.
///
/// # Errors
/// Fails if `date` or `git` fails.
pub fn origin() -> Result<Value> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let told = |what: &str| {
        cpu.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == what).then(|| value.trim().to_owned())
        })
    };
    let model = told("model name");
    let flags = told("flags").unwrap_or_default();
    let features: Vec<&str> = flags
        .split(' ')
        .filter(|flag| CHOSEN_BY.contains(flag))
        .collect();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(json!({
        "date": said(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
        "commit": commit()?,
        "machine": {
            "processor": model,
            "features": features,
            "cores": cores,
            "memory_gb": kilobytes.map(|size| (size as f64 / 1e6).round()),
        },
    }))
}

/// Returns the commit, and whether there are changes since.
fn commit() -> Result<String> {
    let git = |arguments: &[&str]| {
        said(
            Command::new("git")
                .current_dir(workspace::root())
                .args(arguments),
        )
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let code = [
        "status",
        "--porcelain",
        "--",
        "server",
        "Cargo.lock",
        "Cargo.toml",
    ];
    let changed = !git(&code)?.is_empty();
    Ok(if changed {
        format!("{commit}, changed")
    } else {
        commit
    })
}

fn said(command: &mut Command) -> Result<String> {
    Ok(process::run_quietly(command)?.trim().to_owned())
}
