//! Seeds PostgreSQL with `COPY` through psql, in one transaction for each table, two tables at a
//! time.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use countersign_vault as vault;

use super::{Common, users};
use crate::process;
use crate::test::postgres::Cluster;

/// Fills the tables and flushes them to the disk.
pub(super) fn fill(common: &Common, cluster: &Cluster, url: &str) -> Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            psql(cluster, url, |out| {
                factors(common, out)?;
                attempts(common, out)
            })
        });
        psql(cluster, url, |out| {
            people(common, out)?;
            challenges(common, out)
        })?;
        other.join().map_err(|_| anyhow!("seeding panicked"))?
    })?;
    let numbers = format!(
        "SELECT setval(pg_get_serial_sequence('user_numbers', 'number'), {})",
        common.count
    );
    for statement in [numbers.as_str(), "ANALYZE", "CHECKPOINT"] {
        process::run_quietly(Command::new(cluster.program("psql")).args([
            "--quiet",
            "--command",
            statement,
            url,
        ]))?;
    }
    Ok(())
}

type Out = BufWriter<ChildStdin>;

/// Runs psql with the input that `write` produces.
fn psql(cluster: &Cluster, url: &str, write: impl FnOnce(&mut Out) -> Result<()>) -> Result<()> {
    let mut child = Command::new(cluster.program("psql"))
        .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url])
        .env("PGOPTIONS", "-c synchronous_commit=off")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("starting psql")?;
    let stdin = child.stdin.take().context("psql takes no input")?;
    let mut out = BufWriter::with_capacity(1 << 18, stdin);
    let written = write(&mut out).and_then(|()| Ok(out.flush()?));
    drop(out);
    let status = child.wait()?;
    if !status.success() {
        bail!("psql failed while seeding ({status})");
    }
    written
}

/// Copies one table. Its rows are frozen, so that no later scan has to mark them. PostgreSQL allows
/// that for a table that was emptied in the same transaction.
fn table(
    out: &mut Out,
    (name, columns): (&str, &str),
    rows: impl FnOnce(&mut Out) -> Result<()>,
) -> Result<()> {
    writeln!(
        out,
        "BEGIN; TRUNCATE {name}; COPY {name} ({columns}) FROM STDIN (FREEZE);"
    )?;
    rows(out)?;
    writeln!(out, "\\.\nCOMMIT;")?;
    Ok(())
}

fn people(common: &Common, out: &mut Out) -> Result<()> {
    let Common {
        password_hash,
        now,
        count,
        ..
    } = common;
    let columns = "id, number, email, role, password_hash, created_at, mailbox";
    table(out, ("users", columns), |out| {
        for number in 1..=*count {
            let (id, email) = (users::uuid(number), users::email(number));
            writeln!(
                out,
                "{id}\t{number}\t{email}\tuser\t{password_hash}\t{now}\tt"
            )?;
        }
        Ok(())
    })?;
    table(out, ("addresses", "address, user_id"), |out| {
        for number in 1..=*count {
            writeln!(out, "{}\t{}", users::email(number), users::uuid(number))?;
        }
        Ok(())
    })?;
    table(out, ("user_numbers", "number, user_id"), |out| {
        for number in 1..=*count {
            writeln!(out, "{number}\t{}", users::uuid(number))?;
        }
        Ok(())
    })
}

fn factors(common: &Common, out: &mut Out) -> Result<()> {
    let now = common.now;
    let columns = "user_id, id, kind, state, sealed_secret, created_at, enabled_at";
    table(out, ("factors", columns), |out| {
        for (first, end) in common.chunks() {
            for (number, sealed) in (first..end).zip(common.sealed((first, end))?) {
                let (id, sealed) = (users::uuid(number), hex(&sealed)?);
                writeln!(out, "{id}\t{id}\tauthenticator\ton\t{sealed}\t{now}\t{now}")?;
            }
        }
        Ok(())
    })
}

fn attempts(common: &Common, out: &mut Out) -> Result<()> {
    let columns = "user_id, kind, failures, next_try_at";
    table(out, ("factor_attempts", columns), |out| {
        for number in 1..=common.count {
            writeln!(out, "{}\tauthenticator\t0\t0", users::uuid(number))?;
        }
        Ok(())
    })
}

fn challenges(common: &Common, out: &mut Out) -> Result<()> {
    let (now, expires) = (common.now, common.expires());
    let columns =
        "user_id, id, secret_hash, purpose, kind, attempts, resends, created_at, expires_at";
    table(out, ("challenges", columns), |out| {
        for number in 1..=common.count {
            let id = users::uuid(number);
            let hash = hex(&vault::digest(&users::reference_secret(number)))?;
            writeln!(
                out,
                "{id}\t{id}\t{hash}\tlogin\tauthenticator\t0\t0\t{now}\t{expires}"
            )?;
        }
        Ok(())
    })
}

/// Writes bytes in the form that `COPY` reads, with a doubled backslash.
fn hex(bytes: &[u8]) -> Result<String> {
    let mut text = "\\\\x".to_owned();
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
