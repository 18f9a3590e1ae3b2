//! The courier's queue, and the canaries of the sealing keys.

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
/// A fault when the database does not answer; so for every function here.
pub fn insert(tx: &mut Tx, notice: &Notice) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(notices::table)
        .values(notice)
        .execute(conn))?;
    Ok(())
}

/// How many notices wait.
pub fn queued(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, |conn| notices::table
        .filter(notices::state.eq(state::QUEUED))
        .count()
        .get_result(conn))?)
}

/// In which lanes notices wait.
pub fn waiting(tx: &mut Tx) -> Result<Vec<Lane>> {
    let words: Vec<String> = on!(tx, |conn| notices::table
        .filter(notices::state.eq(state::QUEUED))
        .select(notices::lane)
        .distinct()
        .load(conn))?;
    // A lane of a newer server is that server's.
    Ok(words.iter().filter_map(|word| Lane::parse(word)).collect())
}

/// How long a notice may be made to wait at most, by a courier's rules.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For who leased it, in seconds.
    pub lease: i64,
    /// After the first try, in microseconds; it doubles with each further one.
    pub first: i64,
    /// How many tries it grows for.
    pub growing: u32,
    /// After those, in microseconds.
    pub longest: i64,
}

/// Leases what is due in a lane: nobody else gets it for as long as a lease is, which a courier that died
/// does not prolong. What would wait for longer than it may is due: the clock went back since.
pub fn due(tx: &mut Tx, lane: Lane, now: Time, waits: Waits, limit: i64) -> Result<Vec<Notice>> {
    let leased_until = now.plus_seconds(waits.lease);
    let latest = leased_until.plus_seconds(SKEW);
    let Waits {
        first,
        growing,
        longest,
        ..
    } = waits;
    // How long a next try may wait after the tries so far. The query builder cannot shift; both databases can.
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
    // Two couriers must not wait for each other's rows; the enum cannot say SKIP LOCKED.
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

/// The notice was handed over: its letter is wiped.
pub fn sent(tx: &mut Tx, id: NoticeId, now: Time) -> Result<()> {
    end(tx, id, state::SENT, now)
}

/// The notice is given up: its letter is wiped.
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

/// The notice could not be handed over now: it is given back for a later try.
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

/// The canaries: ids of sealing keys, and the known value that each sealed.
pub fn canaries(tx: &mut Tx) -> Result<Vec<(String, Vec<u8>)>> {
    Ok(on!(tx, |conn| key_canaries::table
        .select((key_canaries::key_id, key_canaries::sealed))
        .order(key_canaries::key_id)
        .load(conn))?)
}

/// Forgets the canary of a sealing key that was retired.
pub fn forget_canary(tx: &mut Tx, key_id: &str) -> Result<()> {
    on!(tx, |conn| diesel::delete(key_canaries::table.find(key_id))
        .execute(conn))?;
    Ok(())
}

/// Keeps the canary of a new sealing key; another replica may have kept it already.
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
