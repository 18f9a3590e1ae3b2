//! A forgotten password: a mail proves the mailbox, and a second step follows as at sign-in, before anything
//! changes.

use crate::app::Ctx;
use crate::factor::{Code, sent_code};
use crate::flow::act::{DAY, HOUR, network};
use crate::flow::challenge;
use crate::flow::login::SecondStepSupport;
use crate::flow::{Act, MailCause, password};
use crate::model::audit::Event;
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::source::Source;
use crate::model::user::{PasswordHash, PasswordReset, User, address_as_typed, judge_address};
use crate::model::{Error, Refusal, ResetId, Result, Secret, UserId};
use crate::outcome::ResetResult;
use crate::store::limits::{self, Limit};
use crate::store::{Tx, factors, password_resets, users};
use crate::vault;

mod change;
mod prove;

use change::Change;
pub use prove::{Verify, verify};

/// How long the link and the code work.
const SECONDS: u32 = 900;
/// Such mails to one address per hour.
const MAILS: Limit = Limit {
    name: "password_resets",
    most: 3,
    window_seconds: HOUR,
};
/// The name of the limit of wrong codes of a network, in an hour.
const GUESSES: &str = "reset_codes_of_network";
/// Days that wrong codes for one address are counted.
const COUNTED_DAYS: u32 = 30;

/// Whose password was forgotten.
pub struct Forgot {
    /// The address, as typed.
    pub email: String,
    /// The address that the call came from.
    pub source: Source,
}

/// What a mail needs from outside its write.
#[derive(Clone)]
struct NewMail {
    id: ResetId,
    secret: Secret<[u8; 32]>,
    code: Secret<String>,
    nothing: Secret<[u8; 32]>,
}

/// Mails a link and a code for a new password, with the same work and the same answer for a known and an
/// unknown address.
///
/// # Errors
/// Refuses a text that cannot be an address, and a network past `mail_calls_per_source`.
pub async fn forgot(ctx: &Ctx, command: Forgot) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let address = judge_address(&command.email)?;
    let drawn = NewMail {
        id: ctx.chance.id(act.now),
        secret: ctx.chance.secret(),
        code: ctx.chance.code(act.policy().code_digits),
        nothing: ctx.chance.secret(),
    };
    ctx.write(move |tx| mail(tx, &act, &address, &drawn))
        .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Stores the mail and queues it. An unknown address gets a mail that says so, and no code is right for it:
/// each statement runs for both.
fn mail(tx: &mut Tx, act: &Act, address: &str, drawn: &NewMail) -> Result<()> {
    let subject = subject(tx, act, address)?;
    act.count_mail_call(tx, subject, MailCause::Reset)?;
    if !act.take_mail_to(tx, address, MAILS, MailCause::Reset)? {
        // The last mail still works, and the answer is the same.
        return act.audit(tx, subject, Event::Limited, Some("password reset mails"));
    }
    // A user who is being deleted must not get a new row.
    users::lock(tx, subject)?;
    // The address may have been given up while this waited for the lock.
    let known = users::find(tx, subject)?
        .is_some_and(|user| user.active() && user.mailbox && user.email == address);
    let right = sent_code::hash(&act.vault, drawn.id.as_bytes(), &drawn.code);
    let token =
        Reference::new(subject, drawn.id, drawn.secret.clone()).print(ReferenceKind::PasswordReset);
    let message = match known {
        true => Message::ResetCode {
            code: drawn.code.expose().clone(),
            minutes: SECONDS / 60,
            // The token is in the fragment, which browsers do not send and logs do not contain.
            link: format!(
                "{}/reset-password#{}",
                act.settings.public_url,
                token.expose()
            ),
        },
        false => Message::ResetUnknown,
    };
    let reset = PasswordReset {
        user_id: subject,
        id: drawn.id,
        secret_hash: vault::digest(drawn.secret.expose()).to_vec(),
        code_hash: match known {
            true => right,
            false => drawn.nothing.expose().to_vec(),
        },
        attempts: 0,
        created_at: act.now,
        expires_at: act.now.plus_seconds(i64::from(SECONDS)),
        consumed_at: None,
    };
    password_resets::put(tx, &reset)?;
    act.audit(tx, subject, Event::PasswordResetBegun, None)?;
    act.post(tx, subject, address, message, SECONDS)
}

/// Returns the user of an address, or the id made from an unknown one.
fn subject(tx: &mut Tx, act: &Act, address: &str) -> Result<UserId> {
    let stranger = act.stranger(address);
    Ok(users::id_of(tx, address)?.unwrap_or(stranger))
}

/// A new password, and what proves the mailbox: the link, or the code and its address.
pub struct Reset {
    /// The token of the mailed link.
    pub token: Option<Secret<String>>,
    /// The address that the code was mailed to, as typed.
    pub email: Option<String>,
    /// The mailed code, as typed.
    pub code: Option<Secret<String>>,
    /// The new password.
    pub password: Secret<String>,
    /// What the API supports of a second step; `None` if it can ask for none.
    pub second_step: Option<SecondStepSupport>,
    /// The address that the call came from.
    pub source: Source,
}

