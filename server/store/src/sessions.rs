//! Queries for sessions and their refresh tokens.

use diesel::prelude::*;

use super::Tx;
use super::cached::{Together, on, run_kept};
use super::conn::Conn;
use crate::model::audit::AuditEvent;
use crate::model::kinds::Assurance;
use crate::model::session::{RefreshToken, Session};
use crate::model::user::User;
use crate::model::{RefreshId, Result, SessionId, Time, UserId};
use crate::schema::{audit_events, refresh_tokens, sessions, users};

/// Returns the session with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, user_id: UserId, id: SessionId) -> Result<Option<Session>> {
    Ok(on!(tx, |conn| sessions::table
        .find((user_id, id))
        .select(Session::as_select())
        .get_result(conn))
    .optional()?)
}

/// Returns the session with this id and its user, in one statement.
pub fn find_with_user(
    tx: &mut Tx,
    user_id: UserId,
    id: SessionId,
) -> Result<Option<(Session, User)>> {
    Ok(on!(tx, |conn| sessions::table
        .inner_join(users::table.on(users::id.eq(sessions::user_id)))
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.eq(id))
        .select((Session::as_select(), User::as_select()))
        .get_result(conn))
    .optional()?)
}

/// Returns a page of a user's open sessions, newest first, and the number of all. A session that was
/// last used before `idle_since` is no longer open.
pub fn open(
    tx: &mut Tx,
    user_id: UserId,
    now: Time,
    idle_since: Time,
    (limit, offset): (i64, i64),
) -> Result<(Vec<Session>, i64)> {
    let open = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .filter(sessions::last_used_at.gt(idle_since));
    let page = on!(tx, |conn| open
        .order(sessions::id.desc())
        .limit(limit)
        .offset(offset)
        .select(Session::as_select())
        .load(conn))?;
    let total = on!(tx, |conn| open.count().get_result(conn))?;
    Ok((page, total))
}

/// Stores a new session with its first refresh token and its audit event.
pub fn begin(
    tx: &mut Tx,
    session: &Session,
    token: &RefreshToken,
    event: &AuditEvent,
) -> Result<()> {
    let session = diesel::insert_into(sessions::table).values(session);
    let token = diesel::insert_into(refresh_tokens::table).values(token);
    let event = diesel::insert_into(audit_events::table).values(event);
    match &mut tx.conn {
        Conn::Sqlite(conn) => {
            session.execute(conn)?;
            token.execute(conn)?;
            event.execute(conn)?;
        }
        Conn::Postgres(conn) => {
            Together(session, token, event).execute(conn)?;
        }
    }
    Ok(())
}

/// Records that the session is in use. Never moves the time back.
pub fn touch(tx: &mut Tx, user_id: UserId, id: SessionId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            sessions::table
                .find((user_id, id))
                .filter(sessions::last_used_at.lt(now)),
        )
        .set(sessions::last_used_at.eq(now))
    )?;
    Ok(())
}

/// Records the new proof of a session after a step-up. Returns `false` if it has ended.
pub fn lift(tx: &mut Tx, lifted: &Session) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            sessions::table
                .find((lifted.user_id, lifted.id))
                .filter(sessions::ended_at.is_null()),
        )
        .set((
            sessions::acr.eq(lifted.acr),
            sessions::amr.eq(lifted.amr.as_str()),
            sessions::auth_time.eq(lifted.auth_time),
            sessions::proved_at.eq(lifted.proved_at),
            sessions::second_step_at.eq(lifted.second_step_at),
            sessions::last_used_at.eq(lifted.last_used_at),
        ))
    )?;
    Ok(rows == 1)
}

/// Ends one session. Returns `false` if it had ended already.
pub fn end(tx: &mut Tx, user_id: UserId, id: SessionId, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            sessions::table
                .find((user_id, id))
                .filter(sessions::ended_at.is_null()),
        )
        .set(sessions::ended_at.eq(now))
    )?;
    Ok(rows == 1)
}

/// Ends all sessions of a user, except `but` if given.
pub fn end_others(tx: &mut Tx, user_id: UserId, but: Option<SessionId>, now: Time) -> Result<()> {
    let open = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::ended_at.is_null());
    match but {
        Some(but) => run_kept!(
            tx,
            diesel::update(open.filter(sessions::id.ne(but))).set(sessions::ended_at.eq(now))
        )?,
        None => run_kept!(tx, diesel::update(open).set(sessions::ended_at.eq(now)))?,
    };
    Ok(())
}

/// Ends the sessions of a user that never passed a second step, except `but` if given.
pub fn end_weak(tx: &mut Tx, user_id: UserId, but: Option<SessionId>, now: Time) -> Result<()> {
    let weak = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::acr.eq(Assurance::Aal1))
        .filter(sessions::ended_at.is_null());
    match but {
        Some(but) => run_kept!(
            tx,
            diesel::update(weak.filter(sessions::id.ne(but))).set(sessions::ended_at.eq(now))
        )?,
        None => run_kept!(tx, diesel::update(weak).set(sessions::ended_at.eq(now)))?,
    };
    Ok(())
}

/// Returns the refresh token with this id.
pub fn find_refresh(tx: &mut Tx, user_id: UserId, id: RefreshId) -> Result<Option<RefreshToken>> {
    Ok(on!(tx, |conn| refresh_tokens::table
        .find((user_id, id))
        .select(RefreshToken::as_select())
        .get_result(conn))
    .optional()?)
}

/// Stores a new refresh token.
pub fn insert_refresh(tx: &mut Tx, token: &RefreshToken) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(refresh_tokens::table)
        .values(token)
        .execute(conn))?;
    Ok(())
}

/// Exchanges a refresh token for the one with the id `next`. Returns `false` if it was exchanged
/// already.
pub fn replace_refresh(
    tx: &mut Tx,
    old: &RefreshToken,
    next: RefreshId,
    from: &str,
    now: Time,
) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            refresh_tokens::table
                .find((old.user_id, old.id))
                .filter(refresh_tokens::replaced_at.is_null()),
        )
        .set((
            refresh_tokens::replaced_at.eq(now),
            refresh_tokens::successor_id.eq(next),
            refresh_tokens::replaced_from.eq(from),
        ))
    )?;
    Ok(rows == 1)
}

/// Records that an exchanged refresh token was sent again. Returns `false` if that was recorded
/// before.
pub fn repeat_refresh(tx: &mut Tx, old: &RefreshToken, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            refresh_tokens::table
                .find((old.user_id, old.id))
                .filter(refresh_tokens::repeated_at.is_null()),
        )
        .set(refresh_tokens::repeated_at.eq(now))
    )?;
    Ok(rows == 1)
}
