//! The raw engines: the writes of one sign-in step, and nothing else, by their own means.

use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{Sizes, seed};
use crate::process;
use crate::test::postgres::Cluster;

/// The writes of one step, in the order of the server: try of the challenge, try of the counter, step,
/// challenge used up, counter begun anew, session, refresh token, audit event.
const WRITES: [&str; 8] = [
    "UPDATE challenges SET attempts = attempts + 1 WHERE user_id = $1 AND id = $1 AND attempts < 5 \
     AND kind = 'authenticator' AND consumed_at IS NULL AND expires_at > $2",
    "UPDATE factor_attempts SET failures = 1, next_try_at = $2 WHERE user_id = $1 AND kind = 'authenticator' AND failures = 0",
    "UPDATE factors SET last_step = $2 WHERE user_id = $1 AND id = $1 AND state = 'on' AND (last_step IS NULL OR last_step < $2)",
    "UPDATE challenges SET consumed_at = $2 WHERE user_id = $1 AND id = $1 AND consumed_at IS NULL",
    "UPDATE factor_attempts SET failures = 0, next_try_at = 0 WHERE user_id = $1 AND kind = 'authenticator'",
    "INSERT INTO sessions (user_id, id, acr, amr, auth_time, created_at, last_used_at, expires_at) \
     VALUES ($1, $3, 'aal2', 'pwd otp mfa', $2, $2, $2, $2)",
    "INSERT INTO refresh_tokens (user_id, id, session_id, secret_hash, created_at) VALUES ($1, $3, $3, $4, $2)",
    "INSERT INTO audit_events (user_id, id, event, source, detail, at) \
     VALUES ($1, $3, 'signed_in', '127.0.0.1', 'pwd otp mfa', $2)",
];

/// Steps to a commit: as many as the connections that wait for one.
const TO_A_COMMIT: u32 = 64;

/// Steps a second through SQLite's own API: prepared statements, the server's pragmas.
///
/// # Errors
/// When the database cannot be seeded or written.
pub fn sqlite(sizes: Sizes) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    seed::fill(folder.path(), None, sizes.users)?;
    let conn = Connection::open(folder.path().join("countersign.db"))?;
    conn.execute_batch(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY; \
         PRAGMA wal_autocheckpoint = 4000",
    )?;
    let mut writes: Vec<_> = WRITES
        .iter()
        .map(|sql| conn.prepare(sql))
        .collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let mut steps = 0_u32;
    while begun.elapsed() < sizes.duration() && steps + TO_A_COMMIT <= sizes.users {
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..TO_A_COMMIT {
            steps += 1;
            let user = seed::uuid(seed::nth(steps, sizes.users));
            let fresh = Uuid::from_u128(u128::from(steps) | 1 << 100);
            // Before the challenges end, so that every statement finds its row.
            let now = 1_700_000_000_000_000_i64;
            for write in &mut writes {
                match write.parameter_count() {
                    1 => write.execute(params![user.as_bytes()])?,
                    2 => write.execute(params![user.as_bytes(), now])?,
                    3 => write.execute(params![user.as_bytes(), now, fresh.as_bytes()])?,
                    _ => write.execute(params![
                        user.as_bytes(),
                        now,
                        fresh.as_bytes(),
                        [7_u8; 32]
                    ])?,
                };
            }
        }
        conn.execute_batch("COMMIT")?;
    }
    Ok(f64::from(steps) / begun.elapsed().as_secs_f64())
}

/// Makes an empty database in the cluster; its URL.
///
/// # Errors
/// When it cannot be made.
pub fn database(cluster: &Cluster, name: &str) -> Result<String> {
    process::run_quietly(
        std::process::Command::new(cluster.program("createdb")).args([
            "--maintenance-db",
            &cluster.url(),
            name,
        ]),
    )?;
    let url = cluster.url();
    let (server, _) = url.rsplit_once('/').context("a URL with a database")?;
    Ok(format!("{server}/{name}"))
}

/// Steps a second by pgbench: one transaction with prepared statements for each.
///
/// # Errors
/// When the database cannot be seeded, or pgbench fails.
pub fn postgres(cluster: &Cluster, sizes: Sizes) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let url = database(cluster, "raw")?;
    seed::fill(folder.path(), Some(&url), sizes.users)?;
    let user = "('00000000-0000-7000-8000-' || lpad(to_hex(:n::int), 12, '0'))::uuid";
    let mut script = format!("\\set n random(1, {})\nBEGIN;\n", sizes.users);
    for write in WRITES {
        let write = write
            // A user drawn a second time must be written a second time.
            .replace(" AND attempts < 5", "")
            .replace(" AND consumed_at IS NULL", "")
            .replace(" AND (last_step IS NULL OR last_step < $2)", "")
            .replace("$1", user)
            .replace("$2", "1700000000000000")
            .replace("$3", "gen_random_uuid()")
            .replace("$4", "decode(repeat('07', 32), 'hex')");
        script.push_str(&write);
        script.push_str(";\n");
    }
    script.push_str("COMMIT;\n");
    let file = folder.path().join("step.sql");
    std::fs::write(&file, script)?;
    let printed = process::run_quietly(
        std::process::Command::new(cluster.program("pgbench"))
            .args([
                "--no-vacuum",
                "--protocol",
                "prepared",
                "--client",
                "16",
                "--jobs",
                "1",
            ])
            .args(["--time", &sizes.seconds.to_string(), "--file"])
            .arg(&file)
            .arg(&url),
    )?;
    printed
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .context("pgbench printed no tps")
}
