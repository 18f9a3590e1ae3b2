//! Reads what is kept about one user, for the user.

use diesel::prelude::*;

use super::Tx;
use super::cached::on;
use crate::model::api_key::ApiKey;
use crate::model::challenge::Challenge;
use crate::model::session::Session;
use crate::model::{Result, Time, UserId};
use crate::schema::{api_keys, challenges, notices, sessions, user_limits};

/// Returns the sessions of a user, ended ones as well, newest first.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn sessions(tx: &mut Tx, user_id: UserId, limit: i64) -> Result<Vec<Session>> {
    Ok(on!(tx, |conn| sessions::table
        .filter(sessions::user_id.eq(user_id))
        .order(sessions::id.desc())
        .limit(limit)
        .select(Session::as_select())
        .load(conn))?)
}

/// Returns the API keys that a user made, newest first.
pub fn api_keys(tx: &mut Tx, user_id: UserId) -> Result<Vec<ApiKey>> {
    Ok(on!(tx, |conn| api_keys::table
        .filter(api_keys::user_id.eq(user_id))
        .order(api_keys::id.desc())
        .select(ApiKey::as_select())
        .load(conn))?)
}

/// Returns the challenges of a user, those that are over as well, newest first.
pub fn challenges(tx: &mut Tx, user_id: UserId, limit: i64) -> Result<Vec<Challenge>> {
    Ok(on!(tx, |conn| challenges::table
        .filter(challenges::user_id.eq(user_id))
        .order(challenges::id.desc())
        .limit(limit)
        .select(Challenge::as_select())
        .load(conn))?)
}

/// A letter without what it says: its kind, its state, when it was queued, and when it ended.
pub type Letter = (String, String, Time, Option<Time>);

/// Returns the letters to a user, newest first.
pub fn letters(tx: &mut Tx, user_id: UserId, limit: i64) -> Result<Vec<Letter>> {
    Ok(on!(tx, |conn| notices::table
        .filter(notices::user_id.eq(user_id))
        .order(notices::id.desc())
        .limit(limit)
        .select((
            notices::kind,
            notices::state,
            notices::created_at,
            notices::ended_at,
        ))
        .load(conn))?)
}

/// Returns what limits have counted for a user: name, uses, and when the window ends.
pub fn limits(tx: &mut Tx, user_id: UserId) -> Result<Vec<(String, i32, Time)>> {
    Ok(on!(tx, |conn| user_limits::table
        .filter(user_limits::user_id.eq(user_id))
        .order(user_limits::name)
        .select((
            user_limits::name,
            user_limits::used,
            user_limits::window_ends_at,
        ))
        .load(conn))?)
}
