//! Queries for sets of single-use codes and the codes in them.

use diesel::prelude::*;

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::code_set::{CodeSet, RecoveryCode};
use crate::model::kinds::CodeSetKind;
use crate::model::{CodeSetId, FactorId, Result, Time, UserId};
use crate::schema::{code_sets, factors, recovery_codes};

#[cfg(test)]
#[path = "code_sets_tests.rs"]
mod tests;

/// Stores a set and its codes. Deletes sets of the same kind that wait for the proof of a factor
/// that no longer exists.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn insert(tx: &mut Tx, set: &CodeSet, codes: &[RecoveryCode]) -> Result<()> {
    forget_orphans(tx, set.user_id, set.kind)?;
    on!(tx, |conn| diesel::insert_into(code_sets::table)
        .values(set)
        .execute(conn))?;
    for code in codes {
        on!(tx, |conn| diesel::insert_into(recovery_codes::table)
            .values(code)
            .execute(conn))?;
    }
    Ok(())
}

fn forget_orphans(tx: &mut Tx, user_id: UserId, kind: CodeSetKind) -> Result<()> {
    let pending: Vec<(CodeSetId, Option<FactorId>)> = on!(tx, |conn| code_sets::table
        .filter(code_sets::user_id.eq(user_id))
        .filter(code_sets::kind.eq(kind))
        .filter(code_sets::live_at.is_null())
        .select((code_sets::id, code_sets::factor_id))
        .load(conn))?;
    if pending.is_empty() {
        return Ok(());
    }
    let standing: Vec<FactorId> = on!(tx, |conn| factors::table
        .filter(factors::user_id.eq(user_id))
        .select(factors::id)
        .load(conn))?;
    for (id, factor) in pending {
        if !factor.is_some_and(|factor| standing.contains(&factor)) {
            forget_codes(tx, user_id, id)?;
            on!(tx, |conn| diesel::delete(
                code_sets::table.find((user_id, id))
            )
            .execute(conn))?;
        }
    }
    Ok(())
}

/// Returns the set of this kind that counts, if there is one.
pub fn live(tx: &mut Tx, user_id: UserId, kind: CodeSetKind) -> Result<Option<CodeSet>> {
    Ok(on!(tx, |conn| code_sets::table
        .filter(code_sets::user_id.eq(user_id))
        .filter(code_sets::kind.eq(kind))
        .filter(code_sets::live_at.is_not_null())
        .filter(code_sets::ended_at.is_null())
        .order(code_sets::id.desc())
        .select(CodeSet::as_select())
        .get_result(conn))
    .optional()?)
}

/// Returns the set that waits for this factor's proof, or became valid with it, unless it has
/// ended.
pub fn of_factor(tx: &mut Tx, user_id: UserId, factor_id: FactorId) -> Result<Option<CodeSet>> {
    Ok(on!(tx, |conn| code_sets::table
        .filter(code_sets::user_id.eq(user_id))
        .filter(code_sets::factor_id.eq(factor_id))
        .filter(code_sets::ended_at.is_null())
        .order(code_sets::id.desc())
        .select(CodeSet::as_select())
        .get_result(conn))
    .optional()?)
}

/// Returns the codes of a set.
pub fn codes(tx: &mut Tx, set: &CodeSet) -> Result<Vec<RecoveryCode>> {
    Ok(on!(tx, |conn| recovery_codes::table
        .filter(recovery_codes::user_id.eq(set.user_id))
        .filter(recovery_codes::set_id.eq(set.id))
        .order(recovery_codes::ordinal)
        .select(RecoveryCode::as_select())
        .load(conn))?)
}

/// Counts the unused codes of the set that counts; 0 if there is none.
pub fn remaining(tx: &mut Tx, user_id: UserId, kind: CodeSetKind) -> Result<u32> {
    let Some(set) = live(tx, user_id, kind)? else {
        return Ok(0);
    };
    unused(tx, &set)
}

/// Counts the unused codes of a set.
pub fn unused(tx: &mut Tx, set: &CodeSet) -> Result<u32> {
    let left: i64 = on!(tx, |conn| recovery_codes::table
        .filter(recovery_codes::user_id.eq(set.user_id))
        .filter(recovery_codes::set_id.eq(set.id))
        .filter(recovery_codes::used_at.is_null())
        .count()
        .get_result(conn))?;
    Ok(u32::try_from(left).unwrap_or(u32::MAX))
}

