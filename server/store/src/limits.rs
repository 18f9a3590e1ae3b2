//! Counters for limits: fixed windows, and wrong passwords.

use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};

use super::Tx;
use super::cached::{on, run_kept};
use super::conn::Conn;
use crate::model::allowance::Allowance;
use crate::model::policy::{Policy, growing_wait};
use crate::model::time::SKEW;
use crate::model::{Refusal, Result, Time, UserId};
use crate::schema::{limits, password_attempts, user_limits};

/// How often something may happen in a window. The window begins with the first use.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name in the table.
    pub name: &'static str,
    /// Uses in one window.
    pub most: u32,
    /// Length of the window, in seconds.
    pub window_seconds: u32,
}

/// One statement takes one use and says whether there was one to take. It inserts a counter at one,
/// begins a new window at one, or adds one. It touches no row when the window is used up. A window
/// that ends later than one that would begin now is over: the clock has gone back since it began.
macro_rules! take {
    ($tx:expr, $table:ident, $key:expr, $columns:expr, $limit:expr, $now:expr) => {{
        let ends = $now.plus_seconds(i64::from($limit.window_seconds));
        let latest = ends.plus_seconds(SKEW);
        let over = || {
            $table::window_ends_at
                .le($now)
                .or($table::window_ends_at.gt(latest))
        };
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
                $table::used
                    .eq(case_when(over(), 1.into_sql::<Integer>()).otherwise($table::used + 1)),
                $table::window_ends_at
                    .eq(case_when(over(), ends.into_sql::<BigInt>())
                        .otherwise($table::window_ends_at)),
            ));
        // The full path is needed, as `QueryDsl` has a `filter` too.
        let upsert = diesel::query_dsl::methods::FilterDsl::filter(
            upsert,
            over().or($table::used.lt($limit.most.cast_signed())),
        );
        run_kept!($tx, upsert)?
    }};
}

/// Takes one use of a user's limit. Returns `None` if there was one, otherwise the seconds until
/// the next.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
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

/// Returns the seconds until a user's limit has a use left; `None` if it has one now.
pub fn wait_of_user(tx: &mut Tx, user_id: UserId, limit: Limit, now: Time) -> Result<Option<u32>> {
    let row: Option<(i32, Time)> = on!(tx, |conn| user_limits::table
        .find((user_id, limit.name))
        .select((user_limits::used, user_limits::window_ends_at))
        .get_result(conn))
    .optional()?;
    Ok(row.and_then(|row| wait(row, limit, now)))
}

/// Takes one use of a limit that is not a user's. Returns `None` if there was one, otherwise the
/// seconds until the next. `subject` is a keyed hash.
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

/// Returns how much of a user's limit is left, without taking any of it.
pub fn standing_of_user(
    tx: &mut Tx,
    user_id: UserId,
    limit: Limit,
    now: Time,
) -> Result<Allowance> {
    let row: Option<(i32, Time)> = on!(tx, |conn| user_limits::table
        .find((user_id, limit.name))
        .select((user_limits::used, user_limits::window_ends_at))
        .get_result(conn))
    .optional()?;
    Ok(standing(row, limit, now))
}

/// Returns how much of a limit that is not a user's is left, without taking any of it.
pub fn standing_of(tx: &mut Tx, subject: &[u8], limit: Limit, now: Time) -> Result<Allowance> {
    let row: Option<(i32, Time)> = on!(tx, |conn| limits::table
        .find((subject, limit.name))
        .select((limits::used, limits::window_ends_at))
        .get_result(conn))
    .optional()?;
    Ok(standing(row, limit, now))
}

fn standing(row: Option<(i32, Time)>, limit: Limit, now: Time) -> Allowance {
    let open = row.map(|(used, ends)| (used, ends.left_of(limit.window_seconds, now)));
    let (used, resets_in) = open
        .filter(|(_, seconds)| *seconds > 0)
        .unwrap_or((0, limit.window_seconds));
    Allowance {
        name: limit.name,
        most: limit.most,
        window_seconds: limit.window_seconds,
        left: limit.most.saturating_sub(used.unsigned_abs()),
        resets_in,
    }
}

