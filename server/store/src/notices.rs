//! Queries for the courier's queue and for the canaries of the sealing keys.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Tx;
use super::cached::{kept, on, run_kept};
use super::conn::Conn;
use crate::model::notice::{Lane, Notice, state};
use crate::model::time::SKEW;
use crate::model::{NoticeId, Result, Time};
use crate::schema::{key_canaries, notices};

/// Queues a notice.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn insert(tx: &mut Tx, notice: &Notice) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(notices::table)
        .values(notice)
        .execute(conn))?;
    Ok(())
}

/// Counts the notices that wait.
pub fn queued(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, |conn| notices::table
        .filter(notices::state.eq(state::QUEUED))
        .count()
        .get_result(conn))?)
}

/// Returns the lanes in which notices wait.
pub fn waiting(tx: &mut Tx) -> Result<Vec<Lane>> {
    let words: Vec<String> = on!(tx, |conn| notices::table
        .filter(notices::state.eq(state::QUEUED))
        .select(notices::lane)
        .distinct()
        .load(conn))?;
    // A lane that this version does not know is left to a newer server.
    Ok(words.iter().filter_map(|word| Lane::parse(word)).collect())
}

/// The longest times that a notice may have to wait by the courier's rules.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// How long a lease lasts, in seconds.
    pub lease: i64,
    /// Wait after the first try, in microseconds. It doubles with each further try.
    pub first: i64,
    /// For how many tries the wait grows.
    pub growing: u32,
    /// Wait after those tries, in microseconds.
    pub longest: i64,
}

/// Leases the notices that are due in a lane. Nobody else gets them during the lease, and a courier
/// that died does not prolong it. A notice that would wait longer than the rules allow is due: the
/// clock has gone back since.
pub fn due(tx: &mut Tx, lane: Lane, now: Time, waits: Waits, limit: i64) -> Result<Vec<Notice>> {
    let leased_until = now.plus_seconds(waits.lease);
    let latest = leased_until.plus_seconds(SKEW);
    let Waits {
        first,
        growing,
        longest,
        ..
    } = waits;
    // The longest wait after the tries so far. The query builder has no shift operator, but both
    // databases do.
    let latest_try = sql::<BigInt>("")
        .bind::<BigInt, _>(now.plus_seconds(SKEW).micros())
        .sql(&format!(
            " + CASE WHEN tries = 0 THEN 0 WHEN tries > {growing} THEN {longest} \
             ELSE CAST({first} AS BIGINT) << (tries - 1) END"
        ));
    let due = notices::table
        .filter(notices::state.eq(state::QUEUED))
        .filter(notices::lane.eq(lane.as_str()))
        .filter(
            notices::next_try_at
                .le(now)
                .or(notices::next_try_at.gt(latest_try)),
        )
        .filter(
            notices::leased_until
                .le(now)
                .or(notices::leased_until.gt(latest)),
        )
        .order(notices::next_try_at)
        .limit(limit);
    // Two couriers must not wait for each other's rows. The enum cannot express SKIP LOCKED.
    let found: Vec<Notice> = match &mut tx.conn {
        Conn::Sqlite(conn) => kept!(due.select(Notice::as_select())).load(conn)?,
        Conn::Postgres(conn) => {
            kept!(due.select(Notice::as_select()).for_update().skip_locked()).load(conn)?
        }
    };
    for notice in &found {
        run_kept!(
            tx,
            diesel::update(notices::table.find(notice.id)).set((
                notices::leased_until.eq(leased_until),
                notices::tries.eq(notice.tries + 1),
            ))
        )?;
    }
    Ok(found)
}

/// Marks a notice as handed over and wipes its letter.
pub fn sent(tx: &mut Tx, id: NoticeId, now: Time) -> Result<()> {
    end(tx, id, state::SENT, now)
}

/// Gives a notice up and wipes its letter.
pub fn abandon(tx: &mut Tx, id: NoticeId, now: Time) -> Result<()> {
    end(tx, id, state::ABANDONED, now)
}

fn end(tx: &mut Tx, id: NoticeId, state: &str, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(notices::table.find(id)).set((
            notices::state.eq(state),
            notices::sealed_letter.eq(None::<Vec<u8>>),
            notices::ended_at.eq(now),
        ))
    )?;
    Ok(())
}

/// Puts a notice that could not be handed over back into the queue for a later try.
pub fn retry(tx: &mut Tx, id: NoticeId, next_try_at: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(notices::table.find(id)).set((
            notices::next_try_at.eq(next_try_at),
            notices::leased_until.eq(Time::from_micros(0)),
        ))
    )?;
    Ok(())
}

/// Returns the canaries: ids of sealing keys, each with the known value that it sealed.
pub fn canaries(tx: &mut Tx) -> Result<Vec<(String, Vec<u8>)>> {
    Ok(on!(tx, |conn| key_canaries::table
        .select((key_canaries::key_id, key_canaries::sealed))
        .order(key_canaries::key_id)
        .load(conn))?)
}

/// Deletes the canary of a sealing key that was retired.
pub fn forget_canary(tx: &mut Tx, key_id: &str) -> Result<()> {
    on!(tx, |conn| diesel::delete(key_canaries::table.find(key_id))
        .execute(conn))?;
    Ok(())
}

/// Stores the canary of a new sealing key. Another replica may have stored it already.
pub fn keep_canary(tx: &mut Tx, key_id: &str, sealed: &[u8]) -> Result<()> {
    let insert = diesel::insert_into(key_canaries::table)
        .values((
            key_canaries::key_id.eq(key_id),
            key_canaries::sealed.eq(sealed),
        ))
        .on_conflict_do_nothing();
    match &mut tx.conn {
        Conn::Sqlite(conn) => insert.execute(conn)?,
        Conn::Postgres(conn) => insert.execute(conn)?,
    };
    Ok(())
}