/// Uses up a code. Returns `false` if it was used, or its set has ended.
pub fn spend(tx: &mut Tx, set: &CodeSet, ordinal: i32, now: Time) -> Result<bool> {
    // Locks the set's row: a call that ends the set waits for this one, or is noticed by it.
    let standing = run_kept!(
        tx,
        diesel::update(
            code_sets::table
                .find((set.user_id, set.id))
                .filter(code_sets::ended_at.is_null()),
        )
        .set(code_sets::created_at.eq(code_sets::created_at))
    )?;
    if standing != 1 {
        return Ok(false);
    }
    let spent = run_kept!(
        tx,
        diesel::update(
            recovery_codes::table
                .find((set.user_id, set.id, ordinal))
                .filter(recovery_codes::used_at.is_null()),
        )
        .set(recovery_codes::used_at.eq(now))
    )?;
    Ok(spent == 1)
}

/// Makes the set that waits for this factor's proof count, if there is one, and ends the older set
/// of its kind. Recovery codes that were made meanwhile stay valid, since their owner was told so.
/// Wrong codes are counted for each set: a new set starts at zero.
pub fn make_live(tx: &mut Tx, user_id: UserId, factor_id: FactorId, now: Time) -> Result<()> {
    let Some(set) = of_factor(tx, user_id, factor_id)?.filter(|set| set.live_at.is_none()) else {
        return Ok(());
    };
    let counts = live(tx, user_id, set.kind)?;
    let newer = |counts: CodeSet| counts.created_at > set.created_at;
    if set.kind == CodeSetKind::Recovery && counts.is_some_and(newer) {
        return Ok(());
    }
    end(tx, user_id, set.kind, now)?;
    run_kept!(
        tx,
        diesel::update(
            code_sets::table
                .find((user_id, set.id))
                .filter(code_sets::ended_at.is_null()),
        )
        .set(code_sets::live_at.eq(now))
    )?;
    super::factors::reset_attempts(tx, user_id, set.kind)
}

/// Ends the set of this kind that counts. Its codes are worthless from now on.
pub fn end(tx: &mut Tx, user_id: UserId, kind: CodeSetKind, now: Time) -> Result<()> {
    let ended: Vec<CodeSetId> = on!(tx, |conn| code_sets::table
        .filter(code_sets::user_id.eq(user_id))
        .filter(code_sets::kind.eq(kind))
        .filter(code_sets::live_at.is_not_null())
        .filter(code_sets::ended_at.is_null())
        .select(code_sets::id)
        .load(conn))?;
    for id in ended {
        run_kept!(
            tx,
            diesel::update(code_sets::table.find((user_id, id))).set(code_sets::ended_at.eq(now))
        )?;
        forget_codes(tx, user_id, id)?;
    }
    Ok(())
}

/// Deletes every set of a user, of all kinds and in every state.
pub fn delete_all(tx: &mut Tx, user_id: UserId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))
    )
    .execute(conn))?;
    on!(tx, |conn| diesel::delete(
        code_sets::table.filter(code_sets::user_id.eq(user_id))
    )
    .execute(conn))?;
    Ok(())
}

/// Deletes a user's sets of one kind, both those that count and those that wait.
pub fn delete_kind(tx: &mut Tx, user_id: UserId, kind: CodeSetKind) -> Result<()> {
    let sets: Vec<CodeSetId> = on!(tx, |conn| code_sets::table
        .filter(code_sets::user_id.eq(user_id))
        .filter(code_sets::kind.eq(kind))
        .select(code_sets::id)
        .load(conn))?;
    for id in sets {
        forget_codes(tx, user_id, id)?;
        on!(tx, |conn| diesel::delete(
            code_sets::table.find((user_id, id))
        )
        .execute(conn))?;
    }
    Ok(())
}

fn forget_codes(tx: &mut Tx, user_id: UserId, set_id: CodeSetId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        recovery_codes::table
            .filter(recovery_codes::user_id.eq(user_id))
            .filter(recovery_codes::set_id.eq(set_id)),
    )
    .execute(conn))?;
    Ok(())
}
