//! Counters that bound how often: fixed windows, and wrong passwords.

use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};

use super::Tx;
use super::cached::run_kept;
use super::conn::Conn;
use crate::model::{Result, Time, UserId};
use crate::schema::{limits, password_attempts, user_limits};

/// How often something may happen in a window that begins with the first time.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name in the table.
    pub name: &'static str,
    /// How often.
    pub most: u32,
    /// The window's length, in seconds.
    pub window_seconds: u32,
}

/// One statement takes one use and says whether there was one to take: it inserts a counter at one,
/// begins a new window at one, or adds one; and touches no row when the window is used up.
macro_rules! take {
    ($tx:expr, $table:ident, $key:expr, $columns:expr, $limit:expr, $now:expr) => {{
        let ends = $now.plus_seconds(i64::from($limit.window_seconds));
        let upsert = diesel::insert_into($table::table)
            .values((
                $key,
                $table::name.eq($limit.name),
                $table::used.eq(1),
                $table::window_ends_at.eq(ends),
            ))
            .on_conflict($columns)
            .do_update()
            .set((
                $table::used.eq(case_when(
                    $table::window_ends_at.le($now),
                    1.into_sql::<Integer>(),
                )
                .otherwise($table::used + 1)),
                $table::window_ends_at.eq(case_when(
                    $table::window_ends_at.le($now),
                    ends.into_sql::<BigInt>(),
                )
                .otherwise($table::window_ends_at)),
            ));
        // Said in full, as `QueryDsl` has a `filter` too.
        let upsert = diesel::query_dsl::methods::FilterDsl::filter(
            upsert,
            $table::window_ends_at
                .le($now)
                .or($table::used.lt($limit.most.cast_signed())),
        );
        // The enum cannot say ON CONFLICT.
        match &mut $tx.conn {
            Conn::Sqlite(conn) => upsert.execute(conn)?,
            Conn::Postgres(conn) => upsert.execute(conn)?,
        }
    }};
}

/// Takes one use of a user's limit: `None` when there was one, else the seconds until the next.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn take_of_user(tx: &mut Tx, user_id: UserId, limit: Limit, now: Time) -> Result<Option<u32>> {
    let taken = take!(
        tx,
        user_limits,
        user_limits::user_id.eq(user_id),
        (user_limits::user_id, user_limits::name),
        limit,
        now
    );
    if taken == 1 {
        return Ok(None);
    }
    wait_of_user(tx, user_id, limit, now)
}

/// Seconds until a user's limit has a use left; `None` when it has one now.
pub fn wait_of_user(tx: &mut Tx, user_id: UserId, limit: Limit, now: Time) -> Result<Option<u32>> {
    let row: Option<(i32, Time)> = user_limits::table
        .find((user_id, limit.name))
        .select((user_limits::used, user_limits::window_ends_at))
        .first(&mut tx.conn)
        .optional()?;
    Ok(row.and_then(|row| wait(row, limit, now)))
}

/// Takes one use of a limit of what belongs to no user: `None` when there was one, else the seconds
/// until the next. `subject` is a keyed hash.
pub fn take(tx: &mut Tx, subject: &[u8], limit: Limit, now: Time) -> Result<Option<u32>> {
    let taken = take!(
        tx,
        limits,
        limits::subject.eq(subject),
        (limits::subject, limits::name),
        limit,
        now
    );
    if taken == 1 {
        return Ok(None);
    }
    wait_of(tx, subject, limit, now)
}

/// Writes a row that means nothing, to know whether writes go well; `row` is the asking process's own.
pub fn probe(tx: &mut Tx, row: &[u8], now: Time) -> Result<()> {
    let limit = Limit {
        name: "readiness",
        most: i32::MAX.cast_unsigned(),
        window_seconds: 3600,
    };
    take(tx, row, limit, now).map(|_| ())
}

