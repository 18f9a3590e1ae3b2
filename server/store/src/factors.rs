//! Queries for factors and the counters of wrong codes.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use super::conn::Conn;
use super::passkeys;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{Counted, FactorKind, FactorState};
use crate::model::{FactorId, Result, Time, UserId};
use crate::schema::{factor_attempts, factors};

/// Returns all factors of a user, oldest first.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn of_user(tx: &mut Tx, user_id: UserId) -> Result<Vec<Factor>> {
    Ok(on!(tx, |conn| factors::table
        .filter(factors::user_id.eq(user_id))
        .order(factors::id)
        .select(Factor::as_select())
        .load(conn))?)
}

/// Returns the factors of several users.
pub fn of_users(tx: &mut Tx, user_ids: &[UserId]) -> Result<Vec<Factor>> {
    Ok(on!(tx, |conn| factors::table
        .filter(factors::user_id.eq_any(user_ids.iter().copied()))
        .order((factors::user_id, factors::id))
        .select(Factor::as_select())
        .load(conn))?)
}

/// Stores a new factor.
pub fn insert(tx: &mut Tx, factor: &Factor) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(factors::table)
        .values(factor)
        .execute(conn))?;
    Ok(())
}

/// Turns a pending factor on. Returns `false` if it is gone or not pending.
pub fn enable(tx: &mut Tx, user_id: UserId, id: FactorId, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            factors::table
                .find((user_id, id))
                .filter(factors::state.eq(FactorState::Pending)),
        )
        .set((
            factors::state.eq(FactorState::On),
            factors::enabled_at.eq(now),
        ))
    )?;
    Ok(rows == 1)
}

/// Accepts a code of the time step `step`. Returns `false` if the factor has changed its state, has
/// accepted a code of this or a later step (RFC 6238 §5.2), or if the caller was told of this step
/// by [`tell_step`].
pub fn accept_step(tx: &mut Tx, factor: &Factor, step: i64, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            factors::table
                .find((factor.user_id, factor.id))
                .filter(factors::state.eq(factor.state))
                .filter(
                    factors::last_step
                        .is_null()
                        .or(factors::last_step.lt(step).assume_not_null()),
                )
                .filter(
                    factors::told_step
                        .is_null()
                        .or(factors::told_step.ne(step).assume_not_null()),
                ),
        )
        .set((factors::last_step.eq(step), factors::last_used_at.eq(now),))
    )?;
    Ok(rows == 1)
}

/// Remembers the step of a code about which the caller was told that it is from the future.
/// Somebody who guessed it cannot use it when its time comes.
pub fn tell_step(tx: &mut Tx, factor: &Factor, step: i64) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(factors::table.find((factor.user_id, factor.id)))
            .set(factors::told_step.eq(step))
    )?;
    Ok(())
}

/// Records that a factor proved its owner. Returns `false` if its state has changed.
pub fn used(tx: &mut Tx, factor: &Factor, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            factors::table
                .find((factor.user_id, factor.id))
                .filter(factors::state.eq(factor.state)),
        )
        .set(factors::last_used_at.eq(now))
    )?;
    Ok(rows == 1)
}

/// Deletes a user's factors of one kind in one state. Returns how many there were.
pub fn delete(tx: &mut Tx, user_id: UserId, kind: FactorKind, state: FactorState) -> Result<usize> {
    let gone = on!(tx, |conn| diesel::delete(
        factors::table
            .filter(factors::user_id.eq(user_id))
            .filter(factors::kind.eq(kind))
            .filter(factors::state.eq(state)),
    )
    .execute(conn))?;
    if kind == FactorKind::Passkey {
        passkeys::forget_gone(tx, user_id)?;
    }
    Ok(gone)
}

/// Deletes one factor.
pub fn delete_one(tx: &mut Tx, user_id: UserId, id: FactorId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        factors::table.find((user_id, id))
    )
    .execute(conn))?;
    passkeys::forget_gone(tx, user_id)
}

/// Makes sign-in ask for a proved factor from `now` on, or stop asking for it. In the second case
/// it is no longer the primary one.
pub fn set_state(
    tx: &mut Tx,
    user_id: UserId,
    id: FactorId,
    state: FactorState,
    now: Time,
) -> Result<()> {
    let row = factors::table
        .find((user_id, id))
        .filter(factors::state.ne(FactorState::Pending));
    match state {
        FactorState::On => run_kept!(
            tx,
            diesel::update(row).set((factors::state.eq(state), factors::enabled_at.eq(now)))
        )?,
        FactorState::Ready | FactorState::Pending => run_kept!(
            tx,
            diesel::update(row).set((factors::state.eq(state), factors::is_primary.eq(false)))
        )?,
    };
    Ok(())
}

/// Makes this factor the user's only primary one.
pub fn set_primary(tx: &mut Tx, user_id: UserId, id: FactorId) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(factors::table.filter(factors::user_id.eq(user_id)))
            .set(factors::is_primary.eq(factors::id.eq(id)))
    )?;
    Ok(())
}

