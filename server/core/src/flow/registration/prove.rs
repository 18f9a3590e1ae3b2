//! Proving the address of a registration: the code or the link of its mail creates the account.

use crate::app::Ctx;
use crate::factor::{Code, sent_code};
use crate::flow::{Act, organisation, password, session};
use crate::model::audit::Event;
use crate::model::kinds::Role;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::{PasswordHash, Registration, User};
use crate::model::{Error, OrganisationId, Refusal, Result, Secret, UserId};
use crate::outcome::SessionTokens;
use crate::store::users::NewUser;
use crate::store::{Tx, registrations, users};
use crate::vault;

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
pub async fn prove(ctx: &Ctx, command: Prove) -> Result<SessionTokens> {
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
            draft.open(tx, &act, user, &[], proof)
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
            Some(password::hash_new(ctx, &act, password, words).await?)
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
