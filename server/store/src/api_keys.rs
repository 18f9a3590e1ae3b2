//! Queries for API keys.

use diesel::prelude::*;

use super::Tx;
use super::cached::on;
use crate::model::api_key::ApiKey;
use crate::model::{ApiKeyId, Result, Time, UserId};
use crate::schema::api_keys;

/// Returns the key with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, user_id: UserId, id: ApiKeyId) -> Result<Option<ApiKey>> {
    Ok(on!(tx, |conn| api_keys::table
        .find((user_id, id))
        .select(ApiKey::as_select())
        .get_result(conn))
    .optional()?)
}

/// Stores a new key.
pub fn insert(tx: &mut Tx, key: &ApiKey) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(api_keys::table)
        .values(key)
        .execute(conn))?;
    Ok(())
}

/// Clears the secret of an expired key. A clock that goes back cannot revive the key, and the list
/// still shows it.
pub fn end_over(tx: &mut Tx, user_id: UserId, id: ApiKeyId, now: Time) -> Result<()> {
    let none: &[u8] = &[];
    on!(tx, |conn| diesel::update(
        api_keys::table
            .find((user_id, id))
            .filter(api_keys::expires_at.le(now)),
    )
    .set(api_keys::secret_hash.eq(none))
    .execute(conn))?;
    Ok(())
}

/// Counts the keys of a user that still work.
pub fn count_live(tx: &mut Tx, user_id: UserId, now: Time) -> Result<i64> {
    Ok(on!(tx, |conn| api_keys::table
        .filter(api_keys::user_id.eq(user_id))
        .filter(api_keys::expires_at.gt(now))
        .count()
        .get_result(conn))?)
}

/// Returns one page of all users' keys, newest first, and the number of all keys.
pub fn page(tx: &mut Tx, limit: i64, offset: i64) -> Result<(Vec<ApiKey>, i64)> {
    let page = on!(tx, |conn| api_keys::table
        .order(api_keys::id.desc())
        .limit(limit)
        .offset(offset)
        .select(ApiKey::as_select())
        .load(conn))?;
    let total = on!(tx, |conn| api_keys::table.count().get_result(conn))?;
    Ok((page, total))
}

/// Deletes a key of any user. Returns its owner and its name, or `None` if there is no such key.
pub fn delete(tx: &mut Tx, id: ApiKeyId) -> Result<Option<(UserId, String)>> {
    Ok(on!(tx, |conn| diesel::delete(
        api_keys::table.filter(api_keys::id.eq(id))
    )
    .returning((api_keys::user_id, api_keys::name))
    .get_result(conn))
    .optional()?)
}
