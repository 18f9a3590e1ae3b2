//! What the sandbox does to its own database and nobody else may: go back to the beginning.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use super::Tx;
use super::cached::run_kept;
use super::conn::Conn;
use crate::schema::challenges;
use countersign_model::{Fault, Result, Time, UserId};

/// What the database knows of itself and of its keys. Everything else is forgotten, what later versions add included.
const KEPT: &str = "'key_canaries', 'schema_floors', 'server_state', '__diesel_schema_migrations'";

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Forgets everything, so that the next user is the first one.
///
/// # Errors
/// A fault when the database does not answer, or is no SQLite.
pub fn clear(tx: &mut Tx) -> Result<()> {
    let Conn::Sqlite(conn) = &mut tx.conn else {
        return Err(Fault::bug(anyhow::anyhow!("the sandbox is on SQLite")).into());
    };
    let all =
        format!("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ({KEPT})");
    let tables: Vec<Table> = sql_query(all).load(conn)?;
    let mut forget =
        "/* reset */ UPDATE server_state SET seen_at = NULL, hold_until = NULL".to_owned();
    // Of SQLite's own tables the one that counts users is among them.
    for Table { name } in tables {
        forget.push_str("; DELETE FROM ");
        forget.push_str(&name);
    }
    Ok(conn.batch_execute(&forget)?)
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
