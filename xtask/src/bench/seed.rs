//! A database full of users, each with an authenticator that is on and a sign-in that waits for its code.

use std::path::Path;

use anyhow::{Result, anyhow};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::{DatabaseUrl, Settings};
use countersign::model::challenge::Challenge;
use countersign::model::factor::{Factor, FactorAttempts};
use countersign::model::ids::Id;
use countersign::model::kinds::{FactorKind, FactorState, Purpose, Role};
use countersign::model::reference::{Reference, ReferenceKind};
use countersign::model::user::PasswordHash;
use countersign::model::{Secret, Time};
use countersign::store::users::NewUser;
use countersign::store::{Tx, challenges, factors, users};
use countersign::vault::{self, Place};
use totp_rs::{Builder, Totp};
use uuid::Uuid;

/// Users written in one job.
const CHUNK: u32 = 500;

/// The id of the n-th user's rows: in order, as UUIDv7 are, and such that SQL can make it too.
pub fn uuid(number: u32) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

/// Who signs in as the n-th: everybody once, in no order, as people do. The step is a prime.
pub fn nth(number: u32, count: u32) -> u32 {
    let shuffled = u64::from(number) * 104_729 % u64::from(count);
    u32::try_from(shuffled).unwrap_or(0) + 1
}

/// The secret of the n-th user's authenticator.
fn secret(number: u32) -> [u8; 20] {
    let digest = vault::digest(&number.to_be_bytes());
    let mut secret = [0; 20];
    secret.copy_from_slice(&digest[..20]);
    secret
}

/// The authenticator of the n-th user.
///
/// # Errors
/// When the library refuses the secret.
pub fn authenticator(number: u32) -> Result<Totp> {
    Builder::new()
        .with_secret(secret(number).to_vec())
        .build()
        .map_err(|error| anyhow!("{error}"))
}

fn reference_secret(number: u32) -> Secret<[u8; 32]> {
    Secret::new(vault::digest(
        &[b"reference".as_slice(), &number.to_be_bytes()].concat(),
    ))
}

/// The `mfaToken` of the n-th user's sign-in.
pub fn token(number: u32) -> String {
    let id = uuid(number);
    let reference = Reference::new::<(), ()>(Id::new(id), Id::new(id), reference_secret(number));
    reference.print(ReferenceKind::Challenge).expose().clone()
}

/// Fills the database that these settings name.
///
/// # Errors
/// When it cannot be opened or written.
pub fn fill(folder: &Path, database: Option<&str>, count: u32) -> Result<()> {
    let mut settings = Settings::for_test(folder)?;
    if let Some(url) = database {
        settings.database_url = DatabaseUrl::Postgres(Secret::new(url.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let app = App::open(settings, Clock::System, Chance::system()).await?;
        let now = app.ctx().now();
        for first in (1..=count).step_by(CHUNK as usize) {
            let vault = app.ctx().vault.clone();
            let written = app.ctx().write(move |tx| {
                (first..(first + CHUNK).min(count + 1))
                    .try_for_each(|number| user(tx, &vault, number, now))
            });
            written.await.map_err(|error| anyhow!("{error:?}"))?;
        }
        Ok(())
    })
}

fn user(
    tx: &mut Tx,
    vault: &vault::Vault,
    number: u32,
    now: Time,
) -> countersign::model::Result<()> {
    let id = uuid(number);
    let new = NewUser {
        id: Id::new(id),
        email: format!("user{number}@example.com"),
        first_name: None,
        last_name: None,
        role: Role::User,
        password_hash: PasswordHash::new(
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$bm90YWhhc2g".to_owned(),
        ),
    };
    users::insert(tx, &new, now)?;
    let mut nonce = [0; 24];
    nonce[..4].copy_from_slice(&number.to_be_bytes());
    let place = Place::factor_secret(Id::new(id), Id::new(id));
    factors::insert(
        tx,
        &Factor {
            state: FactorState::On,
            sealed_secret: Some(vault.seal(&place, nonce, &secret(number))?),
            enabled_at: Some(now),
            ..Factor::pending(Id::new(id), Id::new(id), FactorKind::Authenticator, now)
        },
    )?;
    let untried = FactorAttempts::none(Id::new(id), FactorKind::Authenticator);
    factors::reserve(tx, &untried, &untried)?;
    challenges::insert(
        tx,
        &Challenge {
            user_id: Id::new(id),
            id: Id::new(id),
            secret_hash: vault::digest(reference_secret(number).expose()).to_vec(),
            purpose: Purpose::Login,
            kind: FactorKind::Authenticator,
            factor_id: None,
            session_id: None,
            code_hash: None,
            attempts: 0,
            resends: 0,
            last_sent_at: None,
            created_at: now,
            expires_at: now.plus_seconds(3600),
            consumed_at: None,
            link_hash: None,
            link_expires_at: None,
            ceremony: None,
            action: None,
            source: None,
            opened_at: None,
        },
    )
}
