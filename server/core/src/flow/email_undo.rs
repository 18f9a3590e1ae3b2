//! The way back from a changed address: the link in the mail to the old one restores it, and opens nothing.

use crate::app::Ctx;
use crate::flow::{Act, password};
use crate::model::audit::Event;
use crate::model::email_change::EmailUndo;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{AnswerKind, CodeSetKind, FactorKind, FactorState};
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Error, Fault, Refusal, Result, Secret, UserId};
use crate::store::{Tx, code_sets, email_undos, factors, users};
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
    // The user may have changed back by a further change. Only a server of the version before gives a kept address
    // to somebody else.
    let there = user.email == undo.old_address;
    if !there && !users::set_email(tx, &user, &undo.old_address, act.now)? {
        return Err(Refusal::UndoTokenInvalid.into());
    }
    // A refusal above leaves the link as it is. Here it has just been found to be good, and the user's row is locked.
    if !email_undos::spend(tx, undo, act.now)? {
        return Err(Fault::bug(anyhow::anyhow!("a good link could not be used up")).into());
    }
    email_undos::end_later(tx, undo, act.now)?;
    password::end_what_waits(tx, act, user.id, None)?;
    let factors = factors::of_user(tx, user.id)?;
    let late = added_since(tx, undo, &factors)?;
    let codes = stop_codes_by_mail(tx, act, undo, &factors)?;
    act.audit(tx, user.id, Event::EmailRestored, None)?;
    tell(tx, act, &user, undo, late, codes)
}

/// Returns what was turned on or made since the change, in words: the old mailbox was told of none of it.
fn added_since(tx: &mut Tx, undo: &EmailUndo, factors: &[Factor]) -> Result<String> {
    let late = |factor: &&Factor| {
        let other = factor.kind != FactorKind::Email && factor.state == FactorState::On;
        other && is_late(factor, undo)
    };
    let mut words: Vec<&str> = factors
        .iter()
        .filter(late)
        .map(|factor| factor.kind.as_str())
        .collect();
    words.dedup();
    let codes = code_sets::live(tx, undo.user_id, CodeSetKind::Recovery)?;
    if codes.is_some_and(|set| set.created_at >= undo.created_at) {
        words.push(AnswerKind::CodeSet(CodeSetKind::Recovery).as_str());
    }
    Ok(words.join(","))
}

/// Whether a method was proved after the change.
fn is_late(factor: &Factor, undo: &EmailUndo) -> bool {
    factor.enabled_at.unwrap_or(factor.created_at) >= undo.created_at
}

/// What became of codes by mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CodesByMail {
    /// They are as they were.
    Kept,
    /// They are off, and the other methods are asked for.
    Paused,
    /// They are on and locked, since the password alone would open the account if they were off.
    Locked,
}

/// Stops codes by mail if they were turned on after the change. The restored mailbox never proved them, so the undo
/// would get whoever reads it past the second step. If another method is on, they are turned off, and go on again
/// with fresh proof only. Otherwise they stay on and are locked, until a recovery code or the operator unlocks them.
fn stop_codes_by_mail(
    tx: &mut Tx,
    act: &Act,
    undo: &EmailUndo,
    factors: &[Factor],
) -> Result<CodesByMail> {
    let (user, kind) = (undo.user_id, FactorKind::Email);
    let late = factors.iter().find(|factor| {
        factor.kind == kind && factor.state != FactorState::Pending && is_late(factor, undo)
    });
    let Some(late) = late else {
        return Ok(CodesByMail::Kept);
    };
    let on = |factor: &Factor| factor.kind != kind && factor.state == FactorState::On;
    if factors.iter().any(on) {
        factors::set_state(tx, user, late.id, FactorState::Ready, act.now)?;
        act.audit(tx, user, Event::FactorPaused, Some(kind.as_str()))?;
        return Ok(CodesByMail::Paused);
    }
    loop {
        let before = factors::attempts(tx, user, kind)?;
        let after = FactorAttempts {
            failures: before.failures.max(act.policy().hard_limit.cast_signed()),
            ..before
        };
        if after == before || factors::reserve(tx, &before, &after)? {
            act.audit(tx, user, Event::FactorLocked, Some(kind.as_str()))?;
            return Ok(CodesByMail::Locked);
        }
    }
}

/// Tells both mailboxes. No limit of notices holds these mails back, as there is one undo for each change.
fn tell(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    undo: &EmailUndo,
    methods: String,
    codes: CodesByMail,
) -> Result<()> {
    let keys = password::keys_left(tx, act, user.id)?;
    let seconds = act.policy().notice_seconds;
    let restored = Message::EmailRestored {
        locked: codes == CodesByMail::Locked,
        paused: codes == CodesByMail::Paused,
        methods,
        keys,
    };
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
