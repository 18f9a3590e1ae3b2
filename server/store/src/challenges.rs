//! Queries for challenges: flows that wait for an answer.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool};

use super::Tx;
use super::cached::{kept, on, run_kept};
use crate::model::challenge::Challenge;
use crate::model::kinds::{AnswerKind, FactorKind, Purpose};
use crate::model::time::SKEW;
use crate::model::user::User;
use crate::model::{ChallengeId, Result, SessionId, Time, UserId};
use crate::schema::{IdSql, challenges, users};

/// Returns the challenge with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, user_id: UserId, id: ChallengeId) -> Result<Option<Challenge>> {
    Ok(on!(tx, |conn| challenges::table
        .find((user_id, id))
        .select(Challenge::as_select())
        .get_result(conn))
    .optional()?)
}

/// Returns the challenge with this id and its user, in one statement.
pub fn find_with_user(
    tx: &mut Tx,
    user_id: UserId,
    id: ChallengeId,
) -> Result<Option<(Challenge, User)>> {
    Ok(on!(tx, |conn| challenges::table
        .inner_join(users::table.on(users::id.eq(challenges::user_id)))
        .filter(challenges::user_id.eq(user_id))
        .filter(challenges::id.eq(id))
        .select((Challenge::as_select(), User::as_select()))
        .get_result(conn))
    .optional()?)
}

/// Returns the challenges with these ids and their users, in any order, in one statement. PostgreSQL only.
pub(super) fn find_with_users(
    conn: &mut PgConnection,
    user_ids: &[UserId],
    ids: &[ChallengeId],
) -> Result<Vec<(Challenge, User)>> {
    let pairs = sql::<Bool>("(challenges.user_id, challenges.id) IN (SELECT * FROM unnest(")
        .bind::<Array<IdSql>, _>(user_ids)
        .sql(", ")
        .bind::<Array<IdSql>, _>(ids)
        .sql("))");
    Ok(kept!(
        challenges::table
            .inner_join(users::table.on(users::id.eq(challenges::user_id)))
            .filter(pairs)
            .select((Challenge::as_select(), User::as_select()))
    )
    .load(conn)?)
}

/// Stores a new challenge.
pub fn insert(tx: &mut Tx, challenge: &Challenge) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(challenges::table)
        .values(challenge)
        .execute(conn))?;
    Ok(())
}

/// Returns the live challenges of a user, newest first. A challenge that began in the future does
/// not count: the clock has gone back since.
pub fn live(tx: &mut Tx, user_id: UserId, now: Time) -> Result<Vec<Challenge>> {
    Ok(on!(tx, |conn| challenges::table
        .filter(challenges::user_id.eq(user_id))
        .filter(challenges::consumed_at.is_null())
        .filter(challenges::expires_at.gt(now))
        .filter(challenges::created_at.le(now.plus_seconds(SKEW)))
        .order(challenges::id.desc())
        .select(Challenge::as_select())
        .load(conn))?)
}

/// Takes one try of a challenge that still waits for the same method. Returns how many tries are
/// taken now, or `None` if none is left, or the challenge is over or was switched to another
/// method.
pub fn reserve(tx: &mut Tx, challenge: &Challenge, tries: u32, now: Time) -> Result<Option<i32>> {
    Ok(on!(tx, |conn| kept!(
        diesel::update(
            challenges::table
                .find((challenge.user_id, challenge.id))
                .filter(challenges::attempts.lt(tries.cast_signed()))
                .filter(challenges::kind.eq(challenge.kind))
                .filter(challenges::consumed_at.is_null())
                .filter(challenges::expires_at.gt(now)),
        )
        .set(challenges::attempts.eq(challenges::attempts + 1))
        .returning(challenges::attempts)
    )
    .get_result(conn))
    .optional()?)
}