/// Counts one more of something without a window, up to `most`. Returns `false` if `most` was
/// reached before. The row is kept until `kept_until`.
pub fn count_up(
    tx: &mut Tx,
    subject: &[u8],
    name: &str,
    most: u32,
    kept_until: Time,
) -> Result<bool> {
    let upsert = diesel::insert_into(limits::table)
        .values((
            limits::subject.eq(subject),
            limits::name.eq(name),
            limits::used.eq(1),
            limits::window_ends_at.eq(kept_until),
        ))
        .on_conflict((limits::subject, limits::name))
        .do_update()
        .set(limits::used.eq(limits::used + 1));
    let upsert =
        diesel::query_dsl::methods::FilterDsl::filter(upsert, limits::used.lt(most.cast_signed()));
    let rows = run_kept!(tx, upsert)?;
    Ok(rows == 1)
}

/// Returns the count of [`count_up`].
pub fn used(tx: &mut Tx, subject: &[u8], name: &str) -> Result<u32> {
    let used: Option<i32> = on!(tx, |conn| limits::table
        .find((subject, name))
        .select(limits::used)
        .get_result(conn))
    .optional()?;
    Ok(used.map_or(0, i32::unsigned_abs))
}

/// Gives back one use of a limit.
pub fn give_back(tx: &mut Tx, subject: &[u8], name: &str) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            limits::table
                .find((subject, name))
                .filter(limits::used.gt(0))
        )
        .set(limits::used.eq(limits::used - 1))
    )?;
    Ok(())
}

/// Deletes a limit's counter, so that it starts again.
pub fn delete(tx: &mut Tx, subject: &[u8], name: &str) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        limits::table.find((subject, name))
    )
    .execute(conn))?;
    Ok(())
}

/// Writes a row without meaning, to check that writing works. `row` belongs to the process that
/// asks.
pub fn probe(tx: &mut Tx, row: &[u8], now: Time) -> Result<()> {
    let limit = Limit {
        name: "readiness",
        most: i32::MAX.cast_unsigned(),
        window_seconds: 3600,
    };
    take(tx, row, limit, now).map(|_| ())
}

/// Returns the seconds until a limit that is not a user's has a use left; `None` if it has one now.
pub fn wait_of(tx: &mut Tx, subject: &[u8], limit: Limit, now: Time) -> Result<Option<u32>> {
    let row: Option<(i32, Time)> = on!(tx, |conn| limits::table
        .find((subject, limit.name))
        .select((limits::used, limits::window_ends_at))
        .get_result(conn))
    .optional()?;
    Ok(row.and_then(|row| wait(row, limit, now)))
}

fn wait((used, ends): (i32, Time), limit: Limit, now: Time) -> Option<u32> {
    let seconds = ends.left_of(limit.window_seconds, now);
    (seconds > 0 && used.unsigned_abs() >= limit.most).then_some(seconds)
}

/// Lifts all limits of a user.
pub fn delete_of_user(tx: &mut Tx, user_id: UserId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        user_limits::table.filter(user_limits::user_id.eq(user_id))
    )
    .execute(conn))?;
    Ok(())
}

/// Wrong passwords since the last right one, for one address as typed and one network.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = password_attempts, treat_none_as_default_value = false)]
pub struct PasswordAttempts {
    /// Keyed hash of the address as typed.
    pub address_hash: Vec<u8>,
    /// Keyed hash of the network.
    pub source_hash: Vec<u8>,
    /// Tries taken since the last success.
    pub failures: i32,
    /// When the next try will be compared.
    pub next_try_at: Time,
    /// When the last try was taken.
    pub updated_at: Time,
}

