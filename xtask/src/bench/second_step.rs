//! Measures the second step of a sign-in on both databases, compared with the same writes done
//! directly by the database.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::calls;
use super::engine;
use super::load::{self, Load, Measured, Pace};
use super::report::{Comparison, Line, Report};
use super::seed;
use super::server::{self, Build, Server};
use super::usage;
use super::users::Users;
use super::{Sizes, flood};
use crate::test::postgres::Cluster;

/// Steps in one commit, for SQLite alone: as many as connections wait for one, and as many as the
/// server takes at most.
const TO_A_COMMIT: [u32; 2] = [64, 256];

/// Measures calls: a second to warm up, a closed loop for the rate, an open one at half of it for
/// the times.
///
/// # Errors
/// Fails if an answer is not a success.
pub fn under_load(
    what: &str,
    load: &Load,
    processes: &dyn Fn() -> Result<Vec<u32>>,
) -> Result<Line> {
    let warm = Load {
        duration: load.duration.min(std::time::Duration::from_secs(1)),
        ..load.clone()
    };
    load::run(warm)?.all_well()?;
    let processes = processes()?;
    let before = usage::cpu_micros(&processes);
    let closed = load::run(load.clone())?.all_well()?;
    let cpu = (usage::cpu_micros(&processes) - before) as f64 / closed.answered as f64;
    let open = load::run(Load {
        pace: Pace::Open(closed.per_second / 2.0),
        ..load.clone()
    })?
    .all_well()?;
    Ok(Line {
        p50_ms: Some(open.p50_ms),
        p99_ms: Some(open.p99_ms),
        ..Line::limit(what.to_owned(), closed.per_second).with_cpu(cpu)
    })
}

/// Makes the load of second steps on these servers.
pub fn load(servers: &[&Server], users: &Arc<Users>, sizes: &Sizes) -> Load {
    Load {
        addresses: servers.iter().map(|server| server.address).collect(),
        connections: sizes.connections,
        duration: sizes.duration(),
        pace: Pace::Closed,
        requests: calls::second_steps(users),
    }
}

/// Measures second steps on SQLite in the seeded folder, then again while passwords flood in.
///
/// # Errors
/// Fails if the server does not start, or an answer is not a success.
pub fn sqlite(build: &Build, folder: &Path, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let mut limits = Vec::new();
    for to_a_commit in TO_A_COMMIT {
        let copy = server::copied(folder)?;
        limits.push(engine::sqlite(
            copy.path(),
            sizes.users(),
            to_a_commit,
            sizes.duration(),
        )?);
    }
    limits.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
    let copy = server::copied(folder)?;
    let server = server::start(build, copy.path(), None)?;
    let users = Arc::new(Users::new(sizes.users()));
    let load = load(&[&server], &users, sizes);
    let ours = under_load("Countersign", &load, &|| Ok(vec![server.process()]))?;
    let alone = ours.clone();
    report.compare(Comparison {
        name: "second_step_sqlite",
        title: "Second step by TOTP, SQLite, synchronous=FULL".to_owned(),
        limit: limits.swap_remove(0),
        ours,
    });
    flood::beside(&server, &load, &alone, sizes, report)
}

/// Measures second steps on PostgreSQL, then again with two processes on one database.
///
/// # Errors
/// Fails if the database cannot be seeded, the server does not start, or an answer is not a
/// success.
pub fn postgres(build: &Build, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let cluster = Cluster::durable()?;
    let folder = tempfile::tempdir()?;
    let seeded = engine::database(&cluster, "seeded", None)?;
    let count = sizes.users();
    seed::postgres(build, folder.path(), (&cluster, &seeded), count)?;
    let raw = engine::database(&cluster, "raw", Some("seeded"))?;
    let limit = engine::postgres(&cluster, &raw, count, sizes.seconds())?;
    let one = engine::database(&cluster, "one", Some("seeded"))?;
    let users = Arc::new(Users::new(count));
    let ours = {
        let server = server::start(build, folder.path(), Some(&one))?;
        let processes = || {
            let mut all = cluster.processes()?;
            all.push(server.process());
            Ok(all)
        };
        under_load("Countersign", &load(&[&server], &users, sizes), &processes)?
    };
    let one_alone = ours.per_second;
    report.compare(Comparison {
        name: "second_step_postgres",
        title: "Second step by TOTP, PostgreSQL, synchronous_commit=on".to_owned(),
        limit,
        ours,
    });
    let first = server::start(build, folder.path(), Some(&one))?;
    let other = server::copied(folder.path())?;
    let second = server::start(build, other.path(), Some(&one))?;
    let both = closed(&load(&[&first, &second], &users, sizes))?;
    let what = "Second steps of two processes on one PostgreSQL, over those of one".to_owned();
    report.fact("two_processes", what, both.per_second / one_alone, "");
    Ok(())
}

/// Warms up, then measures a closed loop.
///
/// # Errors
/// Fails if an answer is not a success.
pub fn closed(load: &Load) -> Result<Measured> {
    let warm = Load {
        duration: load.duration.min(std::time::Duration::from_secs(1)),
        ..load.clone()
    };
    load::run(warm)?.all_well()?;
    load::run(load.clone())?.all_well()
}

/// Measures second steps on SQLite among ten times as many users.
///
/// # Errors
/// Fails as [`sqlite`] does.
pub fn large(build: &Build, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let count = sizes.users().saturating_mul(10);
    let folder = tempfile::tempdir()?;
    seed::sqlite(build, folder.path(), count)?;
    let server = server::start(build, folder.path(), None)?;
    let users = Arc::new(Users::new(count));
    let many = closed(&load(&[&server], &users, sizes))?;
    let few = report
        .comparisons
        .iter()
        .find(|comparison| comparison.name == "second_step_sqlite");
    let few = few.map_or(f64::NAN, |comparison| comparison.ours.per_second);
    let what = format!(
        "Second steps on SQLite among {} users, over those among {}",
        super::report::thousands(count.into()),
        super::report::thousands(sizes.users().into())
    );
    report.fact("ten_times_the_users", what, many.per_second / few, "");
    Ok(())
}
