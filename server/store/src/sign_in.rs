//! The two jobs of a sign-in's second step: reading what it is judged by, and writing what follows from a
//! right code. SQLite's one writer takes each as it comes. On PostgreSQL one statement serves everybody who
//! waits, see [`super::lane`].

use std::collections::{HashMap, HashSet};

use diesel::PgConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text};

use super::conn::Conn;
use super::lane::Shared;
use super::{Store, Tx, challenges, factors, sessions};
use crate::model::audit::AuditEvent;
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{Assurance, Counted, FactorState};
use crate::model::session::{RefreshToken, Session};
use crate::model::user::User;
use crate::model::{
    AuditId, ChallengeId, FactorId, Fault, RefreshId, Result, SessionId, Time, UserId,
};
use crate::schema::IdSql;

/// A challenge, and what its answer is judged by.
#[derive(Clone)]
pub struct QuestionRows {
    /// The challenge.
    pub challenge: Challenge,
    /// Its user.
    pub user: User,
    /// The user's factors, oldest first.
    pub factors: Vec<Factor>,
    /// The user's counters of wrong codes.
    pub counters: Vec<FactorAttempts>,
}

/// A right code of an authenticator app, with all that follows from it.
#[derive(Clone)]
pub struct Entry {
    /// The challenge, as it was read.
    pub challenge: Challenge,
    /// How many tries a challenge has.
    pub tries: u32,
    /// The counter of the method, as it was read.
    pub counter: FactorAttempts,
    /// The authenticator, as it was read.
    pub factor: Factor,
    /// The time step of the code.
    pub step: i64,
    /// The session that begins.
    pub session: Session,
    /// Its first refresh token.
    pub token: RefreshToken,
    /// The audit event.
    pub event: AuditEvent,
}

impl Store {
    /// Reads a challenge and what its answer is judged by.
    ///
    /// # Errors
    /// Fails as [`Store::read`] does.
    pub async fn question(
        &self,
        user: UserId,
        challenge: ChallengeId,
    ) -> Result<Option<QuestionRows>> {
        match &self.lanes {
            Some(lanes) => lanes.questions.ask((user, challenge)).await,
            None => self.read(move |tx| question(tx, user, challenge)).await,
        }
    }

