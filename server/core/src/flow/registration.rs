//! Registration: an account is created only after a code or a link has proved its address.

use crate::app::Ctx;
use crate::factor::{Code, sent_code};
use crate::flow::{Act, MailOf, organisation, password, session};
use crate::model::audit::Event;
use crate::model::kinds::Role;
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::{PasswordHash, Registration, User, canonical_address};
use crate::model::{Error, OrganisationId, Refusal, Result, Secret, UserId};
use crate::outcome::{Registered, SignedIn};
use crate::store::limits::{self, Limit};
use crate::store::users::NewUser;
use crate::store::{Tx, registrations, users};
use crate::vault;

/// What the mail of a registration contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
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
    pub by: Carried,
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
pub async fn register(ctx: &Ctx, command: Register) -> Result<Registered> {
    let act = Act::begin(ctx, command.source);
    let address = canonical_address(&command.email).ok_or_else(|| {
        Refusal::field(
            "email",
            "This must be an e-mail address, such as alice@example.com.",
        )
    })?;
    {
        let act = act.clone();
        ctx.read(move |tx| act.judge_mail_call(tx, MailOf::Stranger))
            .await?;
    }
    let words = password::own_words(&address, &[&command.first_name, &command.last_name]);
    password::judge_new(ctx, &act, &command.password, words).await?;
    let hasher = ctx.hasher.of(act.source);
    let password_hash = hasher.hash(command.password, ctx.chance.salt()).await?;
    let user_id: UserId = ctx.chance.id(act.now);
    let secret = ctx.chance.secret();
    let mailed = match command.by {
        Carried::Code => Mailed::Code(ctx.chance.code(act.policy().code_digits)),
        Carried::Link => Mailed::Link(ctx.chance.secret()),
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
    Ok(Registered {
        id: user_id,
        registration_token: Reference::new(user_id, user_id, secret)
            .print(ReferenceKind::Registration),
    })
}

/// What the mail will contain, drawn before the write.
#[derive(Clone)]
enum Mailed {
    Code(Secret<String>),
    Link(Secret<[u8; 32]>),
}

impl Mailed {
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
    mailed: &Mailed,
    tells: bool,
    nothing: &[u8; 32],
) -> Result<()> {
    let id = registration.user_id;
    act.count_mail_call(tx, id, MailOf::Stranger)?;
    let taken = users::address_taken(tx, &registration.address, id, act.now)?;
    if taken && tells {
        return Err(Refusal::NameTaken.into());
    }
    let budget = budget(act);
    let sends = mail_is_left(tx, act, &registration.address, budget, MailOf::Stranger)?;
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

/// Takes one of an address's mails of this budget, and one of the server's mails. Returns `false` if the
/// address has none left.
///
/// # Errors
/// Refuses as busy if the server has none left. Nothing is counted for the address then, and nothing may be
/// written before it.
pub(super) fn mail_is_left(
    tx: &mut Tx,
    act: &Act,
    address: &str,
    budget: Limit,
    whose: MailOf,
) -> Result<bool> {
    let subject = act.vault.keyed_hash("mail address", &[address.as_bytes()]);
    if limits::wait_of(tx, &subject, budget, act.now)?.is_some() {
        return Ok(false);
    }
    act.count_mail(tx, whose)?;
    Ok(limits::take(tx, &subject, budget, act.now)?.is_none())
}

/// Queues the mail of a registration: the proof, or the notice that the address has an account.
fn send(tx: &mut Tx, act: &Act, of: &Registration, mailed: &Mailed, taken: bool) -> Result<()> {
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
    let mailed = Mailed::Link(ctx.chance.secret());
    ctx.write(move |tx| {
        act.count_mail_call(tx, id, MailOf::Stranger)?;
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
        if !mail_is_left(tx, &act, &standing.address, budget, MailOf::Stranger)? {
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

/// Checks the link of a registration, without using it up.
///
/// # Errors
/// Refuses a link that is unknown, used or expired.
pub async fn check_link(ctx: &Ctx, token: Secret<String>, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let reference = Reference::parse(ReferenceKind::RegistrationLink, token.expose())
        .ok_or(Refusal::RegistrationTokenInvalid)?;
    let id = reference.user();
    let found = {
        let act = act.clone();
        ctx.read(move |tx| admit_link(tx, &act, &reference)).await
    };
    end_over(ctx, &act, id, found).await.map(|_alive| ())
}

/// A registration and the code from its mail.
pub struct Prove {
    /// The registration's reference.
    pub registration_token: Secret<String>,
    /// The code, as typed.
    pub code: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Judges the code, creates the account, and begins a session.
///
/// # Errors
/// Refuses a registration that is over, and a wrong code.
pub async fn prove(ctx: &Ctx, command: Prove) -> Result<SignedIn> {
    let act = Act::begin(ctx, command.source);
    let draft = session::Draft::new(ctx, &act);
    let reference = Reference::parse(
        ReferenceKind::Registration,
        command.registration_token.expose(),
    )
    .ok_or(Refusal::RegistrationTokenInvalid)?;
    let code = Code::typed(&command.code);
    let founding: OrganisationId = ctx.chance.id(act.now);
    let id = reference.user();
    let proved = {
        let (act, draft) = (act.clone(), draft.clone());
        ctx.write(move |tx| {
            let registration = admit(tx, &act, &reference)?;
            try_code(tx, &act, &registration, &code)?;
            let user = make(tx, &act, &registration, None, founding)?;
            let proof = Proof::NewAccount {
                password_at: registration.created_at,
            };
            draft.open(tx, &act, user, Vec::new(), proof)
        })
        .await
    };
    let opened = end_over(ctx, &act, id, proved).await?;
    draft.sign(&act, &opened)
}

/// The mailed link of a registration.
pub struct ProveByLink {
    /// The link's token.
    pub token: Secret<String>,
    /// A password to use in place of the one registered with. The person who reads the mail may not be the
    /// one who registered.
    pub password: Option<Secret<String>>,
    /// The address that the call came from.
    pub source: Source,
}

/// Uses the link up, and creates the account. It begins no session: the link alone is one factor too few.
///
/// # Errors
/// Refuses a link that is unknown, used or expired, and a password that may not be set.
pub async fn prove_by_link(ctx: &Ctx, command: ProveByLink) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    if let Some(password) = &command.password {
        password::judge_length(ctx, password)?;
    }
    let reference = Reference::parse(ReferenceKind::RegistrationLink, command.token.expose())
        .ok_or(Refusal::RegistrationTokenInvalid)?;
    let id = reference.user();
    let password_hash = match command.password {
        Some(password) => {
            // The link is checked before the password is hashed, since only a valid link may cost that much.
            let registration = {
                let (act, reference) = (act.clone(), reference.clone());
                ctx.read(move |tx| admit_link(tx, &act, &reference)).await
            };
            let registration = end_over(ctx, &act, id, registration).await?;
            let names = [&registration.first_name, &registration.last_name];
            let words = password::own_words(&registration.address, &names);
            password::judge_new(ctx, &act, &password, words).await?;
            Some(
                ctx.hasher
                    .of(act.source)
                    .hash(password, ctx.chance.salt())
                    .await?,
            )
        }
        None => None,
    };
    let founding: OrganisationId = ctx.chance.id(act.now);
    let proved = {
        let act = act.clone();
        ctx.write(move |tx| {
            let registration = admit_link(tx, &act, &reference)?;
            make(tx, &act, &registration, password_hash.clone(), founding)?;
            Ok(())
        })
        .await
    };
    end_over(ctx, &act, id, proved).await
}

/// Returns the registration of this reference, if it is alive.
fn admit(tx: &mut Tx, act: &Act, reference: &Reference) -> Result<Registration> {
    alive(tx, act, reference, |found| Some(&found.secret_hash))
}

/// Returns the registration of this link, if it is alive.
fn admit_link(tx: &mut Tx, act: &Act, reference: &Reference) -> Result<Registration> {
    alive(tx, act, reference, |found| found.link_hash.as_ref())
}

fn alive(
    tx: &mut Tx,
    act: &Act,
    reference: &Reference,
    kept: fn(&Registration) -> Option<&Vec<u8>>,
) -> Result<Registration> {
    let sent = vault::digest(reference.secret.expose());
    let registration = registrations::find(tx, reference.user())?
        .filter(|found| kept(found).is_some_and(|kept| vault::same(&sent, kept)))
        .ok_or(Refusal::RegistrationTokenInvalid)?;
    registration.judge(act.now)?;
    Ok(registration)
}

/// Ends a registration that was found to be expired, so that it stays expired if the clock goes back.
async fn end_over<T>(ctx: &Ctx, act: &Act, id: UserId, found: Result<T>) -> Result<T> {
    if let Err(Error::Refused(Refusal::RegistrationTokenExpired)) = found {
        let now = act.now;
        let ended = ctx.write(move |tx| registrations::end_over(tx, id, now));
        if let Err(error) = ended.await {
            // The caller gets the refusal in any case.
            tracing::warn!(?error, "an expired registration could not be ended");
        }
    }
    found
}

/// Takes a try and compares the code.
fn try_code(tx: &mut Tx, act: &Act, registration: &Registration, code: &Code) -> Result<()> {
    let id = registration.user_id;
    let tries = act.policy().tries_per_challenge;
    if !registrations::reserve(tx, id, tries, act.now)? {
        // A new registration is accepted at once.
        let refusal = Refusal::TooManyRegistrationAttempts { retry_after: 1 };
        return act.refuse_limited(tx, id, refusal);
    }
    let fits = registration
        .code_hash
        .as_ref()
        .is_some_and(|kept| sent_code::fits(&act.vault, id.as_bytes(), kept, code));
    if fits {
        return Ok(());
    }
    act.audit(tx, id, Event::RegistrationCodeWrong, None)?;
    let taken = registration.attempts.unsigned_abs() + 1;
    Err(Refusal::InvalidRegistrationCode {
        attempts_remaining: tries.saturating_sub(taken),
    }
    .into())
}

/// Creates the account and its organisation. Of two registrations for one address, the second is refused.
fn make(
    tx: &mut Tx,
    act: &Act,
    registration: &Registration,
    password_hash: Option<PasswordHash>,
    founding: OrganisationId,
) -> Result<User> {
    let id = registration.user_id;
    if !registrations::spend(tx, id, act.now)? {
        return Err(Refusal::RegistrationTokenInvalid.into());
    }
    let new = NewUser {
        id,
        email: registration.address.clone(),
        first_name: registration.first_name.clone(),
        last_name: registration.last_name.clone(),
        role: Role::User,
        password_hash: password_hash.unwrap_or_else(|| registration.password_hash.clone()),
    };
    let user = users::insert(tx, &new, act.now)?.ok_or(Refusal::RegistrationTokenInvalid)?;
    act.audit(tx, id, Event::Registered, None)?;
    match &registration.organisation_name {
        Some(name) => organisation::found(tx, act, user, founding, name),
        None => Ok(user),
    }
}
