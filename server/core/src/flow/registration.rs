//! Registration: an account is created only after a code or a link has proved its address.

use crate::app::Ctx;
use crate::factor::sent_code;
use crate::flow::{Act, MailCause, password};
use crate::model::audit::Event;
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::source::Source;
use crate::model::user::{Registration, judge_address};
use crate::model::{Refusal, Result, Secret, UserId};
use crate::outcome::NewRegistration;
use crate::store::limits::Limit;
use crate::store::{Tx, registrations, users};
use crate::vault;

mod prove;

pub use prove::{Prove, ProveByLink, check_link, prove, prove_by_link};

/// What the mail of a registration contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailContent {
    /// A code, for the client that has the registration's token.
    Code,
    /// A link, which proves the address without anything else.
    Link,
}

/// What a person registers with.
pub struct Register {
    /// The address, as typed.
    pub email: String,
    /// The password that the account will have.
    pub password: Secret<String>,
    /// Given name, if known.
    pub first_name: Option<String>,
    /// Family name, if known.
    pub last_name: Option<String>,
    /// The organisation that the account will found, if any.
    pub organisation: Option<String>,
    /// What proves the address.
    pub by: MailContent,
    /// Whether the API can say that the address has an account. It does so only if `registration_tells_taken`
    /// is set.
    pub tells: bool,
    /// The address that the call came from.
    pub source: Source,
}

/// Begins a registration, with the same work and the same answer for a known and an unknown address.
///
/// # Errors
/// Refuses a text that cannot be an address, a password that may not be set, and a network past
/// `mail_calls_per_source`. Refuses a taken address only if both the API and the
/// settings let the answer say so.
pub async fn register(ctx: &Ctx, command: Register) -> Result<NewRegistration> {
    let act = Act::begin(ctx, command.source);
    let address = judge_address(&command.email)?;
    {
        let act = act.clone();
        ctx.read(move |tx| act.judge_mail_call(tx, MailCause::Stranger))
            .await?;
    }
    let words = password::own_words(&address, &[&command.first_name, &command.last_name]);
    let password_hash = password::hash_new(ctx, &act, command.password, words).await?;
    let user_id: UserId = ctx.chance.id(act.now);
    let secret = ctx.chance.secret();
    let mailed = match command.by {
        MailContent::Code => DrawnContent::Code(ctx.chance.code(act.policy().code_digits)),
        MailContent::Link => DrawnContent::Link(ctx.chance.secret()),
    };
    let registration = Registration {
        user_id,
        secret_hash: vault::digest(secret.expose()).to_vec(),
        address,
        first_name: command.first_name,
        last_name: command.last_name,
        password_hash,
        code_hash: mailed.code_hash(&act, user_id),
        attempts: 0,
        created_at: act.now,
        expires_at: act.now.plus_seconds(i64::from(mailed.seconds(&act))),
        consumed_at: None,
        link_hash: mailed.link_hash(),
        organisation_name: command.organisation,
    };
    let tells = command.tells && act.settings.registration_tells_taken;
    let nothing = ctx.chance.secret();
    ctx.write(move |tx| {
        let nothing = nothing.expose();
        remember(tx, &act, &registration, &mailed, tells, nothing)
    })
    .await?;
    ctx.nudge_courier();
    Ok(NewRegistration {
        id: user_id,
        registration_token: Reference::new(user_id, user_id, secret)
            .print(ReferenceKind::Registration),
    })
}

/// What the mail will contain, drawn before the write.
#[derive(Clone)]
enum DrawnContent {
    Code(Secret<String>),
    Link(Secret<[u8; 32]>),
}

impl DrawnContent {
    fn code_hash(&self, act: &Act, id: UserId) -> Option<Vec<u8>> {
        match self {
            Self::Code(code) => Some(sent_code::hash(&act.vault, id.as_bytes(), code)),
            Self::Link(_) => None,
        }
    }

    fn link_hash(&self) -> Option<Vec<u8>> {
        match self {
            Self::Code(_) => None,
            Self::Link(secret) => Some(vault::digest(secret.expose()).to_vec()),
        }
    }

    /// Returns how long it works, in seconds.
    fn seconds(&self, act: &Act) -> u32 {
        match self {
            Self::Code(_) => act.policy().mail_code_seconds,
            Self::Link(_) => act.policy().address_link_seconds,
        }
    }

