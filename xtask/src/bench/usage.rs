//! Reads from proc(5) what processes use of the machine.

use std::fs;

use anyhow::{Context, Result};

/// Microseconds of a tick: `USER_HZ` is 100 on every Linux.
const TICK_MICROS: u64 = 10_000;

/// Returns the processor time so far, in microseconds, of these processes and of their children
/// that have ended.
pub fn cpu_micros(processes: &[u32]) -> u64 {
    let ticks = processes.iter().filter_map(|process| ticks(*process).ok());
    ticks.sum::<u64>() * TICK_MICROS
}

/// Sums `utime`, `stime`, `cutime` and `cstime`, the 14th to 17th field of `stat`.
fn ticks(process: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may contain spaces.
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let times = fields.split_whitespace().skip(14 - 3).take(4);
    let times = times.map(|text| text.parse::<u64>().context("a time of stat"));
    times.sum()
}

/// Returns a process and its children.
///
/// # Errors
/// Fails if proc cannot be read.
pub fn family(parent: u32) -> Result<Vec<u32>> {
    let mut found = vec![parent];
    for entry in fs::read_dir("/proc")? {
        let Some(process) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
        let of = fields.and_then(|fields| fields.split_whitespace().nth(1));
        if of.and_then(|text| text.parse().ok()) == Some(parent) {
            found.push(process);
        }
    }
    Ok(found)
}

/// Returns one of the sizes in `status`, in bytes: `VmRSS` is the resident memory, `VmHWM` its
/// maximum so far.
///
/// # Errors
/// Fails if it is not there.
pub fn memory(process: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("no {name}"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::{cpu_micros, family, memory};

    #[test]
    fn this_process_has_memory_and_is_of_its_own_family() {
        let own = std::process::id();
        assert!(memory(own, "VmRSS").expect("a size") > 100_000);
        assert!(memory(own, "VmNothing").is_err());
        assert!(family(own).expect("a family").contains(&own));
        assert_eq!(cpu_micros(&[u32::MAX]), 0);
    }
}
