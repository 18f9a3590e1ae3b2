//! What the sandbox does to its own database and nobody else may: go back to the beginning.

use diesel::connection::SimpleConnection;

use super::Tx;
use super::conn::Conn;
use countersign_model::Result;

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