/// Takes one try and ends the challenge with it. Returns `false` if it is over, was switched, or
/// has no try left.
pub fn take_and_spend(tx: &mut Tx, challenge: &Challenge, tries: u32, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((challenge.user_id, challenge.id))
                .filter(challenges::attempts.lt(tries.cast_signed()))
                .filter(challenges::kind.eq(challenge.kind))
                .filter(challenges::consumed_at.is_null())
                .filter(challenges::expires_at.gt(now)),
        )
        .set((
            challenges::attempts.eq(challenges::attempts + 1),
            challenges::consumed_at.eq(now),
        ))
    )?;
    Ok(rows == 1)
}

/// Undoes [`take_and_spend`], in the same write.
pub fn take_back(tx: &mut Tx, challenge: &Challenge) -> Result<()> {
    let never: Option<Time> = None;
    run_kept!(
        tx,
        diesel::update(challenges::table.find((challenge.user_id, challenge.id))).set((
            challenges::attempts.eq(challenges::attempts - 1),
            challenges::consumed_at.eq(never),
        ))
    )?;
    Ok(())
}

/// Gives back a try whose code was not compared.
pub fn give_back(tx: &mut Tx, challenge: &Challenge) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((challenge.user_id, challenge.id))
                .filter(challenges::attempts.gt(0)),
        )
        .set(challenges::attempts.eq(challenges::attempts - 1))
    )?;
    Ok(())
}

/// Uses the challenge up. Returns `false` if another call already has.
pub fn spend(tx: &mut Tx, user_id: UserId, id: ChallengeId, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((user_id, id))
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::consumed_at.eq(now))
    )?;
    Ok(rows == 1)
}

/// Ends a challenge that has expired and whose link, if any, has expired too. A clock that goes back
/// then revives neither.
pub fn end_over(tx: &mut Tx, user_id: UserId, id: ChallengeId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((user_id, id))
                .filter(challenges::expires_at.le(now))
                .filter(
                    challenges::link_expires_at
                        .is_null()
                        .or(challenges::link_expires_at.le(now).assume_not_null()),
                )
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::consumed_at.eq(now))
    )?;
    Ok(())
}

/// Returns the ids of a session's challenges that have expired and were not ended.
pub fn over(
    tx: &mut Tx,
    user_id: UserId,
    session: SessionId,
    now: Time,
) -> Result<Vec<ChallengeId>> {
    Ok(on!(tx, |conn| challenges::table
        .filter(challenges::user_id.eq(user_id))
        .filter(challenges::session_id.eq(session))
        .filter(challenges::consumed_at.is_null())
        .filter(challenges::expires_at.le(now))
        .select(challenges::id)
        .load(conn))?)
}

/// The code of a message that is sent for a challenge, and the link beside it.
pub struct NewCode {
    /// The method that the challenge waits for then.
    pub kind: AnswerKind,
    /// Keyed hash of the code in the message.
    pub code_hash: Vec<u8>,
    /// Hash of the link's secret, if the message has a link.
    pub link_hash: Option<Vec<u8>>,
    /// When the link expires.
    pub link_expires_at: Option<Time>,
    /// Network address of the client that asked for the message.
    pub source: String,
}

/// Replaces the code by that of a new message; the old one stops working. Takes a resend slot
/// unless this is the challenge's first message. Returns `false` if another message was sent
/// meanwhile, or the challenge is over.
pub fn send(tx: &mut Tx, before: &Challenge, code: &NewCode, now: Time) -> Result<bool> {
    let unsent = before.last_sent_at.is_none();
    let never: Option<Time> = None;
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((before.user_id, before.id))
                .filter(challenges::resends.eq(before.resends))
                .filter(challenges::last_sent_at.is_null().eq(unsent))
                .filter(challenges::consumed_at.is_null()),
        )
        .set((
            challenges::kind.eq(code.kind),
            challenges::code_hash.eq(code.code_hash.as_slice()),
            challenges::link_hash.eq(code.link_hash.as_deref()),
            challenges::link_expires_at.eq(code.link_expires_at),
            challenges::resends.eq(before.resends + i32::from(!unsent)),
            challenges::last_sent_at.eq(now),
            challenges::opened_at.eq(never),
            challenges::source.eq(code.source.as_str()),
        ))
    )?;
    Ok(rows == 1)
}

