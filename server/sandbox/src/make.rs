//! Making people: accounts with their methods already on, written as the flows write them.

use data_encoding::BASE32_NOPAD;
use tokio::sync::OnceCell;

use super::{Device, Sandbox};
use crate::app::Ctx;
use crate::chance::Chance;
use crate::factor::passkey::{Judgement, NewPasskey, RelyingParty};
use crate::factor::{Code, recovery};
use crate::model::code_set::{CodeSet, RecoveryCode};
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{CodeSetKind, FactorKind, FactorState, OrganisationRole, Role};
use crate::model::passkey::Credential;
use crate::model::source::Source;
use crate::model::user::{PasswordHash, User, address_taken};
use crate::model::{FactorId, Fault, OrganisationId, Refusal, Result, Secret, Time, UserId};
use crate::store::users::NewUser;
use crate::store::{Tx, code_sets, factors, organisations, passkeys, users};
use crate::vault::Place;

/// For how long the methods of somebody who was just made have been on, in seconds.
const SINCE: i64 = 3600;

/// Somebody who is wanted.
#[derive(Clone)]
pub struct Wish {
    /// Their address.
    pub email: String,
    /// Their names.
    pub names: (String, String),
    /// What they are there for.
    pub about: String,
    /// Whether they administer the server.
    pub role: Role,
    /// Which methods they have on; the first one is asked for first.
    pub methods: Vec<FactorKind>,
    /// Whether they have recovery codes.
    pub recovery_codes: bool,
    /// A method that took too many wrong codes.
    pub locked: Option<FactorKind>,
    /// Their organisation, and what they are in it.
    pub member: Option<(OrganisationId, OrganisationRole)>,
    /// The number that text messages go to.
    pub phone: String,
}

/// Somebody who can sign in.
#[derive(Clone)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// Their number.
    pub number: i64,
    /// What they were made from.
    pub wish: Wish,
    /// Their methods, each with its id.
    pub factors: Vec<(FactorKind, FactorId)>,
    /// The secret of their authenticator app, in base32.
    pub secret: Option<String>,
    /// Their recovery codes.
    pub recovery_codes: Vec<String>,
}

/// Makes people. What costs time is done once.
pub(super) struct Maker {
    hash: PasswordHash,
    codes: OnceCell<Codes>,
}

/// Recovery codes, and their hashes under one salt.
struct Codes {
    printed: Vec<Secret<String>>,
    salt: [u8; 16],
    hashes: Vec<[u8; 32]>,
}

/// What is drawn and worked out before the write.
struct Draft {
    new: NewUser,
    factors: Vec<Factor>,
    credentials: Vec<Vec<u8>>,
    codes: Option<(CodeSet, Vec<RecoveryCode>)>,
}

impl Maker {
    pub(super) fn new(hash: PasswordHash) -> Self {
        Self {
            hash,
            codes: OnceCell::new(),
        }
    }

    /// The same codes each time: a hash for each is slow.
    async fn codes(&self, ctx: &Ctx, seed: u64) -> Result<&Codes> {
        let make = async || {
            let chance = Chance::seeded(seed);
            let (salt, printed) = (
                chance.salt(),
                recovery::draw(&chance, CodeSetKind::Recovery),
            );
            let hasher = ctx.hasher.of(Source::Console);
            let mut hashes = Vec::with_capacity(printed.len());
            for code in &printed {
                let peppered = recovery::peppered(&ctx.vault, &Code::typed(code));
                hashes.push(hasher.derive(peppered, salt).await?);
            }
            Ok(Codes {
                printed,
                salt,
                hashes,
            })
        };
        self.codes.get_or_try_init(make).await
    }
}

impl Sandbox {
    /// Makes somebody, with everything drawn from `chance`.
    ///
    /// # Errors
    /// Refuses an address that somebody has; a fault when the database does not answer.
    pub async fn make(&self, wish: Wish, chance: &Chance) -> Result<Person> {
        let ctx = self.0.app.ctx();
        let now = ctx.clock.now();
        let id: UserId = chance.id(now);
        let mut making = Making {
            ctx,
            device: &self.0.device,
            chance,
            id,
            since: now.plus_seconds(-SINCE),
            secret: None,
            credentials: Vec::new(),
        };
        let factors = making.factors(&wish, &self.0.maker.hash)?;
        let (secret, credentials) = (making.secret, making.credentials);
        let mut printed = Vec::new();
        let codes = match wish.recovery_codes {
            true => {
                let codes = self.0.maker.codes(ctx, self.0.seed).await?;
                printed = codes
                    .printed
                    .iter()
                    .map(|one| one.expose().clone())
                    .collect();
                Some(code_set(codes, id, chance, now))
            }
            false => None,
        };
        let draft = Draft {
            new: NewUser {
                id,
                email: wish.email.clone(),
                first_name: Some(wish.names.0.clone()),
                last_name: Some(wish.names.1.clone()),
                role: wish.role,
                password_hash: self.0.maker.hash.clone(),
            },
            factors,
            credentials,
            codes,
        };
        let (ids, wanted) = (draft.ids(), wish.clone());
        let hard_limit = ctx.settings.policy.hard_limit;
        let number = ctx
            .write(move |tx| draft.insert(tx, &wanted, hard_limit, now))
            .await?;
        Ok(Person {
            id,
            number,
            wish,
            factors: ids,
            secret,
            recovery_codes: printed,
        })
    }
}