    fn message(&self, act: &Act, id: UserId, seconds: u32) -> Message {
        let minutes = seconds / 60;
        match self {
            Self::Code(code) => Message::RegistrationCode {
                code: code.expose().clone(),
                minutes,
            },
            Self::Link(secret) => {
                let token =
                    Reference::new(id, id, secret.clone()).print(ReferenceKind::RegistrationLink);
                let (here, token) = (&act.settings.public_url, token.expose());
                Message::RegistrationLink {
                    // The token is in the fragment, which browsers do not send and logs do not contain.
                    link: format!("{here}/verify-email#{token}"),
                    minutes,
                }
            }
        }
    }
}

/// Stores the registration, and queues its mail: the code or the link, or a notice that the address has an
/// account. In the latter case no code is right: `nothing` is stored in place of its hash.
fn remember(
    tx: &mut Tx,
    act: &Act,
    registration: &Registration,
    mailed: &DrawnContent,
    tells: bool,
    nothing: &[u8; 32],
) -> Result<()> {
    let id = registration.user_id;
    act.count_mail_call(tx, id, MailCause::Stranger)?;
    let taken = users::address_taken(tx, &registration.address, id, act.now)?;
    if taken && tells {
        return Err(Refusal::NameTaken.into());
    }
    let budget = budget(act);
    let sends = act.take_mail_to(tx, &registration.address, budget, MailCause::Stranger)?;
    let mut kept = registration.clone();
    if taken || !sends {
        // A code that was not sent must not be right, or it could be guessed without limit. The registration
        // keeps its kind of proof, whether the address is taken or not.
        kept.code_hash = kept.code_hash.map(|_| nothing.to_vec());
        kept.link_hash = None;
    }
    registrations::insert(tx, &kept)?;
    act.audit(tx, id, Event::RegistrationBegun, None)?;
    if !sends {
        // Strangers can cause these mails. Past their limit, the answer is the same, but nothing is sent.
        return act.audit(tx, id, Event::Limited, Some("registration mails"));
    }
    send(tx, act, &kept, mailed, taken)
}

/// Returns the limit of registration mails to one address.
fn budget(act: &Act) -> Limit {
    Limit {
        name: "registrations",
        most: act.policy().registration_mails_per_hour,
        window_seconds: 3600,
    }
}

/// Queues the mail of a registration: the proof, or the notice that the address has an account.
fn send(
    tx: &mut Tx,
    act: &Act,
    of: &Registration,
    mailed: &DrawnContent,
    taken: bool,
) -> Result<()> {
    let most = mailed.seconds(act);
    let seconds = of.expires_at.left_of(most, act.now);
    let message = match taken {
        true => Message::AlreadyRegistered,
        false => mailed.message(act, of.user_id, seconds),
    };
    act.post(tx, of.user_id, &of.address, message, seconds)
}

/// Mails a new link for a registration. The old one stops working. The answer is the same for an unknown id,
/// a registration that is over, and an address without mails left this hour, so it reveals nothing to whoever
/// has the id.
///
/// # Errors
/// Refuses a network past `mail_calls_per_source`.
pub async fn resend_link(ctx: &Ctx, id: UserId, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let mailed = DrawnContent::Link(ctx.chance.secret());
    ctx.write(move |tx| {
        act.count_mail_call(tx, id, MailCause::Stranger)?;
        let known = registrations::find(tx, id)?;
        // A registration with a mailed code continues with that code.
        let by_link = |one: &Registration| one.code_hash.is_none();
        let Some(standing) = known.filter(by_link) else {
            return Ok(());
        };
        if standing.judge(act.now).is_err() {
            // It has expired, so it is ended. It must stay expired if the clock goes back.
            return registrations::end_over(tx, id, act.now);
        }
        let budget = budget(&act);
        if !act.take_mail_to(tx, &standing.address, budget, MailCause::Stranger)? {
            return act.audit(tx, id, Event::Limited, Some("registration mails"));
        }
        let taken = users::address_taken(tx, &standing.address, id, act.now)?;
        let link_hash = mailed.link_hash().filter(|_| !taken);
        registrations::renew_link(tx, id, link_hash.as_deref())?;
        act.audit(tx, id, Event::CodeResent, None)?;
        send(tx, &act, &standing, &mailed, taken)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}