/// Sets a factor's name.
pub fn rename(tx: &mut Tx, user_id: UserId, id: FactorId, name: &str) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(factors::table.find((user_id, id))).set(factors::name.eq(name))
    )?;
    Ok(())
}

/// Deletes all factors of a user.
pub fn delete_all(tx: &mut Tx, user_id: UserId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        factors::table.filter(factors::user_id.eq(user_id))
    )
    .execute(conn))?;
    passkeys::forget_gone(tx, user_id)
}

/// Returns the counter of wrong codes of this kind. A counter without a row is at zero.
pub fn attempts(tx: &mut Tx, user_id: UserId, kind: impl Into<Counted>) -> Result<FactorAttempts> {
    let kind = kind.into();
    Ok(on!(tx, |conn| factor_attempts::table
        .find((user_id, kind))
        .select(FactorAttempts::as_select())
        .get_result(conn))
    .optional()?
    .unwrap_or(FactorAttempts::none(user_id, kind)))
}

/// Returns all counters of a user.
pub fn all_attempts(tx: &mut Tx, user_id: UserId) -> Result<Vec<FactorAttempts>> {
    Ok(on!(tx, |conn| factor_attempts::table
        .filter(factor_attempts::user_id.eq(user_id))
        .select(FactorAttempts::as_select())
        .load(conn))?)
}

/// Returns all counters of several users.
pub(super) fn all_attempts_of(tx: &mut Tx, user_ids: &[UserId]) -> Result<Vec<FactorAttempts>> {
    Ok(on!(tx, |conn| factor_attempts::table
        .filter(factor_attempts::user_id.eq_any(user_ids.iter().copied()))
        .select(FactorAttempts::as_select())
        .load(conn))?)
}

/// Returns the counters that have reached this many wrong codes.
pub fn stopped(tx: &mut Tx, user_id: UserId, hard_limit: u32) -> Result<Vec<FactorAttempts>> {
    Ok(on!(tx, |conn| factor_attempts::table
        .filter(factor_attempts::user_id.eq(user_id))
        .filter(factor_attempts::failures.ge(hard_limit.cast_signed()))
        .select(FactorAttempts::as_select())
        .load(conn))?)
}

/// Takes one try: replaces `before` by `after`. Returns `false` if another call took one meanwhile;
/// the caller then reads and judges again.
pub fn reserve(tx: &mut Tx, before: &FactorAttempts, after: &FactorAttempts) -> Result<bool> {
    let replaced = replace(tx, before, after)?;
    if replaced || before.failures > 0 {
        return Ok(replaced);
    }
    // There is no row yet: the user's first try makes it. Of two at once only one does. The enum
    // cannot express ON CONFLICT.
    let insert = diesel::insert_into(factor_attempts::table)
        .values(after)
        .on_conflict_do_nothing();
    let rows = match &mut tx.conn {
        Conn::Sqlite(conn) => insert.execute(conn)?,
        Conn::Postgres(conn) => insert.execute(conn)?,
    };
    Ok(rows == 1)
}

/// Replaces the counter `before` by `after`. Returns `false` if it has changed, or does not exist.
pub fn replace(tx: &mut Tx, before: &FactorAttempts, after: &FactorAttempts) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            factor_attempts::table
                .find((before.user_id, before.kind))
                .filter(factor_attempts::failures.eq(before.failures))
                .filter(factor_attempts::next_try_at.eq(before.next_try_at)),
        )
        .set((
            factor_attempts::failures.eq(after.failures),
            factor_attempts::next_try_at.eq(after.next_try_at),
        ))
    )?;
    Ok(rows == 1)
}

/// Resets the counter of this kind after a right code, and no other counter (NIST SP 800-63B-4
/// §3.2.2).
pub fn reset_attempts(tx: &mut Tx, user_id: UserId, kind: impl Into<Counted>) -> Result<()> {
    let kind: Counted = kind.into();
    run_kept!(
        tx,
        diesel::update(factor_attempts::table.find((user_id, kind))).set((
            factor_attempts::failures.eq(0),
            factor_attempts::next_try_at.eq(Time::from_micros(0)),
        ))
    )?;
    Ok(())
}

/// Takes back accepted steps later than `step`, which a clock that was ahead has left. Until they
/// pass, the app's codes would be refused.
pub fn forget_later_steps(tx: &mut Tx, user_id: UserId, step: i64) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            factors::table
                .filter(factors::user_id.eq(user_id))
                .filter(factors::last_step.gt(step).assume_not_null()),
        )
        .set(factors::last_step.eq(step))
    )?;
    Ok(())
}

/// Lifts all waits and locks of a user.
pub fn reset_all_attempts(tx: &mut Tx, user_id: UserId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        factor_attempts::table.filter(factor_attempts::user_id.eq(user_id))
    )
    .execute(conn))?;
    Ok(())
}