/// Switches the challenge to a method that sends no message. Returns `false` if it is over.
pub fn switch(tx: &mut Tx, before: &Challenge, kind: FactorKind) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((before.user_id, before.id))
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::kind.eq(kind))
    )?;
    Ok(rows == 1)
}

/// Voids the links of a user's other challenges of the same group: sign-ins have one live link
/// together, and so have new passwords, and each session. A challenge in a session therefore voids
/// no link of a sign-in.
pub fn drop_other_links(tx: &mut Tx, new: &Challenge) -> Result<()> {
    let none: Option<Vec<u8>> = None;
    let others = challenges::table
        .filter(challenges::user_id.eq(new.user_id))
        .filter(challenges::id.ne(new.id))
        .filter(challenges::consumed_at.is_null())
        .filter(challenges::link_hash.is_not_null());
    let resets = Purpose::PasswordReset;
    match new.session_id {
        None if new.purpose == resets => run_kept!(
            tx,
            diesel::update(others.filter(challenges::purpose.eq(resets)))
                .set(challenges::link_hash.eq(none))
        )?,
        None => run_kept!(
            tx,
            diesel::update(
                others
                    .filter(challenges::session_id.is_null())
                    .filter(challenges::purpose.ne(resets)),
            )
            .set(challenges::link_hash.eq(none))
        )?,
        Some(session) => run_kept!(
            tx,
            diesel::update(others.filter(challenges::session_id.eq(session)))
                .set(challenges::link_hash.eq(none))
        )?,
    };
    Ok(())
}

/// Extends a challenge to the end that `seen` has, which is that of its link. Returns `false` if it
/// is over, or its link was replaced.
pub fn go_on(tx: &mut Tx, seen: &Challenge) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((seen.user_id, seen.id))
                .filter(challenges::link_hash.eq(seen.link_hash.as_deref()))
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::expires_at.eq(seen.expires_at))
    )?;
    Ok(rows == 1)
}

/// Opens the link of a challenge. Its code now stays valid for as long as one that was just sent.
/// Returns `false` if the link was replaced, or the challenge is over.
pub fn open_link(tx: &mut Tx, before: &Challenge, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((before.user_id, before.id))
                .filter(challenges::link_hash.eq(before.link_hash.as_deref()))
                .filter(challenges::consumed_at.is_null()),
        )
        .set((
            challenges::opened_at.eq(now),
            challenges::expires_at.eq(before.expires_at),
        ))
    )?;
    Ok(rows == 1)
}

/// Ends challenges that wait for a code by SMS, except set-ups. A sign-in that was sent such a code
/// and has since switched to another method continues as if no code had been sent.
pub fn end_of_texts(tx: &mut Tx, user_id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            challenges::table
                .filter(challenges::user_id.eq(user_id))
                .filter(challenges::kind.eq(FactorKind::Sms))
                .filter(challenges::purpose.ne(Purpose::Setup))
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::consumed_at.eq(now))
    )?;
    let (no_code, never): (Option<Vec<u8>>, Option<Time>) = (None, None);
    run_kept!(
        tx,
        diesel::update(
            challenges::table
                .filter(challenges::user_id.eq(user_id))
                .filter(challenges::kind.ne(FactorKind::Sms))
                .filter(challenges::purpose.eq(Purpose::Login))
                // Only a code that was sent by mail has a link.
                .filter(challenges::link_expires_at.is_null())
                .filter(challenges::consumed_at.is_null()),
        )
        .set((
            challenges::code_hash.eq(no_code),
            challenges::last_sent_at.eq(never),
        ))
    )?;
    Ok(())
}

/// Ends all challenges of a user.
pub fn end_all(tx: &mut Tx, user_id: UserId, now: Time) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(
            challenges::table
                .filter(challenges::user_id.eq(user_id))
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::consumed_at.eq(now))
    )?;
    Ok(())
}
