//! The way back from a changed address: the link in the mail to the old one restores it, and opens nothing.

use crate::app::Ctx;
use crate::flow::email_change::end_what_waits;
use crate::flow::{Act, password};
use crate::model::audit::Event;
use crate::model::email_change::EmailUndo;
use crate::model::factor::FactorAttempts;
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Error, Refusal, Result, Secret, UserId};
use crate::store::{Tx, email_undos, factors, users};
use crate::vault;

/// The mailed link.
pub struct Undo {
    /// The link's token.
    pub token: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Restores the address that the link was mailed to, and ends all sessions. It begins no session and removes no
/// method, so sign-in asks for what it asked for before. A disabled account stays disabled.
///
/// # Errors
/// Refuses a link that is unknown, used or expired, and one of a change that an earlier undo has taken back.
pub async fn undo(ctx: &Ctx, command: Undo) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let reference = Reference::parse_pasted(ReferenceKind::EmailUndo, command.token.expose())
        .ok_or(Refusal::UndoTokenInvalid)?;
    // Only a link that is good costs a write.
    let seen = {
        let (act, reference) = (act.clone(), reference.clone());
        ctx.read(move |tx| admit(tx, &act, &reference)).await
    };
    end_over(ctx, &act, &reference, seen)
        .await
        .map(|_alive| ())?;
    ctx.write(move |tx| {
        users::lock(tx, reference.user())?;
        let undo = admit(tx, &act, &reference)?;
        restore(tx, &act, &undo)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Returns the change that a link can undo.
fn admit(tx: &mut Tx, act: &Act, reference: &Reference) -> Result<EmailUndo> {
    let digest = vault::digest(reference.secret.expose());
    let undo = email_undos::find(tx, reference.user(), reference.row())?
        .filter(|undo| vault::same(&digest, &undo.secret_hash))
        .ok_or(Refusal::UndoTokenInvalid)?;
    undo.judge(act.now)?;
    Ok(undo)
}

/// Uses the link up, and restores the address of a user whose row is locked.
fn restore(tx: &mut Tx, act: &Act, undo: &EmailUndo) -> Result<()> {
    let user = users::find(tx, undo.user_id)?.ok_or(Refusal::UndoTokenInvalid)?;
    if !email_undos::spend(tx, undo, act.now)? {
        return Err(Refusal::UndoTokenInvalid.into());
    }
    // The user may have changed back by a further change. Only a server of the version before gives a kept address
    // to somebody else.
    let there = user.email == undo.old_address;
    if !there && !users::set_email(tx, &user, &undo.old_address, act.now)? {
        return Err(Refusal::UndoTokenInvalid.into());
    }
    email_undos::end_later(tx, undo, act.now)?;
    end_what_waits(tx, act, user.id, None)?;
    let locked = lock_codes_by_mail(tx, act, undo)?;
    act.audit(tx, user.id, Event::EmailRestored, None)?;
    tell(tx, act, &user, undo, locked)
}

/// Locks codes by mail if they were turned on after the change. The restored mailbox never proved them, so the undo
/// would get whoever reads it past the second step. They stay on, and another method or a recovery code unlocks them.
/// Returns whether they were turned on so late.
fn lock_codes_by_mail(tx: &mut Tx, act: &Act, undo: &EmailUndo) -> Result<bool> {
    let (user, kind) = (undo.user_id, FactorKind::Email);
    let late = factors::of_user(tx, user)?.into_iter().any(|factor| {
        let proved = factor.enabled_at.unwrap_or(factor.created_at);
        factor.kind == kind && factor.state != FactorState::Pending && proved >= undo.created_at
    });
    if !late {
        return Ok(false);
    }
    loop {
        let before = factors::attempts(tx, user, kind)?;
        let after = FactorAttempts {
            failures: before.failures.max(act.policy().hard_limit.cast_signed()),
            ..before
        };
        if after == before || factors::reserve(tx, &before, &after)? {
            act.audit(tx, user, Event::FactorLocked, Some(kind.as_str()))?;
            return Ok(true);
        }
    }
}

/// Tells both mailboxes. No limit of notices holds these mails back, as there is one undo for each change.
fn tell(tx: &mut Tx, act: &Act, user: &User, undo: &EmailUndo, locked: bool) -> Result<()> {
    let keys = password::keys_left(tx, act, user.id)?;
    let seconds = act.policy().notice_seconds;
    let restored = Message::EmailRestored { locked, keys };
    act.post(tx, user.id, &undo.old_address, restored, seconds)?;
    match user.email == undo.old_address {
        true => Ok(()),
        false => act.post(tx, user.id, &user.email, Message::EmailRemoved, seconds),
    }
}

/// Ends a link that was found to be expired, so that it stays expired if the clock goes back.
async fn end_over<T>(ctx: &Ctx, act: &Act, reference: &Reference, found: Result<T>) -> Result<T> {
    if let Err(Error::Refused(Refusal::UndoTokenExpired)) = found {
        let (user, id, now): (UserId, _, _) = (reference.user(), reference.row(), act.now);
        let ended = ctx.write(move |tx| email_undos::end_over(tx, user, id, now));
        if let Err(error) = ended.await {
            // The caller gets the refusal in any case.
            tracing::warn!(
                ?error,
                "a link for an old address that is over was not ended"
            );
        }
    }
    found
}
