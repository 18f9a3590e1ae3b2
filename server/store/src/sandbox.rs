//! What the sandbox does to its own database and nobody else may: go back to the beginning.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::Tx;
use super::cached::run_kept;
use super::conn::Conn;
use crate::schema::challenges;
use countersign_model::{Result, Time, UserId};

/// Everything but what the database knows of itself and of its keys.
const TABLES: [&str; 20] = [
    "users",
    "addresses",
    "user_numbers",
    "registrations",
    "factors",
    "factor_attempts",
    "challenges",
    "sessions",
    "refresh_tokens",
    "api_keys",
    "user_limits",
    "limits",
    "password_attempts",
    "audit_events",
    "notices",
    "credentials",
    "ceremonies",
    "code_sets",
    "recovery_codes",
    "organisations",
];

/// Forgets everything, so that the next user is the first one.
///
/// # Errors
/// A fault when the database does not answer.
pub fn clear(tx: &mut Tx) -> Result<()> {
    let mut forget =
        "/* reset */ UPDATE server_state SET seen_at = NULL, hold_until = NULL".to_owned();
    for table in TABLES {
        forget.push_str("; DELETE FROM ");
        forget.push_str(table);
    }
    if let Conn::Sqlite(_) = &tx.conn {
        forget.push_str("; DELETE FROM sqlite_sequence WHERE name = 'user_numbers'");
    }
    Ok(tx.conn.batch_execute(&forget)?)
}

/// Has what was sent for a user's challenges count as sent at `then`, so that nothing has to be waited for.
///
/// # Errors
/// A fault when the database does not answer.
pub fn sent_at(tx: &mut Tx, user: UserId, then: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            challenges::table
                .filter(challenges::user_id.eq(user))
                .filter(challenges::last_sent_at.is_not_null()),
        )
        .set(challenges::last_sent_at.eq(then))
    )?;
    Ok(())
}
