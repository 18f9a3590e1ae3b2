//! Measures the limits that the server is compared with: the same writes done directly by the
//! databases, bare actix, and argon2id alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use countersign_base::config::Settings;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::report::{Line, counted};
use super::{server, usage, users};
use crate::process;
use crate::test::postgres::Cluster;

/// The writes of one step, in the server's order: take a try of the challenge and use it up, reset
/// the counter, record the app's time step, and write session, refresh token and audit event.
const WRITES: [&str; 6] = [
    "UPDATE challenges SET attempts = attempts + 1, consumed_at = $2 WHERE user_id = $1 AND id = $1 AND attempts < 5 \
     AND kind = 'authenticator' AND consumed_at IS NULL AND expires_at > $2",
    "UPDATE factor_attempts SET failures = 0, next_try_at = 0 WHERE user_id = $1 AND kind = 'authenticator' AND failures = 0 AND next_try_at = 0",
    "UPDATE factors SET last_step = $2, last_used_at = $2 WHERE user_id = $1 AND id = $1 AND state = 'on' \
     AND (last_step IS NULL OR last_step < $2) AND (told_step IS NULL OR told_step <> $2)",
    "INSERT INTO sessions (user_id, id, acr, amr, auth_time, created_at, last_used_at, expires_at, proved_at, second_step_at) \
     VALUES ($1, $3, 'aal2', 'pwd otp mfa', $2, $2, $2, $2, $2, $2)",
    "INSERT INTO refresh_tokens (user_id, id, session_id, secret_hash, created_at) VALUES ($1, $3, $3, $4, $2)",
    "INSERT INTO audit_events (user_id, id, event, source, detail, at) \
     VALUES ($1, $3, 'signed_in', '127.0.0.1', 'pwd otp mfa', $2)",
];

/// A time before the seeded challenges end, so that every statement finds its row.
const NOW: i64 = 1_700_000_000_000_000;

/// Measures steps a second through SQLite's own API in a seeded folder, with prepared statements
/// and the server's pragmas. The times are those of a whole transaction: no step can be faster than the disk.
///
/// # Errors
/// Fails if the database cannot be written.
pub fn sqlite(folder: &Path, count: u32, to_a_commit: u32, duration: Duration) -> Result<Line> {
    let conn = Connection::open(folder.join(server::SQLITE_FILE))?;
    conn.execute_batch(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY; \
         PRAGMA wal_autocheckpoint = 4000",
    )?;
    // SQLite numbers `$3` by its first occurrence, and `?3` by its number.
    let mut writes: Vec<_> = WRITES
        .iter()
        .map(|sql| conn.prepare(&sql.replace('$', "?")))
        .collect::<Result<_, _>>()?;
    let own = [std::process::id()];
    let (begun, cpu) = (Instant::now(), usage::cpu_micros(&own));
    let mut steps = 0_u32;
    let mut commits = Vec::new();
    while begun.elapsed() < duration && steps + to_a_commit <= count {
        let opened = Instant::now();
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..to_a_commit {
            one_step(&mut writes, users::nth(steps, count), steps)?;
            steps += 1;
        }
        conn.execute_batch("COMMIT")?;
        commits.push(opened.elapsed());
    }
    let per_second = f64::from(steps) / begun.elapsed().as_secs_f64();
    let micros = (usage::cpu_micros(&own) - cpu) as f64 / f64::from(steps.max(1));
    let what = format!("SQLite alone, the same writes, {to_a_commit} to a commit");
    commits.sort_unstable();
    let of_100 = |share: usize| {
        let commit = commits.get(commits.len() * share / 100);
        commit.map_or(0.0, |commit| commit.as_secs_f64() * 1000.0)
    };
    let line = Line::limit(what, per_second).with_cpu(micros);
    Ok(line.with_times(of_100(50), of_100(99)))
}

