//! Seeds SQLite with prepared inserts in one transaction, table by table, in the order of their
//! keys.

use std::path::Path;

use anyhow::{Result, bail};
use countersign_vault as vault;
use rusqlite::{Connection, params};

use super::{Common, users};

const USERS: &str = "INSERT INTO users (id, number, email, role, password_hash, created_at, mailbox) \
     VALUES (?1, ?2, ?3, 'user', ?4, ?5, TRUE)";
const ADDRESSES: &str = "INSERT INTO addresses (address, user_id) VALUES (?1, ?2)";
const NUMBERS: &str = "INSERT INTO user_numbers (number, user_id) VALUES (?1, ?2)";
const FACTORS: &str = "INSERT INTO factors (user_id, id, kind, state, sealed_secret, created_at, enabled_at) \
     VALUES (?1, ?1, 'authenticator', 'on', ?2, ?3, ?3)";
const ATTEMPTS: &str = "INSERT INTO factor_attempts (user_id, kind, failures, next_try_at) \
     VALUES (?1, 'authenticator', 0, 0)";
const CHALLENGES: &str = "INSERT INTO challenges (user_id, id, secret_hash, purpose, kind, attempts, resends, created_at, expires_at) \
     VALUES (?1, ?1, ?2, 'login', 'authenticator', 0, 0, ?3, ?4)";

/// Fills the tables and flushes them to the disk.
pub(super) fn fill(common: &Common, file: &Path) -> Result<()> {
    let mut conn = Connection::open(file)?;
    // Nobody needs a half-seeded database, so safety is switched off.
    conn.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")?;
    let tx = conn.transaction()?;
    people(common, &tx)?;
    second_steps(common, &tx)?;
    tx.commit()?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        bail!("SQLite stays in journal mode {mode}");
    }
    drop(conn);
    Ok(std::fs::File::open(file)?.sync_all()?)
}

fn people(common: &Common, conn: &Connection) -> Result<()> {
    let Common {
        password_hash,
        now,
        count,
        ..
    } = common;
    let mut insert = conn.prepare(USERS)?;
    for number in 1..=*count {
        let id = users::uuid(number);
        let email = users::email(number);
        insert.execute(params![id.as_bytes(), number, email, password_hash, now])?;
    }
    let mut insert = conn.prepare(ADDRESSES)?;
    for number in 1..=*count {
        insert.execute(params![
            users::email(number),
            users::uuid(number).as_bytes()
        ])?;
    }
    let mut insert = conn.prepare(NUMBERS)?;
    for number in 1..=*count {
        insert.execute(params![number, users::uuid(number).as_bytes()])?;
    }
    Ok(())
}

fn second_steps(common: &Common, conn: &Connection) -> Result<()> {
    let mut insert = conn.prepare(FACTORS)?;
    for (first, end) in common.chunks() {
        for (number, sealed) in (first..end).zip(common.sealed((first, end))?) {
            insert.execute(params![users::uuid(number).as_bytes(), sealed, common.now])?;
        }
    }
    let mut insert = conn.prepare(ATTEMPTS)?;
    for number in 1..=common.count {
        insert.execute(params![users::uuid(number).as_bytes()])?;
    }
    let mut insert = conn.prepare(CHALLENGES)?;
    for number in 1..=common.count {
        let hash = vault::digest(&users::reference_secret(number));
        insert.execute(params![
            users::uuid(number).as_bytes(),
            hash,
            common.now,
            common.expires()
        ])?;
    }
    Ok(())
}
