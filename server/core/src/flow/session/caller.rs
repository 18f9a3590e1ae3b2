//! The caller behind a bearer token, read as they are now.

use uuid::Uuid;

use crate::app::Ctx;
use crate::model::ids::{Id, SessionRow, UserRow};
use crate::model::policy::Policy;
use crate::model::session::Caller;
use crate::model::{Error, Refusal, Result, SessionId, Time, UserId};
use crate::store::{Tx, factors, sessions, users};
use crate::vault;

/// A session's last use is written once a minute, not once a call.
const TOUCH_SECONDS: i64 = 60;

/// Reads the caller of a session. Every caller comes from here, so none is let in with a session that is over.
///
/// # Errors
/// Refuses a session that is unknown or over, and a user who is disabled.
pub fn read(
    tx: &mut Tx,
    policy: &Policy,
    now: Time,
    (user_id, session_id): (UserId, SessionId),
) -> Result<Caller> {
    let invalid = || Refusal::TokenInvalid { sent: true };
    let found = sessions::find_with_user(tx, user_id, session_id)?;
    let (session, user) = found.ok_or_else(invalid)?;
    session.judge(policy, now)?;
    if !user.active() {
        return Err(invalid().into());
    }
    Ok(Caller {
        factors: factors::of_user(tx, user_id)?,
        enforced: users::enforced(tx, &user)?,
        user,
        session,
    })
}

/// Finds the caller of a bearer token. The signature must be right, and the session and the user must be
/// alive in the database now (ASVS 7.4.1 and 8.3.2).
///
/// # Errors
/// Refuses an invalid token, and an expired one.
pub async fn authenticate(ctx: &Ctx, bearer: &str) -> Result<Caller> {
    let now = ctx.now();
    let invalid = Refusal::TokenInvalid { sent: true };
    let claims = ctx.vault.verify(bearer, now).map_err(|flaw| match flaw {
        vault::TokenFlaw::Invalid => invalid.clone(),
        vault::TokenFlaw::Expired => Refusal::TokenExpired,
    })?;
    let user_id = read_id::<UserRow>("user", &claims.sub).ok_or_else(|| invalid.clone())?;
    let session_id =
        read_id::<SessionRow>("session", &claims.sid).ok_or_else(|| invalid.clone())?;
    let settings = ctx.settings.clone();
    let found = ctx
        .read(move |tx| read(tx, &settings.policy, now, (user_id, session_id)))
        .await;
    let caller = match found {
        Err(Error::Refused(Refusal::TokenExpired)) => {
            // It has expired, so it is ended. It must not come alive again if the clock goes back.
            let ended = ctx.write(move |tx| sessions::end(tx, user_id, session_id, now));
            if let Err(error) = ended.await {
                tracing::warn!(?error, "an expired session could not be ended");
            }
            return Err(Refusal::TokenExpired.into());
        }
        found => found?,
    };
    Ok(record_use(ctx, caller, now).await)
}

/// Stores that the session was used now.
async fn record_use(ctx: &Ctx, caller: Caller, now: Time) -> Caller {
    let (user_id, session_id) = (caller.user.id, caller.session.id);
    if caller.session.last_used_at.is_to_come(now) {
        let session = caller.session.without_proof(now);
        let kept = session.clone();
        if let Err(error) = ctx.write(move |tx| sessions::lift(tx, &kept)).await {
            // The caller of this request has no proof in any case. Reading still works when writing does not.
            tracing::warn!(?error, "a proof from the future could not be removed");
        }
        return Caller { session, ..caller };
    }
    if caller.session.last_used_at.plus_seconds(TOUCH_SECONDS) <= now {
        let touched = ctx
            .write(move |tx| sessions::touch(tx, user_id, session_id, now))
            .await;
        if let Err(error) = touched {
            // The session only seems idle a little longer. Reading still works when writing does not.
            tracing::warn!(?error, "the last use of a session could not be stored");
        }
    }
    caller
}

fn read_id<K>(kind: &str, text: &str) -> Option<Id<K>> {
    let uuid = text.strip_prefix(kind)?.strip_prefix('-')?;
    Uuid::try_parse(uuid).ok().map(Id::new)
}
