//! Epochs: a database that went back to an older state begins a new epoch. What was spent, sent or
//! signed in before no longer counts in it.

use anyhow::{Context, anyhow};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::cached::{kept, on};
use super::conn::{self, Conn, Use};
use super::{Engine, Tx};
use crate::model::audit::Event;
use crate::model::kinds::FactorKind;
use crate::model::mark::Mark;
use crate::model::notice::state as notice_state;
use crate::model::{AuditId, Error, Result, Time};
use crate::schema::{
    IdSql, audit_events, ceremonies, challenges, code_sets, email_changes, factors, notices,
    password_resets, refresh_tokens, registrations, server_state, sessions,
};

/// The key of the only row.
const ONE: i64 = 1;
/// The columns of a mark.
const MARK: (
    server_state::database_id,
    server_state::epoch,
    server_state::sequence,
) = (
    server_state::database_id,
    server_state::epoch,
    server_state::sequence,
);

/// Marks the database once more and returns how far it has come. A database without a mark gets
/// `fresh` as its id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn advance(tx: &mut Tx, fresh: &str) -> Result<Mark> {
    let insert = diesel::insert_into(server_state::table)
        .values((
            server_state::one.eq(ONE),
            server_state::database_id.eq(fresh),
            server_state::epoch.eq(0),
            server_state::sequence.eq(0),
            server_state::told.eq(true),
        ))
        .on_conflict_do_nothing();
    // If two servers start first together, one of them gives the id.
    on!(tx, |conn| insert.execute(conn))?;
    Ok(on!(tx, |conn| kept!(
        diesel::update(server_state::table.find(ONE))
            .set(server_state::sequence.eq(server_state::sequence + 1))
            .returning(MARK)
    )
    .get_result(conn))?)
}

/// Returns the epoch that no start has reported yet, if there is one, and marks it as reported.
pub fn tell(tx: &mut Tx) -> Result<Option<Time>> {
    let unreported = server_state::table
        .find(ONE)
        .filter(server_state::told.eq(false));
    let told = on!(tx, |conn| diesel::update(unreported)
        .set(server_state::told.eq(true))
        .returning(server_state::epoch)
        .get_result::<i64>(conn))
    .optional()?;
    Ok(told.map(Time::from_micros))
}

/// The input for a new epoch.
#[derive(Clone, Debug)]
pub struct EpochInput {
    /// When it begins.
    pub now: Time,
    /// The newest time step for which an authenticator's code may have been accepted.
    pub newest_step: i64,
    /// How far the database had come when this server last saw it, if known.
    pub seen: Option<Mark>,
    /// The mark that was found when the server noticed that the database went back. Another replica
    /// may have begun the epoch since; then there is nothing to do.
    pub found: Option<Mark>,
    /// Whether recovery codes that seem unused stay valid: true if it is known which ones were
    /// used.
    pub keep_codes: bool,
    /// The id for a database that was never marked.
    pub fresh: String,
    /// The ids of the audit events: for each affected user one event about sessions and one about
    /// codes.
    pub records: [AuditId; 2],
}

/// A new epoch, and how much it ended.
#[derive(Clone, Debug)]
pub struct NewEpoch {
    /// How far the database has come now.
    pub mark: Mark,
    /// Number of sessions that were open.
    pub sessions: usize,
    /// Number of challenges and registrations: flows that waited for a code, a link or a passkey.
    pub challenges: usize,
    /// Number of authenticators. They accept no code from before this moment.
    pub authenticators: usize,
    /// Number of sets of recovery and scratch codes.
    pub code_sets: usize,
}

/// Begins a new epoch over a connection of its own. It is one transaction without a time-out, since
/// it touches every session. Returns `None` if another replica has begun an epoch since the server
/// noticed that the database went back.
///
/// # Errors
/// Fails if the database cannot be reached, or cannot store the epoch.
pub fn begin(engine: &Engine, beginning: &EpochInput) -> anyhow::Result<Option<NewEpoch>> {
    let conn = conn::open(engine, Use::Write)?;
    begin_on(Tx { conn }, engine, beginning).map(|(begun, _)| begun)
}

/// Begins a new epoch on an open connection, and gives the connection back.
///
/// # Errors
/// Fails as [`begin`] does.
pub(super) fn begin_on(
    mut tx: Tx,
    engine: &Engine,
    beginning: &EpochInput,
) -> anyhow::Result<(Option<NewEpoch>, Tx)> {
    tx.conn.batch_execute(conn::begin(engine))?;
    if let Conn::Postgres(conn) = &mut tx.conn {
        conn.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
    }
    let begun = turn(&mut tx, beginning).map_err(cause)?;
    let end = if begun.is_some() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    tx.conn
        .batch_execute(end)
        .context("the new epoch was not kept")?;
    Ok((begun, tx))
}

