//! `cargo xtask bench --instructions`: counts how many instructions a call takes, with callgrind,
//! one call after another.
//!
//! This needs no quiet machine: a call takes the same instructions however busy the processor is.
//! `xtask/bench/instructions.json` has figures for two builds. Those of the release build are the
//! ones that count. Those of the development build are compared in CI: it has that build for its
//! tests, whereas the server in a profile that optimises would take eight minutes more. The
//! development build takes several times as many instructions, but additional work in a call shows
//! there as well.

mod callgrind;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::calls::{self, Client};
use super::report::{Report, thousands};
use super::server::Build;
use super::users::Users;
use super::{build_release, kept, machine, seed, write};
use crate::{process, tools, workspace};
use callgrind::Watched;

/// The file with the stored figures.
const FILE: &str = "instructions.json";

/// Users in the database. No call reads more than one.
const USERS: u32 = 2000;

/// How many per cent more than the stored figure a call may take.
const ALLOWED_PERCENT: u64 = 5;

/// How long a server at rest is watched, and how long it is left alone before.
const RESTING: Duration = Duration::from_secs(3);
const SETTLING: Duration = Duration::from_secs(1);

/// The library whose part of a call is not counted: the cost of a hash is a setting.
const HASH: &str = "argon2";

/// The function whose part is not counted either. It moves SQLite's log into the file at fixed pauses, so calls that
/// take longer have more of it.
const CHECKPOINT: &str = "sqlite3Checkpoint";

/// A kind of call to count.
struct Kind {
    name: &'static str,
    /// The most instructions that a release build should take.
    aim: u64,
    /// Calls before those that are counted.
    warm: usize,
    /// Calls that are counted.
    counted: usize,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "verify",
        aim: 600_000,
        warm: 100,
        counted: 200,
    },
    Kind {
        name: "me",
        aim: 350_000,
        warm: 100,
        counted: 200,
    },
    // Fewer calls than the others: with its hash, each takes a hundred times as long.
    Kind {
        name: "login",
        aim: 900_000,
        warm: 20,
        counted: 20,
    },
    Kind {
        name: "refresh",
        aim: 700_000,
        warm: 100,
        counted: 200,
    },
];

/// Instructions of one call of each kind.
type Counts = Vec<(&'static Kind, u64)>;

/// Runs what CI runs.
///
/// # Errors
/// Fails as [`run`] does.
pub fn ci() -> Result<()> {
    run("dev", false)
}

/// Counts the instructions of this profile's build. Compares them with the stored figures, or
/// stores them.
///
/// # Errors
/// Fails if a call takes more, or if nothing can be counted.
pub fn run(profile: &'static str, keep: bool) -> Result<()> {
    if let Some(missing) = tools::VALGRIND.ensure()? {
        bail!(missing);
    }
    let build = if profile == "dev" {
        // Built with the tests' features, since CI has that build already.
        let arguments = ["build", "--workspace", "--bin", "countersign", "--tests"];
        process::run(process::cargo().args(arguments))?;
        Build::of("debug")
    } else {
        build_release()?;
        Build::of("release")
    };
    let counts = count(&build, profile)?;
    let mut all = read()?;
    let before = all.get(profile).and_then(|kept| kept.get("calls")).cloned();
    let more = compare(&counts, before.as_ref(), profile);
    if keep {
        let mut of_profile = machine::origin()?;
        let calls: Map<String, Value> = counts
            .iter()
            .map(|(kind, count)| (kind.name.to_owned(), json!(count)))
            .collect();
        of_profile["calls"] = Value::Object(calls);
        all.insert(profile.to_owned(), of_profile);
        return write(FILE, &format!("{:#}\n", Value::Object(all)));
    }
    if !more.is_empty() && of_another_processor(&all, profile)? {
        // Libraries choose their routines by the processor, so figures of another one say nothing.
        println!("skipped: the comparison, as the figures that were kept are another processor's");
        return Ok(());
    }
    if !more.is_empty() {
        bail!(
            "more than {ALLOWED_PERCENT} % more instructions than were kept: {}; `--keep` keeps them",
            more.join(", ")
        );
    }
    Ok(())
}

/// Tells whether the stored figures of this profile come from another processor.
fn of_another_processor(all: &Map<String, Value>, profile: &str) -> Result<bool> {
    let processor = |origin: &Value| {
        let machine = &origin["machine"];
        (machine["processor"].clone(), machine["features"].clone())
    };
    let here = processor(&machine::origin()?);
    Ok(all.get(profile).is_some_and(|kept| processor(kept) != here))
}

/// Adds the instructions of the release build to a report. If they cannot be counted, prints the
/// reason.
///
/// # Errors
/// Fails if a call fails.
pub fn beside(build: &Build, report: &mut Report) -> Result<()> {
    if let Some(missing) = tools::VALGRIND.ensure()? {
        eprintln!("xtask: {missing}");
        return Ok(());
    }
    for (kind, count) in count(build, "release")? {
        let of = match kind.name {
            "verify" => "second_step_sqlite",
            "me" => "bearer_check",
            "login" => "password_step",
            _ => {
                let what = format!("Instructions of one {}", kind.name);
                report.fact("refresh_instructions", what, count as f64, "");
                continue;
            }
        };
        for comparison in &mut report.comparisons {
            if comparison.name == of {
                comparison.ours.instructions = Some(count);
            }
        }
    }
    Ok(())
}

fn read() -> Result<Map<String, Value>> {
    match std::fs::read_to_string(kept(FILE)) {
        Ok(text) => serde_json::from_str(&text).context(FILE),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error).context(FILE),
    }
}

