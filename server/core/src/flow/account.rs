//! Making an account: the address is proved, by a code or a link, before there is one.

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

/// What the mail of a registration carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A code, for whoever holds the registration's token.
    Code,
    /// A link, which is enough by itself.
    Link,
}

/// What a person registers with.
pub struct Register {
    /// The address as typed.
    pub email: String,
    /// The password the account will have.
    pub password: Secret<String>,
    /// Given name, if told.
    pub first_name: Option<String>,
    /// Family name, if told.
    pub last_name: Option<String>,
    /// The organisation that the account will found, if one.
    pub organisation: Option<String>,
    /// What proves the address.
    pub by: Carried,
    /// Whether to tell that the address is taken.
    pub tells: bool,
    /// Where it came from.
    pub source: Source,
}

/// Begins a registration: the same work and the same answer for a known and an unknown address.
///
/// # Errors
/// Refuses what cannot be an address, a password that may not be set, and a source past
/// `mail_calls_per_source`. An address that is taken is refused only where the answer may tell so.
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
    let tells = command.tells;
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

/// What the mail carries, drawn before the write.
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

    /// How long it is good for.
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
                    // In the fragment, which no browser sends and no log keeps.
                    link: format!("{here}/verify-email#{token}"),
                    minutes,
                }
            }
        }
    }
}

/// Keeps the registration and queues the mail that fits: code or link, or the word that there is an
/// account already, whose registration then has none that fits (`nothing` is the hash of no code).
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
    let taken = users::address_taken(tx, &registration.address)?;
    if taken && tells {
        return Err(Refusal::NameTaken.into());
    }
    let sends = mail_is_left(tx, act, &registration.address)?;
    let mut kept = registration.clone();
    if taken || !sends {
        // A code that nobody was sent must fit nothing, or it could be guessed without limit. What proves the
        // address stays the same kind, whether the address is taken or not.
        kept.code_hash = kept.code_hash.map(|_| nothing.to_vec());
        kept.link_hash = None;
    }
    registrations::insert(tx, &kept)?;
    act.audit(tx, id, Event::RegistrationBegun, None)?;
    if !sends {
        // A stranger can cause these mails: past their budget the answer is the same, and nothing is sent.
        return act.audit(tx, id, Event::Limited, Some("registration mails"));
    }
    send(tx, act, &kept, mailed, taken)
}

/// Takes one of the mails that an address is sent for registrations in an hour, and one of the server's;
/// `false` when the address has none left.
///
/// # Errors
/// Busy when the server has none left; then nothing of the address is taken, nor may anything be changed.
fn mail_is_left(tx: &mut Tx, act: &Act, address: &str) -> Result<bool> {
    let budget = Limit {
        name: "registrations",
        most: act.policy().registration_mails_per_hour,
        window_seconds: 3600,
    };
    let subject = act.vault.keyed_hash("mail address", &[address.as_bytes()]);
    if limits::wait_of(tx, &subject, budget, act.now)?.is_some() {
        return Ok(false);
    }
    act.count_mail(tx, MailOf::Stranger)?;
    Ok(limits::take(tx, &subject, budget, act.now)?.is_none())
}

/// Queues the mail of a registration: what proves the address, or the word that there is an account.
fn send(tx: &mut Tx, act: &Act, of: &Registration, mailed: &Mailed, taken: bool) -> Result<()> {
    let most = mailed.seconds(act);
    let seconds = of.expires_at.left_of(most, act.now);
    let message = match taken {
        true => Message::AlreadyRegistered,
        false => mailed.message(act, of.user_id, seconds),
    };
    act.post(tx, of.user_id, &of.address, message, seconds)
}

/// Mails the link of a registration once more: a new one, so that the old one stops working.
/// Whoever holds the id learns nothing: an id that nobody has, one whose registration is over, and
/// one whose mails of this hour are used up have the same answer.
///
/// # Errors
/// Refuses a source past `mail_calls_per_source`.
pub async fn resend_link(ctx: &Ctx, id: UserId, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let mailed = Mailed::Link(ctx.chance.secret());
    ctx.write(move |tx| {
        act.count_mail_call(tx, id, MailOf::Stranger)?;
        let known = registrations::find(tx, id)?;
        // One whose mail has a code goes on by that code.
        let by_link = |one: &Registration| one.code_hash.is_none();
        let Some(standing) = known.filter(by_link) else {
            return Ok(());
        };
        if standing.judge(act.now).is_err() {
            // Seen to be over, it stays so when the clock goes back.
            return registrations::end_over(tx, id, act.now);
        }
        if !mail_is_left(tx, &act, &standing.address)? {
            return act.audit(tx, id, Event::Limited, Some("registration mails"));
        }
        let taken = users::address_taken(tx, &standing.address)?;
        let link_hash = mailed.link_hash().filter(|_| !taken);
        registrations::renew_link(tx, id, link_hash.as_deref())?;
        act.audit(tx, id, Event::CodeResent, None)?;
        send(tx, &act, &standing, &mailed, taken)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// Judges the link of a registration, and uses nothing up.
///
/// # Errors
/// Refuses a link that is not good or not good any more.
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
    /// The registration.
    pub registration_token: Secret<String>,
    /// The code as typed.
    pub code: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// Judges the code, makes the account, and signs its owner in.
///
/// # Errors
/// Refuses what is wrong with the registration or the code.
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

/// The link of a registration.
pub struct ProveByLink {
    /// The link's token.
    pub token: Secret<String>,
    /// A password to take the place of the one registered with: whoever reads the mail may not be
    /// whoever registered.
    pub password: Option<Secret<String>>,
    /// Where it came from.
    pub source: Source,
}

/// Uses the link up, and makes the account. Signs nobody in: the link alone is one factor too few.
///
/// # Errors
/// Refuses what is wrong with the link or the password.
pub async fn prove_by_link(ctx: &Ctx, command: ProveByLink) -> Result<()> {
    let act = Act::begin(ctx, command.source);
    let reference = Reference::parse(ReferenceKind::RegistrationLink, command.token.expose())
        .ok_or(Refusal::RegistrationTokenInvalid)?;
    let id = reference.user();
    let password_hash = match command.password {
        Some(password) => {
            // Judged before it is hashed: only a good link may cost that much.
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

/// The registration of this reference, if it is alive.
fn admit(tx: &mut Tx, act: &Act, reference: &Reference) -> Result<Registration> {
    alive(tx, act, reference, |found| Some(&found.secret_hash))
}

/// The registration of this link, if it is alive.
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

/// Ends a registration that was seen to be over, so that it stays over when the clock goes back.
async fn end_over<T>(ctx: &Ctx, act: &Act, id: UserId, found: Result<T>) -> Result<T> {
    if let Err(Error::Refused(Refusal::RegistrationTokenExpired)) = found {
        let now = act.now;
        let ended = ctx.write(move |tx| registrations::end_over(tx, id, now));
        if let Err(error) = ended.await {
            // What is known is told all the same.
            tracing::warn!(?error, "a registration that is over was not ended");
        }
    }
    found
}

/// Takes a try and compares.
fn try_code(tx: &mut Tx, act: &Act, registration: &Registration, code: &Code) -> Result<()> {
    let id = registration.user_id;
    let tries = act.policy().tries_per_challenge;
    if !registrations::reserve(tx, id, tries, act.now)? {
        // A new registration is let in at once.
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

/// Makes the account, and its organisation; of two registrations of one address the second finds it
/// made.
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