fn turn(tx: &mut Tx, beginning: &EpochInput) -> Result<Option<NewEpoch>> {
    // Locks the row: if several replicas notice, the second one sees what the first one did.
    let marked = advance(tx, &beginning.fresh)?;
    let begun_since = |found: &Mark| found.epoch != marked.epoch;
    if beginning.found.as_ref().is_some_and(begun_since) {
        return Ok(None);
    }
    let seen = beginning.seen.as_ref();
    let past = |of: fn(&Mark) -> i64| of(&marked).max(seen.map_or(0, of)) + 1;
    let begun = diesel::update(server_state::table.find(ONE))
        .set((
            server_state::epoch.eq(beginning.now.micros().max(past(|mark| mark.epoch))),
            server_state::sequence.eq(past(|mark| mark.sequence)),
            // A running server reports the epoch at once. After a restore, the next start reports
            // it.
            server_state::told.eq(beginning.found.is_some()),
        ))
        .returning(MARK);
    let mark = on!(tx, |conn| begun.get_result(conn))?;
    let code_sets = if beginning.keep_codes {
        0
    } else {
        record_code_sets(tx, beginning)?;
        end_code_sets(tx, beginning.now)?
    };
    record_sessions(tx, beginning)?;
    Ok(Some(NewEpoch {
        mark,
        sessions: end_sessions(tx, beginning.now)?,
        challenges: forget_what_waits(tx, beginning.now)?,
        authenticators: pass_steps(tx, beginning.newest_step)?,
        code_sets,
    }))
}

/// The columns of the audit trail that an epoch's events fill.
const RECORD: (
    audit_events::user_id,
    audit_events::id,
    audit_events::event,
    audit_events::detail,
    audit_events::at,
) = (
    audit_events::user_id,
    audit_events::id,
    audit_events::event,
    audit_events::detail,
    audit_events::at,
);

/// Records the end of sessions for everybody who has one, in one statement. Ids need to be unique
/// for each user only.
fn record_sessions(tx: &mut Tx, beginning: &EpochInput) -> Result<()> {
    let whose = sessions::table
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(beginning.now))
        .select((
            sessions::user_id,
            beginning.records[0].into_sql::<IdSql>(),
            Event::EpochBegun.as_str().into_sql::<Text>(),
            "sessions".into_sql::<Nullable<Text>>(),
            beginning.now.into_sql::<BigInt>(),
        ))
        .distinct();
    on!(tx, |conn| diesel::insert_into(audit_events::table)
        .values(whose)
        .into_columns(RECORD)
        .execute(conn))?;
    Ok(())
}

/// Records the end of recovery and scratch codes in the same way.
fn record_code_sets(tx: &mut Tx, beginning: &EpochInput) -> Result<()> {
    let whose = code_sets::table
        .filter(code_sets::live_at.is_not_null())
        .filter(code_sets::ended_at.is_null())
        .select((
            code_sets::user_id,
            beginning.records[1].into_sql::<IdSql>(),
            Event::EpochBegun.as_str().into_sql::<Text>(),
            "recovery_codes".into_sql::<Nullable<Text>>(),
            beginning.now.into_sql::<BigInt>(),
        ))
        .distinct();
    on!(tx, |conn| diesel::insert_into(audit_events::table)
        .values(whose)
        .into_columns(RECORD)
        .execute(conn))?;
    Ok(())
}

fn end_sessions(tx: &mut Tx, now: Time) -> Result<usize> {
    let open = sessions::table.filter(sessions::ended_at.is_null());
    on!(tx, |conn| diesel::delete(refresh_tokens::table)
        .execute(conn))?;
    Ok(on!(tx, |conn| diesel::update(open)
        .set(sessions::ended_at.eq(now))
        .execute(conn))?)
}

/// Deletes challenges, registrations, mails for a new password, new addresses that wait for their code, and ceremonies,
/// and wipes queued letters that carry their codes or links. Links that restore an address go on: without them nobody
/// could undo a change that came back with the older state.
fn forget_what_waits(tx: &mut Tx, now: Time) -> Result<usize> {
    let with_a_secret = notices::kind
        .like("%\\_code")
        .escape('\\')
        .or(notices::kind.like("%\\_link").escape('\\'));
    let queued = notices::table
        .filter(notices::state.eq(notice_state::QUEUED))
        .filter(with_a_secret);
    on!(tx, |conn| diesel::update(queued)
        .set((
            notices::state.eq(notice_state::ABANDONED),
            notices::sealed_letter.eq(None::<Vec<u8>>),
            notices::ended_at.eq(now),
        ))
        .execute(conn))?;
    on!(tx, |conn| diesel::delete(ceremonies::table).execute(conn))?;
    Ok(
        on!(tx, |conn| diesel::delete(challenges::table).execute(conn))?
            + on!(tx, |conn| diesel::delete(registrations::table)
                .execute(conn))?
            + on!(tx, |conn| diesel::delete(password_resets::table)
                .execute(conn))?
            + on!(tx, |conn| diesel::delete(email_changes::table)
                .execute(conn))?,
    )
}

/// Makes authenticators refuse codes up to this step. Those that accepted a later one keep that.
fn pass_steps(tx: &mut Tx, newest: i64) -> Result<usize> {
    let before = factors::last_step
        .is_null()
        .or(factors::last_step.lt(newest).assume_not_null());
    let earlier = factors::table
        .filter(factors::kind.eq(FactorKind::Authenticator))
        .filter(before);
    Ok(on!(tx, |conn| diesel::update(earlier)
        .set(factors::last_step.eq(newest))
        .execute(conn))?)
}

fn end_code_sets(tx: &mut Tx, now: Time) -> Result<usize> {
    let live = code_sets::table
        .filter(code_sets::live_at.is_not_null())
        .filter(code_sets::ended_at.is_null());
    Ok(on!(tx, |conn| diesel::update(live)
        .set(code_sets::ended_at.eq(now))
        .execute(conn))?)
}

/// Turns an error into a cause for the operator.
pub(super) fn cause(error: Error) -> anyhow::Error {
    match error {
        Error::Fault(fault) => fault.cause,
        Error::Refused(refusal) => anyhow!("{}", refusal.sentence()),
    }
}