/// Uses the mail up, and changes the password, or opens a challenge if sign-in asks for a second step.
///
/// # Errors
/// Refuses a link or a code that is unknown, wrong, used or expired, and a password that may not be set. Refuses an
/// account with a second factor if the API can ask for none.
pub async fn reset(ctx: &Ctx, command: Reset) -> Result<ResetResult> {
    let act = Act::begin(ctx, command.source);
    password::judge_length(ctx, &command.password)?;
    let by = By::of(command.token, command.email, command.code)?;
    let (mail, user) = admit(ctx, &act, by).await?;
    let words = password::own_words(&user.email, &[&user.first_name, &user.last_name]);
    if command.second_step.is_none() {
        // Before anything slow is done, which one link would otherwise buy again and again.
        let of_call = act.clone();
        ctx.write(move |tx| {
            let factors = factors::of_user(tx, user.id)?;
            change::demanded(tx, &of_call, &user, &factors, None)
        })
        .await?;
    }
    let hash = password::hash_new(ctx, &act, command.password, words).await?;
    let change = Change {
        draft: challenge::Draft::new(ctx, &act),
        act,
        mail,
        hash,
        second_step: command.second_step,
    };
    let done = ctx.write(move |tx| change.write(tx)).await?;
    ctx.nudge_courier();
    Ok(done)
}

