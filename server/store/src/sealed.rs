//! Queries for sealed values in all tables: they are found by the key that sealed them, and
//! replaced when sealed anew.

use diesel::define_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Integer, Nullable};

use super::Tx;
use super::cached::{on, run_kept};
use crate::model::notice::state;
use crate::model::{FactorId, NoticeId, Result, UserId};
use crate::schema::{factors, notices};

define_sql_function! {
    /// Part of a binary value. `start` counts from 1.
    fn substr(value: Nullable<Binary>, start: Integer, count: Integer) -> Nullable<Binary>;
}

/// How many values are sealed with a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedCounts {
    /// Secrets of authenticator apps.
    pub factors: i64,
    /// Queued mails and text messages.
    pub letters: i64,
}

/// The sealed secret of a factor: user, factor, sealed bytes.
pub type FactorSecret = (UserId, FactorId, Vec<u8>);

/// A sealed letter: user, notice, sealed bytes.
pub type SealedLetter = (UserId, NoticeId, Vec<u8>);

/// Counts the values that begin with these bytes, and so were sealed with this key.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn counts_of_key(tx: &mut Tx, beginning: &[u8]) -> Result<SealedCounts> {
    let length = i32::try_from(beginning.len()).unwrap_or(i32::MAX);
    Ok(SealedCounts {
        factors: on!(tx, |conn| factors::table
            .filter(substr(factors::sealed_secret, 1, length).eq(beginning))
            .count()
            .get_result(conn))?,
        letters: on!(tx, |conn| notices::table
            .filter(substr(notices::sealed_letter, 1, length).eq(beginning))
            .count()
            .get_result(conn))?,
    })
}

/// Counts all sealed values.
pub fn count(tx: &mut Tx) -> Result<i64> {
    let secrets: i64 = on!(tx, |conn| factors::table
        .filter(factors::sealed_secret.is_not_null())
        .count()
        .get_result(conn))?;
    let letters: i64 = on!(tx, |conn| notices::table
        .filter(notices::sealed_letter.is_not_null())
        .count()
        .get_result(conn))?;
    Ok(secrets + letters)
}

/// Returns some sealed secrets of factors: those that follow the given one in order.
pub fn secrets(
    tx: &mut Tx,
    after: Option<(UserId, FactorId)>,
    limit: i64,
) -> Result<Vec<FactorSecret>> {
    let sealed = factors::table
        .filter(factors::sealed_secret.is_not_null())
        .order((factors::user_id, factors::id))
        .select((
            factors::user_id,
            factors::id,
            factors::sealed_secret.assume_not_null(),
        ))
        .limit(limit);
    let Some((user_id, id)) = after else {
        return Ok(on!(tx, |conn| sealed.load(conn))?);
    };
    let further = factors::user_id
        .gt(user_id)
        .or(factors::user_id.eq(user_id).and(factors::id.gt(id)));
    Ok(on!(tx, |conn| sealed.filter(further).load(conn))?)
}

/// Returns some sealed letters: those that follow the given notice in order.
pub fn letters(tx: &mut Tx, after: Option<NoticeId>, limit: i64) -> Result<Vec<SealedLetter>> {
    let sealed = notices::table
        .filter(notices::sealed_letter.is_not_null())
        .order(notices::id)
        .select((
            notices::user_id,
            notices::id,
            notices::sealed_letter.assume_not_null(),
        ))
        .limit(limit);
    match after {
        None => Ok(on!(tx, |conn| sealed.load(conn))?),
        Some(id) => Ok(on!(tx, |conn| sealed
            .filter(notices::id.gt(id))
            .load(conn))?),
    }
}

/// Replaces the sealed secret of a factor, unless it has changed.
pub fn replace_secret(
    tx: &mut Tx,
    (user_id, id, old): (UserId, FactorId, &[u8]),
    new: &[u8],
) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            factors::table
                .find((user_id, id))
                .filter(factors::sealed_secret.eq(old)),
        )
        .set(factors::sealed_secret.eq(new))
    )?;
    Ok(())
}

/// Replaces a sealed letter that waits, unless it has changed.
pub fn replace_letter(tx: &mut Tx, (id, old): (NoticeId, &[u8]), new: &[u8]) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            notices::table
                .find(id)
                .filter(notices::state.eq(state::QUEUED))
                .filter(notices::sealed_letter.eq(old)),
        )
        .set(notices::sealed_letter.eq(new))
    )?;
    Ok(())
}
