//! Making an account: the address is proved by a code before there is one.

use crate::app::Ctx;
use crate::factor::{Code, sent_code};
use crate::flow::{Act, MailOf, password, session};
use crate::model::audit::Event;
use crate::model::kinds::Role;
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::{Registration, canonical_address};
use crate::model::{Refusal, Result, Secret, UserId};
use crate::outcome::{Registered, SignedIn};
use crate::store::limits::{self, Limit};
use crate::store::users::NewUser;
use crate::store::{Tx, registrations, users};
use crate::vault;

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
    /// Where it came from.
    pub source: Source,
}

/// Begins a registration: the same work and the same answer for a known and an unknown address.
///
/// # Errors
/// Refuses what cannot be an address, a password that may not be set, and a source past P-25.
pub async fn register(ctx: &Ctx, command: Register) -> Result<Registered> {
    let act = Act::begin(ctx, command.source);
    let address = canonical_address(&command.email).ok_or_else(|| {
        Refusal::field(
            "email",
            "This must be an e-mail address, such as alice@example.com.",
        )
    })?;
    let words = password::own_words(&address, &[&command.first_name, &command.last_name]);
    password::judge_new(ctx, &command.password, words).await?;
    let password_hash = ctx.hasher.hash(command.password, ctx.chance.salt()).await?;
    let user_id: UserId = ctx.chance.id(act.now);
    let secret = ctx.chance.secret();
    let code = ctx.chance.code(act.policy().code_digits);
    let registration = Registration {
        user_id,
        secret_hash: vault::digest(secret.expose()).to_vec(),
        address,
        first_name: command.first_name,
        last_name: command.last_name,
        password_hash,
        code_hash: Some(sent_code::hash(&act.vault, user_id.as_bytes(), &code)),
        attempts: 0,
        created_at: act.now,
        expires_at: act
            .now
            .plus_seconds(i64::from(act.policy().mail_code_seconds)),
        consumed_at: None,
        link_hash: None,
        organisation_name: None,
    };
    ctx.write(move |tx| remember(tx, &act, &registration, &code))
        .await?;
    ctx.nudge_courier();
    Ok(Registered {
        registration_token: Reference::new(user_id, user_id, secret)
            .print(ReferenceKind::Registration),
    })
}

/// Keeps the registration and queues the mail that fits: the code, or the word that there is an
/// account already, whose registration then has no code that fits.
fn remember(
    tx: &mut Tx,
    act: &Act,
    registration: &Registration,
    code: &Secret<String>,
) -> Result<()> {
    let id = registration.user_id;
    act.count_mail_call(tx, id, MailOf::Stranger)?;
    let taken = users::address_taken(tx, &registration.address)?;
    let budget = Limit {
        name: "registrations",
        most: act.policy().registration_mails_per_hour,
        window_seconds: 3600,
    };
    let subject = act
        .vault
        .keyed_hash("mail address", &[registration.address.as_bytes()]);
    let sends = limits::take(tx, &subject, budget, act.now)?.is_none();
    let mut kept = registration.clone();
    if taken || !sends {
        // A code that nobody was sent must fit nothing, or it could be guessed without limit.
        kept.code_hash = None;
    }
    registrations::insert(tx, &kept)?;
    act.audit(tx, id, Event::RegistrationBegun, None)?;
    if !sends {
        // A stranger can cause these mails: past their budget the answer is the same, and nothing is sent.
        return act.audit(tx, id, Event::Limited, Some("registration mails"));
    }
    act.count_mail(tx, MailOf::Stranger)?;
    let seconds = act.policy().mail_code_seconds;
    let message = if taken {
        Message::AlreadyRegistered
    } else {
        Message::RegistrationCode {
            code: code.expose().clone(),
            minutes: seconds / 60,
        }
    };
    act.post(tx, id, &kept.address, message, seconds)
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
    let opened = {
        let (act, draft) = (act.clone(), draft.clone());
        ctx.write(move |tx| {
            let registration = admit(tx, &act, &reference)?;
            try_code(tx, &act, &registration, &code)?;
            let user = make(tx, &act, &registration)?;
            draft.open(tx, &act, user, Vec::new(), Proof::NewAccount)
        })
        .await?
    };
    draft.sign(&act, opened)
}

/// The registration of this reference, if it is alive.
fn admit(tx: &mut Tx, act: &Act, reference: &Reference) -> Result<Registration> {
    let registration = registrations::find(tx, reference.user())?
        .filter(|found| {
            vault::same(
                &vault::digest(reference.secret.expose()),
                &found.secret_hash,
            )
        })
        .filter(|found| found.consumed_at.is_none())
        .ok_or(Refusal::RegistrationTokenInvalid)?;
    if registration.expires_at <= act.now {
        return Err(Refusal::RegistrationTokenExpired.into());
    }
    Ok(registration)
}

/// Takes a try and compares (P-11).
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

/// Makes the account; of two registrations of one address the second finds it made.
fn make(tx: &mut Tx, act: &Act, registration: &Registration) -> Result<crate::model::user::User> {
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
        password_hash: registration.password_hash.clone(),
    };
    let user = users::insert(tx, &new, act.now)?.ok_or(Refusal::RegistrationTokenInvalid)?;
    act.audit(tx, id, Event::Registered, None)?;
    Ok(user)
}
