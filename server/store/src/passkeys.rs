//! Queries for passkeys: their owners, their signature counters, and ceremonies under way.

use diesel::prelude::*;

use super::Tx;
use super::cached::{kept, on, run_kept};
use super::conn::Conn;
use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::passkey::{Ceremony, Credential};
use crate::model::{CeremonyId, FactorId, Result, Time, UserId};
use crate::schema::{ceremonies, challenges, credentials, factors};

/// Returns the owner of a passkey.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn owner(tx: &mut Tx, credential_id: &[u8]) -> Result<Option<Credential>> {
    Ok(on!(tx, |conn| credentials::table
        .find(credential_id)
        .select(Credential::as_select())
        .get_result(conn))
    .optional()?)
}

/// Assigns a credential id to this factor. Returns `false` if another factor of any user has it. An
/// entry whose factor is gone does not count.
pub fn claim(tx: &mut Tx, credential: &Credential) -> Result<bool> {
    if let Some(old) = owner(tx, &credential.credential_id)? {
        let stands = factors::table.find((old.user_id, old.factor_id));
        if on!(tx, |conn| diesel::select(diesel::dsl::exists(stands))
            .get_result(conn))?
        {
            return Ok(false);
        }
        forget(tx, &old)?;
    }
    // Of two at once only one succeeds. The enum cannot express ON CONFLICT.
    let insert = diesel::insert_into(credentials::table)
        .values(credential)
        .on_conflict_do_nothing();
    let rows = match &mut tx.conn {
        Conn::Sqlite(conn) => insert.execute(conn)?,
        Conn::Postgres(conn) => insert.execute(conn)?,
    };
    Ok(rows == 1)
}

/// Frees a credential id if it still belongs to this factor.
fn forget(tx: &mut Tx, credential: &Credential) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        credentials::table
            .find(&credential.credential_id)
            .filter(credentials::user_id.eq(credential.user_id))
            .filter(credentials::factor_id.eq(credential.factor_id)),
    )
    .execute(conn))?;
    Ok(())
}

/// Frees the credential ids of a user's deleted factors.
pub fn forget_gone(tx: &mut Tx, user_id: UserId) -> Result<()> {
    let standing: Vec<FactorId> = on!(tx, |conn| factors::table
        .filter(factors::user_id.eq(user_id))
        .filter(factors::kind.eq(FactorKind::Passkey))
        .select(factors::id)
        .load(conn))?;
    on!(tx, |conn| diesel::delete(
        credentials::table
            .filter(credentials::user_id.eq(user_id))
            .filter(credentials::factor_id.ne_all(standing)),
    )
    .execute(conn))?;
    Ok(())
}

/// Stores the passkey of a pending factor. Returns `false` if the factor is gone, is not pending,
/// or has one already.
pub fn fill(tx: &mut Tx, factor: &Factor, credential: &str, sign_count: i64) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            factors::table
                .find((factor.user_id, factor.id))
                .filter(factors::state.eq(FactorState::Pending))
                .filter(factors::credential.is_null()),
        )
        .set((
            factors::credential.eq(credential),
            factors::sign_count.eq(sign_count),
        ))
    )?;
    Ok(rows == 1)
}

/// Records a use of a passkey. Returns `false` if the factor's state has changed, or if a use with
/// this or a greater counter was recorded meanwhile. A passkey whose counter is always 0 passes
/// (WebAuthn §6.1.1).
pub fn keep_use(
    tx: &mut Tx,
    factor: &Factor,
    credential: &str,
    sign_count: i64,
    now: Time,
) -> Result<bool> {
    // A counter above 0 must have grown. A counter of 0 is valid only if it was never above 0.
    let bound = sign_count.max(1);
    let rows = run_kept!(
        tx,
        diesel::update(
            factors::table
                .find((factor.user_id, factor.id))
                .filter(factors::state.eq(factor.state))
                .filter(factors::sign_count.lt(bound).assume_not_null()),
        )
        .set((
            factors::credential.eq(credential),
            factors::sign_count.eq(sign_count),
            factors::last_used_at.eq(now),
        ))
    )?;
    Ok(rows == 1)
}

/// Makes a challenge wait for a passkey's answer to these options, and no longer to older ones.
/// Returns `false` if it is over.
pub fn await_answer(tx: &mut Tx, challenge: &Challenge, state: &str, now: Time) -> Result<bool> {
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((challenge.user_id, challenge.id))
                .filter(challenges::consumed_at.is_null())
                .filter(challenges::expires_at.gt(now)),
        )
        .set((
            challenges::kind.eq(FactorKind::Passkey),
            challenges::ceremony.eq(state),
        ))
    )?;
    Ok(rows == 1)
}

/// Takes the state that a challenge's answer is judged by. Returns `false` if it was taken or
/// replaced since it was read, so that no answer is judged twice.
pub fn take_of_challenge(tx: &mut Tx, seen: &Challenge) -> Result<bool> {
    let Some(state) = &seen.ceremony else {
        return Ok(false);
    };
    let rows = run_kept!(
        tx,
        diesel::update(
            challenges::table
                .find((seen.user_id, seen.id))
                .filter(challenges::ceremony.eq(state).assume_not_null())
                .filter(challenges::consumed_at.is_null()),
        )
        .set(challenges::ceremony.eq(None::<&str>))
    )?;
    Ok(rows == 1)
}

/// Stores a sign-in that names no user.
pub fn begin(tx: &mut Tx, ceremony: &Ceremony) -> Result<()> {
    on!(tx, |conn| diesel::insert_into(ceremonies::table)
        .values(ceremony)
        .execute(conn))?;
    Ok(())
}

/// Takes a sign-in that names no user. Returns the state that its answer is judged by and when it
/// expires, or `None` if it was taken or never existed.
pub fn take(tx: &mut Tx, id: CeremonyId, secret_hash: &[u8]) -> Result<Option<(String, Time)>> {
    Ok(on!(tx, |conn| kept!(
        diesel::delete(
            ceremonies::table
                .find(id)
                .filter(ceremonies::secret_hash.eq(secret_hash)),
        )
        .returning((ceremonies::state, ceremonies::expires_at))
    )
    .get_result(conn))
    .optional()?)
}
