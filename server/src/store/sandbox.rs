//! What the sandbox does to its own database and nobody else may: go back to the beginning.

use diesel::prelude::*;
use diesel::sql_query;

use super::Tx;
use super::cached::on;
use super::conn::Conn;
use crate::model::Result;

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
    for table in TABLES {
        let forget = format!("DELETE FROM {table}");
        on!(tx, |conn| sql_query(&forget).execute(conn))?;
    }
    let forget = "UPDATE server_state SET seen_at = NULL, hold_until = NULL";
    on!(tx, |conn| sql_query(forget).execute(conn))?;
    if let Conn::Sqlite(conn) = &mut tx.conn {
        sql_query("DELETE FROM sqlite_sequence WHERE name = 'user_numbers'").execute(conn)?;
    }
    Ok(())
}
