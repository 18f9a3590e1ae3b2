//! Codes that confirm a named act: sent to the user's own proved channel, good in the session that asked
//! for them and for that act alone (App. B).

use crate::app::Ctx;
use crate::flow::challenge::{self, Opening, Seen, phone_on};
use crate::flow::settle::{Answer, Attempt, Settled, Terms, settle};
use crate::flow::{Act, fresh, sms};
use crate::model::audit::Event;
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Result, Secret};
use crate::store::{Tx, challenges};

/// An act that is to be confirmed.
pub struct Send {
    /// Who asks.
    pub caller: Caller,
    /// The act, as the API names it.
    pub action: &'static str,
    /// Where it came from.
    pub source: Source,
}

/// Sends a code for an act: by SMS to the phone on file, else by mail. An older code that this session
/// asked for, for the same act, stops working.
///
/// # Errors
/// Refuses a user without any channel, and past the limits of code mails, of the source and of text messages.
pub async fn send(ctx: &Ctx, command: Send) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let draft = challenge::Draft::new(ctx, &act);
    let (caller, action) = (command.caller, command.action);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let user = &caller.user;
        let phone = phone_on(&caller.factors).filter(|number| sms::can_send(&act, Some(number)));
        let kind = match (&phone, user.mailbox) {
            (Some(_), _) => FactorKind::Sms,
            (None, true) => FactorKind::Email,
            (None, false) => return Err(Refusal::MfaMethodUnavailable.into()),
        };
        for old in challenges::live(tx, user.id, act.now)? {
            let own = old.session_id == Some(caller.session.id);
            if own && old.purpose == Purpose::Action && old.action.as_deref() == Some(action) {
                challenges::spend(tx, user.id, old.id, act.now)?;
            }
        }
        let opening = Opening {
            session_id: Some(caller.session.id),
            phone,
            action: Some(action.to_owned()),
            ..Opening::new(Purpose::Action, kind, act.policy().challenge_seconds)
        };
        draft.open(tx, &act, user, &opening)?;
        act.audit(tx, user.id, Event::ChallengeBegun, Some(action))
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// The code of an act.
pub struct Check {
    /// Who asks.
    pub caller: Caller,
    /// The act, as the API names it.
    pub action: &'static str,
    /// The code as typed.
    pub code: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// Judges the code that was last sent to this session for this act, and uses it up.
///
/// # Errors
/// Refuses where none is waiting, a wrong code, and one try too many.
pub async fn check(ctx: &Ctx, command: Check) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let action = command.action;
    let fits =
        move |one: &crate::model::challenge::Challenge| one.action.as_deref() == Some(action);
    let found = challenge::look_by_session(ctx, &act, &command.caller, Purpose::Action, fits).await;
    let seen = found.map_err(|error| match error {
        Error::Refused(Refusal::MfaMethodNotConfigured) => Refusal::MfaTokenInvalid.into(),
        error => error,
    })?;
    seen.judge_tries(&act)?;
    // A code by SMS counts while its phone stands; the mailbox stands as long as the account.
    let candidates = seen
        .factors
        .iter()
        .filter(|factor| factor.kind == FactorKind::Sms && factor.state != FactorState::Pending)
        .filter(|factor| factor.kind == seen.challenge.kind)
        .cloned()
        .collect();
    let terms = Terms {
        recovery: false,
        scratch: false,
        tell_clock: false,
    };
    let attempt = Attempt {
        seen,
        answer: Answer::Code(command.code),
        terms,
        candidates,
    };
    let caller = command.caller;
    let before = move |tx: &mut Tx, act: &Act, _seen: &Seen| {
        fresh::hold(tx, act, &caller)?;
        Ok(())
    };
    let then = move |tx: &mut Tx, act: &Act, seen: &Seen, _settled: &Settled| {
        act.audit(tx, seen.user.id, Event::ActionConfirmed, Some(action))
    };
    let settled = settle(ctx, &act, attempt, before, then).await;
    // Right or wrong, a notice may have been queued.
    ctx.nudge_courier();
    settled
}