/// Somebody who is being made.
struct Making<'a> {
    ctx: &'a Ctx,
    device: &'a Device,
    chance: &'a Chance,
    id: UserId,
    since: Time,
    secret: Option<String>,
    credentials: Vec<Vec<u8>>,
}

impl Making<'_> {
    fn factors(&mut self, wish: &Wish, hash: &PasswordHash) -> Result<Vec<Factor>> {
        let mut made = Vec::with_capacity(wish.methods.len());
        for (place, &kind) in wish.methods.iter().enumerate() {
            let id: FactorId = self.chance.id(self.since);
            let mut factor = Factor::pending(self.id, id, kind, self.since);
            factor.state = FactorState::On;
            factor.enabled_at = Some(self.since);
            factor.is_primary = place == 0;
            match kind {
                FactorKind::Authenticator => {
                    let secret = self.chance.totp_secret();
                    let place = Place::factor_secret(self.id, id);
                    let nonce = self.chance.nonce();
                    factor.sealed_secret =
                        Some(self.ctx.vault.seal(&place, nonce, secret.expose())?);
                    self.secret = Some(BASE32_NOPAD.encode(secret.expose()));
                }
                FactorKind::Sms => factor.target = Some(wish.phone.clone()),
                FactorKind::Passkey => {
                    let made = self.passkey(wish, hash)?;
                    factor.credential = Some(made.credential);
                    factor.sign_count = Some(made.sign_count);
                    self.credentials.push(made.credential_id);
                }
                FactorKind::Email => {}
            }
            made.push(factor);
        }
        Ok(made)
    }

    /// A passkey on the virtual device, registered as a page would.
    fn passkey(&self, wish: &Wish, hash: &PasswordHash) -> Result<NewPasskey> {
        let settings = &self.ctx.settings;
        let user = User {
            id: self.id,
            number: 0,
            email: wish.email.clone(),
            first_name: Some(wish.names.0.clone()),
            last_name: Some(wish.names.1.clone()),
            role: wish.role,
            password_hash: hash.clone(),
            created_at: self.since,
            disabled_at: None,
            mailbox: true,
            description: None,
            organisation_id: None,
            organisation_role: None,
            password_changes: 0,
        };
        let us = RelyingParty::of(settings, Refusal::MfaMethodUnavailable)?;
        let begun = us.begin_registration(&user, &[], self.since, 60)?;
        let origin = settings.passkey_pages().into_iter().next();
        let origin = origin.ok_or(Refusal::MfaMethodUnavailable)?;
        let answer = self.device.create(&begun.options, &origin, self.chance);
        let answer = answer.map_err(|what| Fault::bug(anyhow::anyhow!(what)))?;
        match us.finish_registration(&begun.state, answer)? {
            Judgement::Right(registered) => Ok(registered),
            Judgement::Wrong | Judgement::RolledBack => Err(Fault::bug(anyhow::anyhow!(
                "the passkey of the virtual device cannot be used"
            ))
            .into()),
        }
    }
}

fn code_set(
    codes: &Codes,
    user_id: UserId,
    chance: &Chance,
    now: Time,
) -> (CodeSet, Vec<RecoveryCode>) {
    let set = CodeSet {
        user_id,
        id: chance.id(now),
        kind: CodeSetKind::Recovery,
        salt: codes.salt.to_vec(),
        factor_id: None,
        created_at: now,
        live_at: Some(now),
        ended_at: None,
    };
    let rows = (0..).zip(&codes.hashes);
    let rows = rows.map(|(ordinal, hash)| RecoveryCode {
        user_id,
        set_id: set.id,
        ordinal,
        code_hash: hash.to_vec(),
        used_at: None,
    });
    let rows = rows.collect();
    (set, rows)
}

impl Draft {
    fn ids(&self) -> Vec<(FactorKind, FactorId)> {
        let id = |factor: &Factor| (factor.kind, factor.id);
        self.factors.iter().map(id).collect()
    }

    /// The new user's number.
    fn insert(&self, tx: &mut Tx, wish: &Wish, hard_limit: u32, now: Time) -> Result<i64> {
        let user = users::insert(tx, &self.new, now)?.ok_or_else(address_taken)?;
        for factor in &self.factors {
            factors::insert(tx, factor)?;
        }
        let keys = self.factors.iter();
        let keys = keys.filter(|factor| factor.kind == FactorKind::Passkey);
        for (factor, credential_id) in keys.zip(&self.credentials) {
            let credential = Credential {
                credential_id: credential_id.clone(),
                user_id: user.id,
                factor_id: factor.id,
            };
            passkeys::claim(tx, &credential)?;
        }
        if let Some((set, rows)) = &self.codes {
            code_sets::insert(tx, set, rows)?;
        }
        if let Some(kind) = wish.locked {
            let none = FactorAttempts::none(user.id, kind.into());
            let failures = i32::try_from(hard_limit).unwrap_or(i32::MAX);
            factors::reserve(tx, &none, &FactorAttempts { failures, ..none })?;
        }
        if let Some((organisation, role)) = wish.member {
            organisations::admit(tx, user.id, organisation, role)?;
        }
        Ok(user.number)
    }
}
