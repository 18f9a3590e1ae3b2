//! The exchange of refresh tokens.

use crate::app::Ctx;
use crate::flow::session::{Draft, UnsignedSession};
use crate::flow::{Act, demand};
use crate::model::audit::Event;
use crate::model::ids::RefreshRow;
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::{Again, RefreshToken, Session};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{RefreshId, Refusal, Result, Secret, UserId};
use crate::outcome::SessionTokens;
use crate::store::{Tx, sessions, users};
use crate::vault;

/// Exchanges a refresh token. Each is good for one exchange. If it is sent again within
/// `refresh_reuse_seconds`, it gets the same successor once more. If it is sent later, its session ends,
/// since the token or its successor was stolen.
///
/// # Errors
/// Refuses an invalid, used or expired token.
pub async fn refresh(ctx: &Ctx, token: Secret<String>, source: Source) -> Result<SessionTokens> {
    let act = Act::begin(ctx, source);
    let draft = Draft::new(ctx, &act);
    let invalid = Refusal::TokenInvalid { sent: true };
    let reference = Reference::parse(ReferenceKind::Refresh, token.expose()).ok_or(invalid)?;
    let (draft, opened) = {
        let act = act.clone();
        ctx.write(move |tx| exchange(tx, &act, &draft, &reference))
            .await?
    };
    draft.sign(&act, &opened)
}

fn exchange(
    tx: &mut Tx,
    act: &Act,
    draft: &Draft,
    reference: &Reference,
) -> Result<(Draft, UnsignedSession)> {
    let invalid = || Refusal::TokenInvalid { sent: true };
    let user_id: UserId = reference.user();
    let id: RefreshId = reference.row::<RefreshRow>();
    // A user who is being deleted must not get a new row.
    users::lock(tx, user_id)?;
    let known = sessions::find_refresh(tx, user_id, id)?
        .filter(|kept| vault::same(&vault::digest(reference.secret.expose()), &kept.secret_hash))
        .ok_or_else(invalid)?;
    let session = sessions::find(tx, user_id, known.session_id)?.ok_or_else(invalid)?;
    let user = users::find(tx, user_id)?
        .filter(User::active)
        .ok_or_else(invalid)?;
    judge_open(tx, act, &session)?;
    let from = act.source.network().to_string();
    let next = draft.refresh_id;
    let draft = if sessions::replace_refresh(tx, &known, next, &from, act.now)? {
        let draft = draft.succeeding(act, reference, next);
        sessions::insert_refresh(tx, &draft.refresh_token(act, &session))?;
        draft
    } else {
        let next = again(tx, act, &user, &known, &from)?;
        draft.succeeding(act, reference, next)
    };
    sessions::touch(tx, user_id, session.id, act.now)?;
    let opened = UnsignedSession {
        demanded: demand::now(tx, &user)?,
        user,
        session,
    };
    Ok((draft, opened))
}

/// Checks that a session is open. An expired one is ended here, so that it stays over if the clock goes back.
fn judge_open(tx: &mut Tx, act: &Act, session: &Session) -> Result<()> {
    let judged = session.judge(act.policy(), act.now);
    if let Err(Refusal::TokenExpired) = judged {
        sessions::end(tx, session.user_id, session.id, act.now)?;
    }
    Ok(judged?)
}

/// Returns the id of the token that `known` was exchanged for, if it may be given once more.
fn again(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    known: &RefreshToken,
    from: &str,
) -> Result<RefreshId> {
    let invalid = || Refusal::TokenInvalid { sent: true };
    let successor = match known.successor_id {
        Some(next) => sessions::find_refresh(tx, user.id, next)?,
        None => None,
    };
    let window = act.policy().refresh_reuse_seconds;
    match known.judge_again(successor.as_ref(), from, window, act.now) {
        Again::Same if sessions::repeat_refresh(tx, known, act.now)? => {
            act.audit(tx, user.id, Event::RefreshRepeated, None)?;
            Ok(successor.map(|next| next.id).ok_or_else(invalid)?)
        }
        Again::Same | Again::Enough => Err(invalid().into()),
        Again::Reuse => {
            sessions::end(tx, user.id, known.session_id, act.now)?;
            act.audit(tx, user.id, Event::RefreshReused, None)?;
            act.notify(tx, user, Message::SessionEnded)?;
            Err(invalid().into())
        }
    }
}