/// A new password by the mailed link, for an API that can ask for no second step.
pub struct ResetByLink {
    /// The token of the mailed link.
    pub token: Secret<String>,
    /// The new password.
    pub new_password: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Uses the mail up and changes the password.
///
/// # Errors
/// Refuses as [`reset`] does, and an account with a second factor.
pub async fn reset_by_link(ctx: &Ctx, command: ResetByLink) -> Result<()> {
    let command = Reset {
        token: Some(command.token),
        email: None,
        code: None,
        password: command.new_password,
        second_step: None,
        source: command.source,
    };
    let done = reset(ctx, command).await;
    done.map_err(|error| password::under("newPassword", error))?;
    Ok(())
}

/// What proves the mailbox.
enum By {
    Link(Secret<String>),
    Code { email: String, code: Secret<String> },
}

impl By {
    fn of(
        token: Option<Secret<String>>,
        email: Option<String>,
        code: Option<Secret<String>>,
    ) -> Result<Self> {
        let (field, sentence) = match (token, email, code) {
            (Some(token), _, _) => return Ok(Self::Link(token)),
            (None, Some(email), Some(code)) => return Ok(Self::Code { email, code }),
            (None, None, Some(_)) => ("email", "Send the address that the code was mailed to."),
            (None, _, None) => (
                "token",
                "Send the token of the mailed link, or email and code.",
            ),
        };
        Err(Refusal::field(field, sentence).into())
    }
}

/// Finds the mail that a link or a code belongs to, and its user. A wrong code costs a try. Nothing is used
/// up, and nothing slow is done before.
async fn admit(ctx: &Ctx, act: &Act, by: By) -> Result<(PasswordReset, User)> {
    let of_call = act.clone();
    match by {
        By::Link(token) => {
            let reference = Reference::parse_pasted(ReferenceKind::PasswordReset, token.expose())
                .ok_or(Refusal::ResetTokenInvalid)?;
            let subject = reference.user();
            let found = ctx.read(move |tx| by_link(tx, &of_call, &reference)).await;
            end_over(ctx, act, subject, found).await
        }
        By::Code { email, code } => {
            let (address, code) = (address_as_typed(&email), Code::typed(&code));
            let subject = ctx.read(move |tx| subject(tx, &of_call, &address)).await?;
            let of_call = act.clone();
            let found = ctx
                .write(move |tx| by_code(tx, &of_call, subject, &code))
                .await;
            end_over(ctx, act, subject, found).await
        }
    }
}

fn by_link(tx: &mut Tx, act: &Act, reference: &Reference) -> Result<(PasswordReset, User)> {
    let digest = vault::digest(reference.secret.expose());
    let mail = password_resets::find(tx, reference.user())?
        .filter(|mail| mail.id == reference.row() && vault::same(&digest, &mail.secret_hash))
        .ok_or(Refusal::ResetTokenInvalid)?;
    mail.judge(act.now)?;
    let user = standing(tx, mail.user_id)?;
    Ok((mail, user))
}

fn by_code(tx: &mut Tx, act: &Act, subject: UserId, code: &Code) -> Result<(PasswordReset, User)> {
    let mail = password_resets::find(tx, subject)?.ok_or(Refusal::ResetTokenInvalid)?;
    mail.judge(act.now)?;
    let of_network = take_of_network(tx, act)?;
    let tries = act.policy().tries_per_challenge;
    let Some(taken) = password_resets::reserve(tx, &mail, tries, act.now)? else {
        give_back_to_network(tx, of_network)?;
        // A new mail has new tries at once.
        let refusal = Refusal::TooManyResetAttempts { retry_after: 1 };
        return act.refuse_limited(tx, subject, refusal);
    };
    let (key, counted) = counted(act, subject);
    if let Some(retry_after) = limits::take(tx, &key, counted, act.now)? {
        give_back_to_network(tx, of_network)?;
        let refusal = Refusal::TooManyResetAttempts { retry_after };
        return act.refuse_limited(tx, subject, refusal);
    }
    if !sent_code::fits(&act.vault, mail.id.as_bytes(), &mail.code_hash, code) {
        act.audit(tx, subject, Event::PasswordResetCodeWrong, None)?;
        let attempts_remaining = tries.saturating_sub(taken.unsigned_abs());
        return Err(Refusal::InvalidResetCode { attempts_remaining }.into());
    }
    // The password may be refused and the code be sent again.
    password_resets::give_back(tx, &mail)?;
    limits::delete(tx, &key, counted.name)?;
    give_back_to_network(tx, of_network)?;
    let user = standing(tx, mail.user_id)?;
    Ok((mail, user))
}

/// Takes a guess of the network, over all addresses: whoever guesses at many needs only one right code. Returns
/// the key to give it back by; `None` for a caller that limits by network do not count.
///
/// # Errors
/// Refuses if the network has none left in this hour. The links go on working.
fn take_of_network(tx: &mut Tx, act: &Act) -> Result<Option<[u8; 32]>> {
    if !act.counts() {
        return Ok(None);
    }
    let key = act
        .vault
        .keyed_hash("reset codes source", &[&network(act.source)]);
    let limit = Limit {
        name: GUESSES,
        most: act.policy().mail_calls_per_source,
        window_seconds: HOUR,
    };
    match limits::take(tx, &key, limit, act.now)? {
        None => Ok(Some(key)),
        Some(retry_after) => {
            let refusal = Refusal::TooManyResetAttempts { retry_after };
            act.refuse_limited(tx, act.of_network(), refusal)
        }
    }
}

/// Gives back a guess that was right, or not compared.
fn give_back_to_network(tx: &mut Tx, of_network: Option<[u8; 32]>) -> Result<()> {
    match of_network {
        Some(network) => limits::give_back(tx, &network, GUESSES),
        None => Ok(()),
    }
}

/// Returns the count of wrong codes for an address over all its mails. Each new mail brings new tries, so
/// without it one could guess for ever. The links are no guess, and go on working.
fn counted(act: &Act, subject: UserId) -> ([u8; 32], Limit) {
    let key = act.vault.keyed_hash("reset codes", &[subject.as_bytes()]);
    let limit = Limit {
        name: "reset_codes",
        most: act.policy().hard_limit,
        window_seconds: COUNTED_DAYS * DAY,
    };
    (key, limit)
}

/// Ends a mail that was found to be expired, so that it stays expired if the clock goes back.
async fn end_over<T>(ctx: &Ctx, act: &Act, subject: UserId, found: Result<T>) -> Result<T> {
    if let Err(Error::Refused(Refusal::ResetTokenExpired)) = found {
        let now = act.now;
        let ended = ctx.write(move |tx| password_resets::end_over(tx, subject, now));
        if let Err(error) = ended.await {
            // The caller gets the refusal in any case.
            tracing::warn!(
                ?error,
                "an expired mail for a new password could not be ended"
            );
        }
    }
    found
}

/// Returns the user of a mail, if the account can still be used.
fn standing(tx: &mut Tx, id: UserId) -> Result<User> {
    let user = users::find(tx, id)?.filter(User::active);
    Ok(user.ok_or(Refusal::ResetTokenInvalid)?)
}

/// Does the same, and locks the account until the write ends. So a method that is being turned on, or a
/// sign-in with the old password, comes before or after this, not between.
fn hold(tx: &mut Tx, id: UserId) -> Result<User> {
    users::lock(tx, id)?;
    standing(tx, id)
}

/// Replaces the password, ends all sessions, and tells the owner. The methods stay as they are.
fn change(tx: &mut Tx, act: &Act, user: &User, hash: &PasswordHash) -> Result<()> {
    password::replace(tx, act, user.id, hash, None)?;
    // The owner, who forgot the old one, may have to wait because of wrong ones.
    let typed = password::address_hash(&act.vault, &address_as_typed(&user.email));
    limits::reset_password_of_address(tx, &typed)?;
    act.audit(tx, user.id, Event::PasswordReset, None)?;
    let keys = password::keys_left(tx, act, user.id)?;
    act.notify(tx, user, Message::PasswordReset { keys })
}
