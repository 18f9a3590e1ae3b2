//! Challenges: flows that wait for a code.

use diesel::prelude::*;

use super::Tx;
use super::cached::{kept, on, run_kept};
use crate::model::challenge::Challenge;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::time::SKEW;
use crate::model::user::User;
use crate::model::{ChallengeId, Result, SessionId, Time, UserId};
use crate::schema::{challenges, users};

/// The challenge with this id.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn find(tx: &mut Tx, user_id: UserId, id: ChallengeId) -> Result<Option<Challenge>> {
    Ok(on!(tx, |conn| challenges::table
        .find((user_id, id))
        .select(Challenge::as_select())
        .get_result(conn))
    .optional()?)
}

/// The challenge with this id, and its user, in one statement.
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

/// Remembers a challenge.
pub fn insert(tx: &mut Tx, challenge: &Challenge) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(challenges::table)
        .values(challenge)
        .execute(conn))?;
    Ok(())
}

/// The live challenges of a user, newest first. One that was begun in a time to come is none: the clock went
/// back since.
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

/// Takes one try of a challenge that still waits for the same method: how many are taken now,
/// or `None` when none is left, or it is over or was switched.
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

/// Takes one try and uses the challenge up by it; `false` when it is over, was switched, or has no try left.
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

/// Takes back what [`take_and_spend`] did, in the same write.
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

/// Gives back a try that was not compared.
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

/// Uses the challenge up; `false` when somebody did already.
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

/// Ends a challenge whose time is over, and that of its link: a clock that goes back brings neither back.
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

/// What a session began that is over and was not ended.
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

/// What a challenge waits for after a mail was sent for it.
pub struct Sent {
    /// The method it waits for now.
    pub kind: FactorKind,
    /// Keyed hash of the code that was sent.
    pub code_hash: Vec<u8>,
    /// Hash of the secret of the link that went with it, if one did.
    pub link_hash: Option<Vec<u8>>,
    /// Until when the link is good.
    pub link_expires_at: Option<Time>,
    /// The network address that asked.
    pub source: String,
}

/// Replaces the code by that of a new mail; the old one stops working. Takes a resend slot unless this is the
/// challenge's first mail. It is `false` when somebody sent meanwhile, or the challenge is over.
pub fn send(tx: &mut Tx, before: &Challenge, sent: &Sent, now: Time) -> Result<bool> {
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
            challenges::kind.eq(sent.kind),
            challenges::code_hash.eq(sent.code_hash.as_slice()),
            challenges::link_hash.eq(sent.link_hash.as_deref()),
            challenges::link_expires_at.eq(sent.link_expires_at),
            challenges::resends.eq(before.resends + i32::from(!unsent)),
            challenges::last_sent_at.eq(now),
            challenges::opened_at.eq(never),
            challenges::source.eq(sent.source.as_str()),
        ))
    )?;
    Ok(rows == 1)
}

/// Lets the challenge wait for another method, of which nothing is sent; `false` when it is over.
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

/// Voids the links of a user's other challenges: sign-ins have one that is live, and so has each session,
/// so that what a session begins voids nothing that its owner signs in by.
pub fn drop_other_links(tx: &mut Tx, new: &Challenge) -> Result<()> {
    let none: Option<Vec<u8>> = None;
    let others = challenges::table
        .filter(challenges::user_id.eq(new.user_id))
        .filter(challenges::id.ne(new.id))
        .filter(challenges::consumed_at.is_null())
        .filter(challenges::link_hash.is_not_null());
    match new.session_id {
        None => run_kept!(
            tx,
            diesel::update(others.filter(challenges::session_id.is_null()))
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

/// Lets a challenge live until the end that `seen` has, that of its link; `false` when it is over, or
/// the link is another one by now.
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

/// Opens the link of a challenge, whose code stays good from now on for as long as one that was
/// just sent; `false` when the link was replaced, or the challenge is over.
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

/// Ends what waits for a code by SMS, but not set-ups; a sign-in that was sent one and waits for another
/// method by now goes on as if it had been sent none.
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
                // What a sign-in is sent by mail has a link.
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