/// Seconds until a limit of what belongs to no user has a use left; `None` when it has one now.
pub fn wait_of(tx: &mut Tx, subject: &[u8], limit: Limit, now: Time) -> Result<Option<u32>> {
    let row: Option<(i32, Time)> = limits::table
        .find((subject, limit.name))
        .select((limits::used, limits::window_ends_at))
        .first(&mut tx.conn)
        .optional()?;
    Ok(row.and_then(|row| wait(row, limit, now)))
}

/// A clock that went back must not make anyone wait longer than the window.
fn wait((used, ends): (i32, Time), limit: Limit, now: Time) -> Option<u32> {
    let seconds = ends.seconds_after(now).min(limit.window_seconds);
    (seconds > 0 && used.unsigned_abs() >= limit.most).then_some(seconds)
}

/// Lifts the limits of a user.
pub fn delete_of_user(tx: &mut Tx, user_id: UserId) -> Result<()> {
    diesel::delete(user_limits::table.filter(user_limits::user_id.eq(user_id)))
        .execute(&mut tx.conn)?;
    Ok(())
}

/// Wrong passwords since the last right one, for one address as typed from one network (P-17).
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = password_attempts, treat_none_as_default_value = false)]
pub struct PasswordAttempts {
    /// Keyed hash of the address as typed.
    pub address_hash: Vec<u8>,
    /// Keyed hash of the network.
    pub source_hash: Vec<u8>,
    /// Tries taken since the last success.
    pub failures: i32,
    /// When the next try is compared.
    pub next_try_at: Time,
    /// When the last one was taken.
    pub updated_at: Time,
}

/// The counter for an address and a network; one that counted nothing need not exist.
pub fn password_attempts(
    tx: &mut Tx,
    address_hash: &[u8],
    source_hash: &[u8],
) -> Result<Option<PasswordAttempts>> {
    Ok(password_attempts::table
        .find((address_hash, source_hash))
        .select(PasswordAttempts::as_select())
        .first(&mut tx.conn)
        .optional()?)
}

/// Takes one try: puts `after` in the place of a counter that shows `failures`, unless somebody took
/// one meanwhile: then `false`, and the caller reads and judges again.
pub fn reserve_password(
    tx: &mut Tx,
    failures: Option<i32>,
    after: &PasswordAttempts,
) -> Result<bool> {
    let rows = match failures {
        Some(failures) => run_kept!(
            tx,
            diesel::update(
                password_attempts::table
                    .find((&after.address_hash, &after.source_hash))
                    .filter(password_attempts::failures.eq(failures)),
            )
            .set((
                password_attempts::failures.eq(after.failures),
                password_attempts::next_try_at.eq(after.next_try_at),
                password_attempts::updated_at.eq(after.updated_at),
            ))
        )?,
        // Of two first tries at once one makes the row. The enum cannot say ON CONFLICT.
        None => {
            let insert = diesel::insert_into(password_attempts::table)
                .values(after)
                .on_conflict_do_nothing();
            match &mut tx.conn {
                Conn::Sqlite(conn) => insert.execute(conn)?,
                Conn::Postgres(conn) => insert.execute(conn)?,
            }
        }
    };
    Ok(rows == 1)
}

/// Gives back a try that was not compared.
pub fn release_password(
    tx: &mut Tx,
    address_hash: &[u8],
    source_hash: &[u8],
    now: Time,
) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            password_attempts::table
                .find((address_hash, source_hash))
                .filter(password_attempts::failures.gt(0)),
        )
        .set((
            password_attempts::failures.eq(password_attempts::failures - 1),
            password_attempts::next_try_at.eq(now),
        ))
    )?;
    Ok(())
}

/// A right password: the counter begins anew.
pub fn reset_password(tx: &mut Tx, address_hash: &[u8], source_hash: &[u8]) -> Result<()> {
    diesel::delete(password_attempts::table.find((address_hash, source_hash)))
        .execute(&mut tx.conn)?;
    Ok(())
}

/// Lifts the waits of an address, from every network.
pub fn reset_password_of_address(tx: &mut Tx, address_hash: &[u8]) -> Result<()> {
    diesel::delete(
        password_attempts::table.filter(password_attempts::address_hash.eq(address_hash)),
    )
    .execute(&mut tx.conn)?;
    Ok(())
}
