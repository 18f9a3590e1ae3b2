//! A new address for an account: nothing changes before a code from its mailbox was typed, and then the old address
//! gets a link that restores it.

use crate::app::Ctx;
use crate::factor::{Code, sent_code};
use crate::flow::act::HOUR;
use crate::flow::answer::in_session::{self, Count};
use crate::flow::{Act, MailCause, fresh, password};
use crate::model::audit::Event;
use crate::model::email_change::{EmailChange, EmailUndo};
use crate::model::kinds::FactorKind;
use crate::model::notice::{Message, masked};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::{User, judge_address};
use crate::model::{EmailChangeId, EmailUndoId, Error, Refusal, Result, Secret, Time, UserId};
use crate::outcome::Person;
use crate::store::limits::Limit;
use crate::store::{Tx, email_changes, email_undos, users};
use crate::vault;

/// How long the code works.
const SECONDS: u32 = 900;
/// How long a change can be undone.
const UNDO_SECONDS: u32 = 72 * HOUR;
/// Such mails to one address per hour.
const MAILS: Limit = Limit {
    name: "email_changes",
    most: 3,
    window_seconds: HOUR,
};

/// The address that the account is to have.
pub struct Begin {
    /// The signed-in user.
    pub caller: Caller,
    /// The new address, as typed.
    pub email: String,
    /// The password of the account, as typed.
    pub password: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// What a request needs from outside its write.
#[derive(Clone)]
struct DrawnValues {
    id: EmailChangeId,
    code: Secret<String>,
    nothing: Secret<[u8; 32]>,
}

/// Mails a code to the new address, with the same work and the same answer for a free and a taken one. Everything
/// stays as it is.
///
/// # Errors
/// Refuses a session without fresh proof where a method is on, an address that cannot be used or is the present one,
/// a wrong password, and an account or a network past its limits.
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<()> {
    let Begin {
        caller,
        email,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    fresh::judge_beside_password(&act, &caller)?;
    let address = judge_new_address(&caller.user, &email)?;
    let drawn = DrawnValues {
        id: ctx.chance.id(act.now),
        code: ctx.chance.code(act.policy().code_digits),
        nothing: ctx.chance.secret(),
    };
    let user = caller.user.clone();
    password::confirmed(ctx, &act, &user, password, move |tx, act| {
        let caller = fresh::proved_beside_password(tx, act, &caller)?;
        mail(tx, act, &caller, &address, &drawn)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Returns the canonical form of a new address.
fn judge_new_address(user: &User, typed: &str) -> Result<String> {
    let refuse = |sentence: &'static str| Err(Refusal::field("email", sentence).into());
    if !user.mailbox {
        return refuse("This account signs in with a name, so it has no address to change.");
    }
    let address = judge_address(typed)?;
    match address == user.email {
        true => refuse("This is the address of the account already."),
        false => Ok(address),
    }
}

/// Counts the request, and mails if the address has a mail left.
fn mail(tx: &mut Tx, act: &Act, caller: &Caller, address: &str, drawn: &DrawnValues) -> Result<()> {
    let user_id = caller.user.id;
    act.count_mail_call(tx, user_id, MailCause::NewAddress)?;
    act.count_new_address(tx, user_id)?;
    if !act.take_mail_to(tx, address, MAILS, MailCause::NewAddress)? {
        // The last mail to this address still works, and the answer is the same.
        email_changes::end_of_others(tx, user_id, address, act.now)?;
        return act.audit(tx, user_id, Event::Limited, Some("new address mails"));
    }
    remember(tx, act, caller, address, drawn)
}

/// Stores the request and queues its mail. A taken address gets a mail that says so, and no code is right for it: each
/// statement runs for both. Both letters have the same word, since users can read the words of their letters.
fn remember(
    tx: &mut Tx,
    act: &Act,
    caller: &Caller,
    address: &str,
    drawn: &DrawnValues,
) -> Result<()> {
    let user_id = caller.user.id;
    let taken = users::address_taken(tx, address, user_id, act.now)?;
    let right = sent_code::hash(&act.vault, drawn.id.as_bytes(), &drawn.code);
    let (code_hash, message) = match taken {
        true => (drawn.nothing.expose().to_vec(), Message::EmailChangeTaken),
        false => {
            let (code, minutes) = (drawn.code.expose().clone(), SECONDS / 60);
            (right, Message::EmailChangeCode { code, minutes })
        }
    };
    let change = EmailChange {
        user_id,
        id: drawn.id,
        session_id: caller.session.id,
        address: address.to_owned(),
        code_hash,
        attempts: 0,
        created_at: act.now,
        expires_at: act.now.plus_seconds(i64::from(SECONDS)),
        consumed_at: None,
    };
    email_changes::put(tx, &change)?;
    act.audit(tx, user_id, Event::EmailChangeBegun, None)?;
    act.post(tx, user_id, address, message, SECONDS)
}

/// The code from the mail to the new address.
pub struct Verify {
    /// The signed-in user, in the session that asked.
    pub caller: Caller,
    /// The code, as typed.
    pub code: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// What the link to the old address needs from outside the write.
#[derive(Clone)]
struct Link {
    id: EmailUndoId,
    secret: Secret<[u8; 32]>,
}

/// Judges the code, and gives the account its new address. The caller's session stays, all others end, as with a new
/// password (ASVS 7.4.3).
///
/// # Errors
/// Refuses a session that asked for no address, a request that is over, and a wrong code.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<Person> {
    let Verify {
        caller,
        code,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    let code = Code::typed(&code);
    let link = Link {
        id: ctx.chance.id(act.now),
        secret: ctx.chance.secret(),
    };
    let user_id = caller.user.id;
    let verified = {
        let act = act.clone();
        ctx.write(move |tx| {
            let mut caller = fresh::hold(tx, &act, &caller)?;
            let change = prove(tx, &act, &caller, &code)?;
            caller.user = replace(tx, &act, &caller, &change, &link)?;
            Ok(Person::of(&caller))
        })
        .await
    };
    // A mail may wait in any case: to the owner of a session that guessed too often.
    ctx.nudge_courier();
    end_over(ctx, act.now, user_id, verified).await
}

/// Takes a try, compares the code, and uses the request up.
fn prove(tx: &mut Tx, act: &Act, caller: &Caller, code: &Code) -> Result<EmailChange> {
    let user_id = caller.user.id;
    let session = caller.session.id;
    let change = email_changes::find(tx, user_id)?
        .filter(|change| change.session_id == session)
        .ok_or(Refusal::EmailChangeInvalid)?;
    change.judge(act.now)?;
    // If sign-in asks for a second factor since then, this session must have given it.
    let max_age = act.policy().fresh_for_factors_seconds;
    let (asked, begun) = (caller.factor_on(), change.created_at);
    if asked && !caller.session.proved_since(true, begun, max_age, act.now) {
        return Err(Refusal::EmailChangeInvalid.into());
    }
    let tries = act.policy().tries_per_challenge;
    let Some(taken) = email_changes::reserve(tx, &change, tries, act.now)? else {
        // A new request has new tries at once.
        let refusal = Refusal::TooManyEmailChangeAttempts { retry_after: 1 };
        return act.refuse_limited(tx, user_id, refusal);
    };
    let count = Count::of_new_address(session);
    in_session::take_try(tx, act, &count).map_err(|error| match error {
        Error::Refused(_) => Refusal::EmailChangeInvalid.into(),
        fault @ Error::Fault(_) => fault,
    })?;
    if !sent_code::fits(&act.vault, change.id.as_bytes(), &change.code_hash, code) {
        act.audit(tx, user_id, Event::EmailChangeCodeWrong, None)?;
        in_session::failed(&caller.user, tx, act, FactorKind::Email.into(), &count)?;
        let attempts_remaining = tries.saturating_sub(taken.unsigned_abs());
        return Err(Refusal::InvalidEmailChangeCode { attempts_remaining }.into());
    }
    in_session::begin_anew(tx, &count)?;
    match email_changes::spend(tx, &change, act.now)? {
        true => Ok(change),
        false => Err(Refusal::EmailChangeInvalid.into()),
    }
}

/// Gives the account its new address, ends what waits for the old one, and tells both mailboxes. Returns the user.
fn replace(
    tx: &mut Tx,
    act: &Act,
    caller: &Caller,
    change: &EmailChange,
    link: &Link,
) -> Result<User> {
    let before = &caller.user;
    // Somebody else may have proved this mailbox since the code was mailed.
    if !users::set_email(tx, before, &change.address, act.now)? {
        return Err(Refusal::EmailChangeInvalid.into());
    }
    let undo = EmailUndo {
        user_id: before.id,
        id: link.id,
        ordinal: email_undos::next_ordinal(tx, before.id)?,
        secret_hash: vault::digest(link.secret.expose()).to_vec(),
        old_address: before.email.clone(),
        new_address: change.address.clone(),
        created_at: act.now,
        expires_at: act.now.plus_seconds(i64::from(UNDO_SECONDS)),
        consumed_at: None,
    };
    email_undos::insert(tx, &undo)?;
    password::end_what_waits(tx, act, before.id, Some(caller.session.id))?;
    let told = masked(&change.address);
    act.audit(tx, before.id, Event::EmailChanged, Some(&told))?;
    tell_old(tx, act, &undo, link, told)?;
    let user = User {
        email: change.address.clone(),
        ..before.clone()
    };
    act.notify(tx, &user, Message::EmailSet)?;
    Ok(user)
}

/// Mails the link to the old address. No limit of notices holds this mail back, since whoever changed the address
/// could use that limit up before. There are few such mails, as requests are limited.
fn tell_old(tx: &mut Tx, act: &Act, undo: &EmailUndo, link: &Link, told: String) -> Result<()> {
    let token = Reference::new(undo.user_id, link.id, link.secret.clone());
    let message = Message::EmailChanged {
        to: told,
        // The token is in the fragment, which browsers do not send and logs do not contain.
        link: format!(
            "{}/undo-email#{}",
            act.settings.public_url,
            token.print(ReferenceKind::EmailUndo).expose()
        ),
        minutes: UNDO_SECONDS / 60,
    };
    act.post(tx, undo.user_id, &undo.old_address, message, UNDO_SECONDS)
}

/// Ends a request that was found to be expired, so that it stays expired if the clock goes back.
async fn end_over<T>(ctx: &Ctx, now: Time, user: UserId, found: Result<T>) -> Result<T> {
    if let Err(Error::Refused(Refusal::EmailChangeExpired)) = found {
        let ended = ctx.write(move |tx| email_changes::end_over(tx, user, now));
        if let Err(error) = ended.await {
            // The caller gets the refusal in any case.
            tracing::warn!(
                ?error,
                "a request for a new address that is over was not ended"
            );
        }
    }
    found
}