/// Prints the counts beside the stored ones. Returns those that are too high.
fn compare(counts: &Counts, before: Option<&Value>, profile: &str) -> Vec<String> {
    let mut more = Vec::new();
    println!(
        "| call, {profile} build | instructions | kept | aim of the release build |\n|---|---|---|---|"
    );
    for (kind, count) in counts {
        let kept = before.and_then(|kept| kept.get(kind.name)?.as_u64());
        println!(
            "| {} | {} | {} | {} |",
            kind.name,
            thousands(*count),
            kept.map_or_else(|| "none".to_owned(), thousands),
            thousands(kind.aim)
        );
        if kept.is_some_and(|kept| is_more(*count, kept)) {
            more.push(kind.name.to_owned());
        }
    }
    more
}

const fn is_more(count: u64, kept: u64) -> bool {
    count > kept + kept * ALLOWED_PERCENT / 100
}

/// Counts each kind of call, on a server with one thread for each task. Leaves the dumps in
/// `target/callgrind/` for `callgrind_annotate`.
fn count(build: &Build, profile: &str) -> Result<Counts> {
    let folder = tempfile::tempdir()?;
    seed::sqlite(build, folder.path(), USERS)?;
    let build = build
        .with("COUNTERSIGN_HTTP_THREADS", 1)
        .with("COUNTERSIGN_DATABASE_THREADS", 1)
        .with("COUNTERSIGN_HASH_SLOTS", 1);
    let mut watched = Watched::start(&build, folder.path())?;
    let resting = resting(&mut watched)?;
    let users = Arc::new(Users::new(USERS));
    let mut counts = Vec::new();
    for kind in &KINDS {
        let (dump, took) = one_kind(&mut watched, &users, kind)?;
        let all = callgrind::total(&dump)?.saturating_sub(resting * took / 1_000_000);
        let all = all.saturating_sub(callgrind::inclusive(&dump, CHECKPOINT)?);
        let hash = callgrind::inclusive(&dump, HASH)?;
        if kind.name == "login" && hash == 0 {
            bail!("the hash is not to be found in a login: is {HASH} named otherwise?");
        }
        counts.push((kind, all.saturating_sub(hash) / kind.counted as u64));
        let name = format!("{profile}.{}.out", kind.name);
        stays(&workspace::target().join("callgrind"), &name, &dump)?;
    }
    Ok(counts)
}

fn stays(folder: &Path, name: &str, dump: &str) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(name), dump)?)
}

/// Counts what a server does in a second without calls, such as checking the key file. This is not
/// part of a call.
fn resting(watched: &mut Watched) -> Result<u64> {
    watched.watch(true)?;
    thread::sleep(SETTLING);
    watched.zero()?;
    let begun = Instant::now();
    thread::sleep(RESTING);
    let dump = watched.dump()?;
    let took = micros(begun)?;
    watched.watch(false)?;
    Ok(callgrind::total(&dump)? * 1_000_000 / took.max(1))
}

fn micros(begun: Instant) -> Result<u64> {
    Ok(u64::try_from(begun.elapsed().as_micros())?)
}

/// Makes the calls of one kind. Returns callgrind's dump of those that are counted, and how many
/// microseconds they took.
fn one_kind(watched: &mut Watched, users: &Arc<Users>, kind: &Kind) -> Result<(String, u64)> {
    let address = watched.server().address;
    let mut caller = Caller::new(Client::connect(address)?, users, kind.name)?;
    for _ in 0..kind.warm {
        caller.call()?;
    }
    watched.watch(true)?;
    // What happens after a call, such as a thread going to sleep, is counted with the next call.
    for _ in 0..2 {
        caller.call()?;
    }
    watched.zero()?;
    let begun = Instant::now();
    for _ in 0..kind.counted {
        caller.call()?;
    }
    let dump = watched.dump()?;
    let took = micros(begun)?;
    watched.watch(false)?;
    Ok((dump, took))
}

/// Makes calls of one kind.
struct Caller {
    client: Client,
    users: Arc<Users>,
    kind: &'static str,
    tokens: calls::Tokens,
}

impl Caller {
    fn new(mut client: Client, users: &Arc<Users>, kind: &'static str) -> Result<Self> {
        let number = users.next().context("no user is left")?;
        let tokens = client.tokens(&calls::verify(number)?)?;
        Ok(Self {
            client,
            users: Arc::clone(users),
            kind,
            tokens,
        })
    }

    fn call(&mut self) -> Result<()> {
        match self.kind {
            "me" => {
                self.client.call(&calls::me(&self.tokens.access))?;
            }
            "refresh" => {
                let request = calls::refresh(&self.tokens.refresh);
                self.tokens = self.client.tokens(&request)?;
            }
            kind => {
                let number = self.users.next().context("no user is left")?;
                let request = match kind {
                    "login" => calls::login(number),
                    _ => calls::verify(number)?,
                };
                self.client.call(&request)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{KINDS, compare, is_more};

    #[test]
    fn five_per_cent_more_are_allowed_and_no_more() {
        assert!(!is_more(105_000, 100_000) && is_more(105_001, 100_000));
        let counts = vec![(&KINDS[0], 600), (&KINDS[1], 100)];
        let before = json!({"verify": 500, "me": 100});
        assert_eq!(compare(&counts, Some(&before), "dev"), ["verify"]);
        assert!(compare(&counts, None, "dev").is_empty());
    }
}
