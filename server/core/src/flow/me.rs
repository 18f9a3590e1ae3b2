//! What users do with their own accounts: change the password, see and end sessions, read what happened.

use crate::app::Ctx;
use crate::flow::session::view_of;
use crate::flow::{Act, fresh, password};
use crate::model::audit::Event;
use crate::model::notice::Message;
use crate::model::session::{Caller, Session};
use crate::model::source::Source;
use crate::model::{AuditId, Error, Refusal, Result, Secret, SessionId};
use crate::outcome::{Activity, OpenSession, Page};
use crate::store::{audit, sessions};

/// The old password and the new one.
pub struct ChangePassword {
    /// The signed-in user.
    pub caller: Caller,
    /// The password that counts now, as typed.
    pub old: Secret<String>,
    /// The new one.
    pub new: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Changes the password of the caller's own account. Their session stays, all others end.
///
/// # Errors
/// Refuses a session without fresh proof, a wrong old password, and a new one that may not be set.
pub async fn change_password(ctx: &Ctx, command: ChangePassword) -> Result<()> {
    let ChangePassword {
        caller,
        old,
        new,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    // While no method is on, the old password is the proof.
    if caller.factor_on() {
        fresh::judge(&act, &caller)?;
    }
    let named = |error: Error| password::under("newPassword", error);
    password::judge_length(ctx, &new).map_err(named)?;
    let user = caller.user.clone();
    let words = password::own_words(&user.email, &[&user.first_name, &user.last_name]);
    password::judge_new(ctx, &act, &new, words)
        .await
        .map_err(named)?;
    let hasher = ctx.hasher.of(act.source);
    let hash = hasher.hash(new, ctx.chance.salt()).await?;
    password::confirmed(ctx, &act, &user, old, move |tx, act| {
        let caller = fresh::hold(tx, act, &caller)?;
        if caller.factor_on() {
            fresh::judge(act, &caller)?;
        }
        password::replace(tx, act, caller.user.id, &hash, Some(caller.session.id))?;
        fresh::keep_password(tx, act, &caller)?;
        act.audit(tx, caller.user.id, Event::PasswordSet, None)?;
        act.notify(tx, &caller.user, Message::PasswordSet)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Returns a page of the caller's open sessions, newest first.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn list_sessions(
    ctx: &Ctx,
    caller: Caller,
    limit: i64,
    offset: i64,
) -> Result<Page<OpenSession>> {
    let act = Act::begin(ctx, Source::Console);
    let (user_id, own) = (caller.user.id, caller.session.id);
    let idle = i64::from(act.policy().session_idle_seconds);
    let (page, total) = ctx
        .read(move |tx| {
            let idle_since = act.now.plus_seconds(-idle);
            sessions::open(tx, user_id, act.now, idle_since, (limit, offset))
        })
        .await?;
    let shown = |session: Session| OpenSession {
        view: view_of(&session),
        current: session.id == own,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        source: session.source,
        program: session.program,
    };
    Ok(Page {
        items: page.into_iter().map(shown).collect(),
        total,
    })
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// Refuses an id that none of their open sessions has.
pub async fn end_session(ctx: &Ctx, caller: Caller, id: SessionId, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let user_id = caller.user.id;
        let found = sessions::find(tx, user_id, id)?;
        let open = found.is_some_and(|one| one.judge(act.policy(), act.now).is_ok());
        if !open || !sessions::end(tx, user_id, id, act.now)? {
            return Err(Refusal::SessionNotFound.into());
        }
        let other = (id != caller.session.id).then_some("by another session");
        act.audit(tx, user_id, Event::SignedOut, other)
    })
    .await
}

/// Ends all of the caller's sessions but their own.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn end_other_sessions(ctx: &Ctx, caller: Caller, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let (user_id, own) = (caller.user.id, caller.session.id);
        sessions::end_others(tx, user_id, Some(own), act.now)?;
        act.audit(tx, user_id, Event::SessionsEnded, None)
    })
    .await
}

/// Returns what happened to the caller's account, newest first, or the part of it before `before`.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn activity(
    ctx: &Ctx,
    caller: Caller,
    limit: usize,
    before: Option<AuditId>,
) -> Result<Activity> {
    let user_id = caller.user.id;
    // One more tells whether there is a further page.
    let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut events = ctx
        .read(move |tx| audit::page(tx, user_id, before, asked))
        .await?;
    let further = events.len() > limit;
    events.truncate(limit);
    Ok(Activity {
        next: events.last().map(|event| event.id).filter(|_| further),
        events,
    })
}