impl PasswordAttempts {
    /// Returns a counter at zero.
    pub fn none(address_hash: &[u8], source_hash: &[u8]) -> Self {
        Self {
            address_hash: address_hash.to_vec(),
            source_hash: source_hash.to_vec(),
            failures: 0,
            next_try_at: Time::from_micros(0),
            updated_at: Time::from_micros(0),
        }
    }

    /// Decides whether a try may be taken now.
    ///
    /// # Errors
    /// Refuses until the wait is over.
    pub fn judge(&self, policy: &Policy, now: Time) -> std::result::Result<(), Refusal> {
        let length = wait_after(self.failures, policy);
        match self.next_try_at.left_of(length, now) {
            0 => Ok(()),
            retry_after => Err(Refusal::TooManyPasswordAttempts { retry_after }),
        }
    }

    /// Returns the counter after one more try.
    #[must_use]
    pub fn after_try(&self, policy: &Policy, now: Time) -> Self {
        let failures = self.failures.saturating_add(1);
        let next_try_at = match wait_after(failures, policy) {
            // No wait is stored as zero: "now" would lie ahead of a call that began a moment
            // earlier.
            0 => Time::from_micros(0),
            wait => now.plus_seconds(i64::from(wait)),
        };
        Self {
            failures,
            next_try_at,
            updated_at: now,
            ..self.clone()
        }
    }
}

/// Returns the wait in seconds after this many wrong passwords in a row.
fn wait_after(failures: i32, policy: &Policy) -> u32 {
    growing_wait(
        failures.unsigned_abs(),
        policy.password_free_tries,
        1,
        policy.password_wait_max_seconds,
    )
}

/// Returns the counter for an address and a network. A counter without a row is at zero.
pub fn password_attempts(
    tx: &mut Tx,
    address_hash: &[u8],
    source_hash: &[u8],
) -> Result<PasswordAttempts> {
    Ok(on!(tx, |conn| password_attempts::table
        .find((address_hash, source_hash))
        .select(PasswordAttempts::as_select())
        .get_result(conn))
    .optional()?
    .unwrap_or_else(|| PasswordAttempts::none(address_hash, source_hash)))
}

/// Takes one try: replaces `before` by `after`. Returns `false` if another call took one meanwhile;
/// the caller then reads and judges again.
pub fn reserve_password(
    tx: &mut Tx,
    before: &PasswordAttempts,
    after: &PasswordAttempts,
) -> Result<bool> {
    let changed = run_kept!(
        tx,
        diesel::update(
            password_attempts::table
                .find((&after.address_hash, &after.source_hash))
                .filter(password_attempts::failures.eq(before.failures)),
        )
        .set((
            password_attempts::failures.eq(after.failures),
            password_attempts::next_try_at.eq(after.next_try_at),
            password_attempts::updated_at.eq(after.updated_at),
        ))
    )?;
    if changed == 1 || before.failures > 0 {
        return Ok(changed == 1);
    }
    // There is no row yet: of two first tries at once only one makes it. The enum cannot express ON
    // CONFLICT.
    let insert = diesel::insert_into(password_attempts::table)
        .values(after)
        .on_conflict_do_nothing();
    let made = match &mut tx.conn {
        Conn::Sqlite(conn) => insert.execute(conn)?,
        Conn::Postgres(conn) => insert.execute(conn)?,
    };
    Ok(made == 1)
}

/// Resets the counter after a right password.
pub fn reset_password(tx: &mut Tx, address_hash: &[u8], source_hash: &[u8]) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        password_attempts::table.find((address_hash, source_hash))
    )
    .execute(conn))?;
    Ok(())
}

/// Lifts the waits of an address for every network.
pub fn reset_password_of_address(tx: &mut Tx, address_hash: &[u8]) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        password_attempts::table.filter(password_attempts::address_hash.eq(address_hash)),
    )
    .execute(conn))?;
    Ok(())
}