    /// Finds out whether the connections for sign-ins work, and replaces those that do not. SQLite has none of
    /// their own.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub async fn probe_sign_ins(&self) -> Result<()> {
        match &self.lanes {
            Some(lanes) => {
                tokio::try_join!(lanes.questions.probe(), lanes.entries.probe()).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Takes a try, uses the challenge and the code up, resets the counter, and begins the session, all or
    /// nothing. Returns `false`, with nothing changed, if a row is no longer as it was read, or somebody else
    /// is about to change it.
    ///
    /// # Errors
    /// Fails as [`Store::write`] does.
    pub async fn enter(&self, entry: Entry) -> Result<bool> {
        match &self.lanes {
            Some(lanes) => lanes.entries.ask(entry).await,
            None => self.write(move |tx| enter(tx, &entry)).await,
        }
    }
}

fn question(tx: &mut Tx, user: UserId, challenge: ChallengeId) -> Result<Option<QuestionRows>> {
    let Some((challenge, user)) = challenges::find_with_user(tx, user, challenge)? else {
        return Ok(None);
    };
    Ok(Some(QuestionRows {
        factors: factors::of_user(tx, user.id)?,
        counters: factors::all_attempts(tx, user.id)?,
        challenge,
        user,
    }))
}

/// Writes each row once. The order is that of the longer way, so that two writes never wait for each other.
fn enter(tx: &mut Tx, entry: &Entry) -> Result<bool> {
    let (challenge, counter, now) = (&entry.challenge, &entry.counter, entry.event.at);
    if !challenges::take_and_spend(tx, challenge, entry.tries, now)? {
        return Ok(false);
    }
    let anew = FactorAttempts::none(counter.user_id, counter.kind);
    if factors::replace(tx, counter, &anew)? {
        if factors::accept_step(tx, &entry.factor, entry.step, now)? {
            sessions::begin(tx, &entry.session, &entry.token, &entry.event)?;
            return Ok(true);
        }
        factors::replace(tx, &anew, counter)?;
    }
    challenges::take_back(tx, challenge)?;
    Ok(false)
}

/// Reads the questions of several callers, in three statements.
pub(super) struct Questions;

impl Shared for Questions {
    type Row = (UserId, ChallengeId);
    type Answer = Option<QuestionRows>;

    fn user(row: &Self::Row) -> UserId {
        row.0
    }

    fn second() -> Option<Self::Answer> {
        None
    }

    fn run(tx: &mut Tx, rows: &[&Self::Row]) -> Result<Vec<Self::Answer>> {
        let (users, ids): (Vec<UserId>, Vec<ChallengeId>) = rows.iter().copied().copied().unzip();
        let found = challenges::find_with_users(postgres(tx)?, &users, &ids)?;
        let found: HashMap<_, _> = found
            .into_iter()
            .map(|(challenge, user)| ((user.id, challenge.id), (challenge, user)))
            .collect();
        let known: HashSet<UserId> = found.keys().map(|(user, _)| *user).collect();
        let known: Vec<UserId> = known.into_iter().collect();
        if known.is_empty() {
            return Ok(vec![None; rows.len()]);
        }
        let factors = factors::of_users(tx, &known)?;
        let counters = factors::all_attempts_of(tx, &known)?;
        let answer = |key: &&Self::Row| {
            let (challenge, user) = found.get(key)?.clone();
            let own = |one: &&Factor| one.user_id == user.id;
            let counted = |one: &&FactorAttempts| one.user_id == user.id;
            Some(QuestionRows {
                factors: factors.iter().filter(own).cloned().collect(),
                counters: counters.iter().filter(counted).copied().collect(),
                challenge,
                user,
            })
        };
        Ok(rows.iter().map(answer).collect())
    }
}

/// Writes the entries of several callers, in one statement.
pub(super) struct Entries;

impl Shared for Entries {
    type Row = Entry;
    type Answer = bool;

    fn user(row: &Entry) -> UserId {
        row.session.user_id
    }

    /// A row can be changed once in a statement. The longer way finds out what becomes of the second.
    fn second() -> Option<bool> {
        Some(false)
    }

    fn run(tx: &mut Tx, rows: &[&Entry]) -> Result<Vec<bool>> {
        let done: Vec<ChallengeId> = EnterAll::of(rows).load(postgres(tx)?)?;
        let entered = |row: &&Entry| done.contains(&row.challenge.id);
        Ok(rows.iter().map(entered).collect())
    }
}

fn postgres(tx: &mut Tx) -> Result<&mut PgConnection> {
    match &mut tx.conn {
        Conn::Postgres(conn) => Ok(conn),
        Conn::Sqlite(_) => Err(Fault::bug(anyhow::anyhow!("a lane of SQLite")).into()),
    }
}

/// Declares the columns of the rows, each an array that is bound as one value.
macro_rules! columns {
    ($($name:ident: $sql:ty as $cast:literal, $rust:ty, $of:expr;)+) => {
        /// The entries by columns, as PostgreSQL takes them.
        struct EnterAll<'a> {
            $($name: Vec<$rust>,)+
        }

        impl<'a> EnterAll<'a> {
            fn of(rows: &[&'a Entry]) -> Self {
                $(let $name: fn(&'a Entry) -> $rust = $of;)+
                Self {
                    $($name: rows.iter().copied().map($name).collect(),)+
                }
            }

            /// Writes `unnest(…)`, with the names of its columns.
            fn unnest<'b>(&'b self, pass: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                let mut before = "unnest(";
                $(
                    pass.push_sql(before);
                    pass.push_bind_param::<Array<$sql>, _>(&self.$name)?;
                    pass.push_sql(concat!("::", $cast, "[]"));
                    before = ", ";
                )+
                let names = [$(stringify!($name)),+];
                pass.push_sql(&format!(") AS given({})", names.join(before)));
                Ok(())
            }
        }
    };
}

columns! {
    user_id: IdSql as "uuid", UserId, |row| row.session.user_id;
    challenge_id: IdSql as "uuid", ChallengeId, |row| row.challenge.id;
    tries: Integer as "int4", i32, |row| row.tries.cast_signed();
    kind: Text as "text", Counted, |row| row.counter.kind;
    failures: Integer as "int4", i32, |row| row.counter.failures;
    next_try_at: BigInt as "int8", Time, |row| row.counter.next_try_at;
    factor_id: IdSql as "uuid", FactorId, |row| row.factor.id;
    state: Text as "text", FactorState, |row| row.factor.state;
    step: BigInt as "int8", i64, |row| row.step;
    now: BigInt as "int8", Time, |row| row.event.at;
    session_id: IdSql as "uuid", SessionId, |row| row.session.id;
    acr: Text as "text", Assurance, |row| row.session.acr;
    amr: Text as "text", &'a str, |row| &row.session.amr;
    expires_at: BigInt as "int8", Time, |row| row.session.expires_at;
    proved_at: Nullable<BigInt> as "int8", Option<Time>, |row| row.session.proved_at;
    second_step_at: Nullable<BigInt> as "int8", Option<Time>, |row| row.session.second_step_at;
    source: Nullable<Text> as "text", Option<&'a str>, |row| row.session.source.as_deref();
    program: Nullable<Text> as "text", Option<&'a str>, |row| row.session.program.as_deref();
    refresh_id: IdSql as "uuid", RefreshId, |row| row.token.id;
    secret_hash: Binary as "bytea", &'a [u8], |row| &row.token.secret_hash;
    audit_id: IdSql as "uuid", AuditId, |row| row.event.id;
    event: Text as "text", &'a str, |row| &row.event.event;
    detail: Nullable<Text> as "text", Option<&'a str>, |row| row.event.detail.as_deref();
}

/// Keeps the rows that are still as they were read, and locks them. A row that somebody else has locked is
/// left out: waiting for it would hold up everybody in the statement.
const HELD: &str = "), held AS MATERIALIZED (SELECT given.* FROM given \
    JOIN challenges ON challenges.user_id = given.user_id AND challenges.id = given.challenge_id \
    JOIN factor_attempts AS counters ON counters.user_id = given.user_id AND counters.kind = given.kind \
    JOIN factors ON factors.user_id = given.user_id AND factors.id = given.factor_id \
    WHERE challenges.attempts < given.tries AND challenges.kind = given.kind \
    AND challenges.consumed_at IS NULL AND challenges.expires_at > given.now \
    AND counters.failures = given.failures AND counters.next_try_at = given.next_try_at \
    AND factors.state = given.state \
    AND (factors.last_step IS NULL OR factors.last_step < given.step) \
    AND (factors.told_step IS NULL OR factors.told_step <> given.step) \
    FOR UPDATE OF challenges, counters, factors SKIP LOCKED)";

/// Changes and adds the rows of everybody who was kept. A counter that is at zero stays as it is.
const WRITTEN: &str = ", spent AS (UPDATE challenges \
    SET attempts = challenges.attempts + 1, consumed_at = held.now FROM held \
    WHERE challenges.user_id = held.user_id AND challenges.id = held.challenge_id), \
    reset AS (UPDATE factor_attempts AS counters SET failures = 0, next_try_at = 0 FROM held \
    WHERE counters.user_id = held.user_id AND counters.kind = held.kind \
    AND (counters.failures <> 0 OR counters.next_try_at <> 0)), \
    accepted AS (UPDATE factors SET last_step = held.step, last_used_at = held.now FROM held \
    WHERE factors.user_id = held.user_id AND factors.id = held.factor_id), \
    begun AS (INSERT INTO sessions (user_id, id, acr, amr, auth_time, created_at, last_used_at, expires_at, \
    proved_at, second_step_at, source, program) \
    SELECT user_id, session_id, acr, amr, now, now, now, expires_at, proved_at, second_step_at, source, \
    program FROM held), \
    given_token AS (INSERT INTO refresh_tokens (user_id, id, session_id, secret_hash, created_at) \
    SELECT user_id, refresh_id, session_id, secret_hash, now FROM held), \
    told AS (INSERT INTO audit_events (user_id, id, event, source, detail, at) \
    SELECT user_id, audit_id, event, source, detail, now FROM held) \
    SELECT challenge_id FROM held";

impl QueryFragment<Pg> for EnterAll<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("WITH given AS MATERIALIZED (SELECT * FROM ");
        self.unnest(&mut pass)?;
        pass.push_sql(HELD);
        pass.push_sql(WRITTEN);
        Ok(())
    }
}

impl Query for EnterAll<'_> {
    type SqlType = IdSql;
}

/// The statement's text never changes, so that its prepared form is kept.
impl QueryId for EnterAll<'_> {
    type QueryId = EnterAll<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for EnterAll<'_> {}