fn one_step(writes: &mut [rusqlite::Statement<'_>], number: u32, step: u32) -> Result<()> {
    let user = users::uuid(number);
    let fresh = Uuid::from_u128(u128::from(step) | 1 << 100);
    let (user, fresh) = (user.as_bytes(), fresh.as_bytes());
    for write in writes {
        match write.parameter_count() {
            1 => write.execute(params![user])?,
            2 => write.execute(params![user, NOW])?,
            3 => write.execute(params![user, NOW, fresh])?,
            _ => write.execute(params![user, NOW, fresh, [7_u8; 32]])?,
        };
    }
    Ok(())
}

/// Measures steps a second with pgbench in a seeded database, each in a transaction with prepared
/// statements.
///
/// # Errors
/// Fails if pgbench fails.
pub fn postgres(cluster: &Cluster, url: &str, count: u32, seconds: u64) -> Result<Line> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("step.sql");
    std::fs::write(&file, script(count))?;
    let cpu = usage::cpu_micros(&cluster.processes()?);
    let printed = process::run_quietly(
        Command::new(cluster.program("pgbench"))
            .args(["--no-vacuum", "--protocol", "prepared"])
            .args(["--client", "16", "--jobs", "1"])
            .args(["--time", &seconds.to_string(), "--file"])
            .arg(&file)
            .arg(url),
    )?;
    let cpu = (usage::cpu_micros(&cluster.processes()?) - cpu) as f64;
    let number = |prefix: &str| -> Result<f64> {
        let rest = printed.lines().find_map(|line| line.strip_prefix(prefix));
        let number = rest.and_then(|rest| rest.split(['/', ' ']).next());
        let number = number.with_context(|| format!("pgbench printed no {prefix}"))?;
        Ok(number.parse()?)
    };
    let steps = number("number of transactions actually processed: ")?;
    let what = "pgbench, the same writes, one transaction a step".to_owned();
    Ok(Line::limit(what, number("tps = ")?).with_cpu(cpu / steps))
}

fn script(count: u32) -> String {
    let user = "('00000000-0000-7000-8000-' || lpad(to_hex(:n::int), 12, '0'))::uuid";
    let mut script = format!("\\set n random(1, {count})\nBEGIN;\n");
    for write in WRITES {
        let write = write
            // The server locks a counter at zero, and writes nothing to it.
            .replace(
                "UPDATE factor_attempts SET failures = 0, next_try_at = 0",
                "SELECT failures FROM factor_attempts",
            )
            .replace(
                " AND failures = 0 AND next_try_at = 0",
                " AND failures = 0 AND next_try_at = 0 FOR UPDATE",
            )
            // A user drawn a second time must be written a second time.
            .replace(" AND attempts < 5", "")
            .replace(" AND consumed_at IS NULL", "")
            .replace(" AND (last_step IS NULL OR last_step < $2)", "")
            .replace(" AND (told_step IS NULL OR told_step <> $2)", "")
            .replace("$1", user)
            .replace("$2", &NOW.to_string())
            .replace("$3", "gen_random_uuid()")
            .replace("$4", "decode(repeat('07', 32), 'hex')");
        script.push_str(&write);
        script.push_str(";\n");
    }
    script.push_str("COMMIT;\n");
    script
}

/// Creates a database in the cluster, empty or as a copy of another one. Returns its URL.
///
/// # Errors
/// Fails if it cannot be created.
pub fn database(cluster: &Cluster, name: &str, like: Option<&str>) -> Result<String> {
    let mut command = Command::new(cluster.program("createdb"));
    command.args(["--maintenance-db", &cluster.url()]);
    if let Some(like) = like {
        command.args(["--template", like, "--strategy", "file_copy"]);
    }
    process::run_quietly(command.stderr(Stdio::inherit()).arg(name))?;
    let url = cluster.url();
    let (server, _) = url.rsplit_once('/').context("a URL with a database")?;
    Ok(format!("{server}/{name}"))
}

/// Measures password hashes a second with the server's parameters, on as many threads as it has
/// hash slots.
///
/// # Errors
/// Fails if argon2 refuses the parameters.
pub fn argon2id(settings: &Settings, duration: Duration) -> Result<Line> {
    let params = Params::new(
        settings.argon2_memory_kib,
        settings.argon2_iterations,
        settings.argon2_parallelism,
        Some(32),
    );
    let params = params.map_err(|error| anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let rate = || -> Result<f64> {
        let mut memory = vec![Block::new(); argon2.params().block_count()];
        let mut hash = [0; 32];
        let (begun, mut hashes) = (Instant::now(), 0_u32);
        while begun.elapsed() < duration {
            let password = users::PASSWORD.as_bytes();
            argon2
                .hash_password_into_with_memory(password, &[7; 16], &mut hash, &mut memory)
                .map_err(|error| anyhow!("{error}"))?;
            hashes += 1;
        }
        Ok(f64::from(hashes) / begun.elapsed().as_secs_f64())
    };
    let slots = settings.hash_slots;
    let per_second = thread::scope(|scope| {
        let threads: Vec<_> = (0..slots).map(|_| scope.spawn(rate)).collect();
        let rates = threads.into_iter().map(|one| match one.join() {
            Ok(rate) => rate,
            Err(_) => Err(anyhow!("hashing panicked")),
        });
        rates.sum::<Result<f64>>()
    })?;
    let what = format!("argon2id alone, {}", counted(slots, "thread"));
    Ok(Line::limit(what, per_second).with_cpu(f64::from(slots) * 1e6 / per_second))
}
