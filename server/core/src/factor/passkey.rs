//! Passkeys: builds the options for an authenticator, and judges its answer (WebAuthn Level 3).
//!
//! The library hands out the state of a ceremony. It is stored as JSON in the database, and taken from there
//! before an answer is read, so that no answer is judged twice. The WebAuthn challenge (32 bytes) is the only
//! random value in this server that `Chance` does not draw.

use serde_json::{Value, json};
use webauthn_rs::prelude::{
    AuthenticationResult, CredentialID, DiscoverableAuthentication, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use crate::config::Settings;
use crate::factor::NewCeremony;
use crate::model::factor::Factor;
use crate::model::user::User;
use crate::model::{Fault, Refusal, Result, Time, UserId};

mod answer;
mod ceremony;
mod method;

pub use ceremony::in_time;
pub use method::Passkeys;

use answer::{Flaw, ReadAnswer};
use ceremony::{
    begun, library, milliseconds, parse, print, public_key, set, unknown_library, value,
};

/// The longest time a device has to answer, in seconds (WebAuthn Level 3 §15.1). It is less if its challenge
/// ends earlier.
pub const CEREMONY_SECONDS: u32 = 300;

/// Whether the authenticator must verify its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It must: when the passkey is the only proof, and at step-up.
    Required,
    /// It should if it can: after a password. A passkey that did so at registration must always do so.
    Preferred,
}

impl Verification {
    const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Preferred => "preferred",
        }
    }
}

/// The judgement of an authenticator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement<T> {
    /// The answer is right.
    Right(T),
    /// The answer is wrong.
    Wrong,
    /// The answer is right, but its counter went back: the key may have been copied (WebAuthn §6.1.1).
    RolledBack,
}

impl<T> Judgement<T> {
    /// Converts what a right answer proves.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Judgement<U> {
        match self {
            Self::Right(proved) => Judgement::Right(make(proved)),
            Self::Wrong => Judgement::Wrong,
            Self::RolledBack => Judgement::RolledBack,
        }
    }
}

/// A newly registered passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// The credential's id, unique over all users.
    pub credential_id: Vec<u8>,
    /// The credential as JSON, for the factor's row. It contains no secret.
    pub credential: String,
    /// The signature counter.
    pub sign_count: i64,
}

/// A passkey that was used.
#[derive(Clone, Debug)]
pub struct PasskeyUse {
    /// The factor, as it was before this use.
    pub factor: Factor,
    /// The credential after this use, as JSON.
    pub credential: String,
    /// The signature counter after this use.
    pub sign_count: i64,
}

/// A passkey as it is stored in its factor's row.
pub struct Key {
    factor: Factor,
    passkey: Passkey,
}

impl Key {
    /// Reads the credential of a factor.
    ///
    /// # Errors
    /// Returns a fault if the factor has none.
    pub fn read(factor: Factor) -> Result<Self> {
        let passkey = parse(factor.credential.as_deref().unwrap_or_default())?;
        Ok(Self { factor, passkey })
    }

    /// Reads the credentials of several factors.
    ///
    /// # Errors
    /// Returns a fault if one of them has none.
    pub fn read_all(factors: Vec<Factor>) -> Result<Vec<Self>> {
        factors.into_iter().map(Self::read).collect()
    }

    /// Returns the credential's id.
    pub fn id(&self) -> &[u8] {
        self.passkey.cred_id()
    }

    /// Returns the key with a new value for whether it may be synchronised. A passkey can gain or lose this
    /// ability.
    fn saying(self, backup_eligible: bool) -> Result<Self> {
        let mut passkey = value(&self.passkey)?;
        set(&mut passkey, "/cred/backup_eligible", backup_eligible)?;
        Ok(Self {
            passkey: serde_json::from_value(passkey).map_err(Fault::bug)?,
            ..self
        })
    }

    /// Whether it said at its last use that it may be synchronised.
    fn backup_eligible(&self) -> Result<bool> {
        let flag = value(&self.passkey)?
            .pointer("/cred/backup_eligible")
            .and_then(Value::as_bool);
        Ok(flag.ok_or_else(unknown_library)?)
    }

    /// Returns the key after a right answer, or `RolledBack` if its counter did not go up.
    fn used(mut self, result: &AuthenticationResult) -> Result<Judgement<PasskeyUse>> {
        let before = self.factor.sign_count.unwrap_or(0);
        let sign_count = i64::from(result.counter());
        // Authenticators without a counter send 0 each time.
        if sign_count <= before && (sign_count, before) != (0, 0) {
            return Ok(Judgement::RolledBack);
        }
        self.passkey.update_credential(result);
        Ok(Judgement::Right(PasskeyUse {
            factor: self.factor,
            credential: print(&self.passkey)?,
            sign_count,
        }))
    }
}

/// This server as authenticators know it: a domain and its pages.
pub struct RelyingParty {
    library: Webauthn,
    /// The origins of pages and apps whose answers are accepted.
    origins: Vec<String>,
    /// Whether a passkey may change what it says about being synchronised.
    backup_may_change: bool,
}

impl RelyingParty {
    /// Builds the relying party from the settings.
    ///
    /// # Errors
    /// Refuses with `otherwise` if passkeys are turned off, or if clients know this server by an IP address,
    /// which passkeys cannot be bound to.
    pub fn of(settings: &Settings, otherwise: Refusal) -> Result<Self> {
        let origins = settings.passkey_pages();
        if origins.is_empty() {
            return Err(otherwise.into());
        }
        // Origins are compared here as strings. The library compares them as URLs.
        let mut pages = Vec::new();
        for origin in &origins {
            pages.push(Url::parse(origin).map_err(Fault::bug)?);
        }
        // The library needs a page of the domain first. Apps have none.
        let page = format!("https://{}", settings.passkey_rp_id);
        let page = Url::parse(&page).map_err(Fault::bug)?;
        let builder = WebauthnBuilder::new(&settings.passkey_rp_id, &page).map_err(library)?;
        let webauthn = pages
            .iter()
            .fold(builder, WebauthnBuilder::append_allowed_origin)
            .rp_name(&settings.issuer_name)
            .build();
        Ok(Self {
            library: webauthn.map_err(library)?,
            origins,
            backup_may_change: settings.passkey_backup_may_change,
        })
    }

    /// Checks that an answer comes from one of our pages or apps: the exact string (WebAuthn §7.1, §7.2).
    fn ours<T>(&self, given: ReadAnswer<T>) -> std::result::Result<ReadAnswer<T>, Flaw> {
        if self.origins.contains(&given.origin) {
            Ok(given)
        } else {
            Err("it comes from a page that is not in passkey_origins")
        }
    }

    /// Begins to register a passkey of `user`, who already has the passkeys `known`. The device has `seconds`
    /// from now on.
    ///
    /// # Errors
    /// Returns a fault if the library prints another format than expected.
    pub fn begin_registration(
        &self,
        user: &User,
        known: &[Key],
        now: Time,
        seconds: u32,
    ) -> Result<NewCeremony> {
        let excluded: Vec<CredentialID> = known.iter().map(|key| key.id().to_vec()).collect();
        let names = [user.first_name.as_deref(), user.last_name.as_deref()];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let shown = if name.is_empty() { &user.email } else { &name };
        let (options, state) = self
            .library
            .start_passkey_registration(user.id.uuid(), &user.email, shown, Some(excluded))
            .map_err(library)?;
        let mut options = public_key(&options)?;
        // The library discourages discoverable credentials, but signing in with a passkey alone needs them.
        // It also asks for passkeys that never work without user verification. Here they may do so after a
        // password, but a passkey alone must not be found without verification (CTAP 2.1 §12.1).
        let preferred = Verification::Preferred.word();
        set(
            &mut options,
            "/authenticatorSelection/residentKey",
            preferred,
        )?;
        set(
            &mut options,
            "/authenticatorSelection/userVerification",
            preferred,
        )?;
        set(
            &mut options,
            "/extensions/credentialProtectionPolicy",
            "userVerificationOptionalWithCredentialIDList",
        )?;
        let mut state = value(&state)?;
        set(&mut state, "/rs/policy", preferred)?;
        begun(options, state, now, seconds)
    }

    /// Judges the answer to the options of a registration.
    ///
    /// # Errors
    /// Returns a fault if the state cannot be read.
    pub fn finish_registration(&self, state: &str, answer: Value) -> Result<Judgement<NewPasskey>> {
        let state: PasskeyRegistration = parse(state)?;
        let answer = answer::registration::<RegisterPublicKeyCredential>(answer);
        let given = match answer.and_then(|given| self.ours(given)) {
            Ok(given) => given,
            Err(flaw) => return Ok(flawed(flaw)),
        };
        let finished = self
            .library
            .finish_passkey_registration(&given.credential, &state);
        let passkey = match finished {
            Ok(passkey) => passkey,
            Err(error) => return Ok(wrong(&error)),
        };
        let (credential_id, credential) = (passkey.cred_id().clone(), value(&passkey)?);
        // The counter is also stored beside the credential, where a statement can compare it.
        let counter = credential.pointer("/cred/counter").and_then(Value::as_i64);
        Ok(Judgement::Right(NewPasskey {
            credential_id,
            sign_count: counter.ok_or_else(unknown_library)?,
            credential: credential.to_string(),
        }))
    }

    /// Asks for one of these passkeys. The device has `seconds` from now on.
    ///
    /// # Errors
    /// Refuses an empty list, since that would ask for any passkey of this domain.
    pub fn begin_assertion(
        &self,
        keys: &[Key],
        verification: Verification,
        now: Time,
        seconds: u32,
    ) -> Result<NewCeremony> {
        if keys.is_empty() {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        let passkeys: Vec<Passkey> = keys.iter().map(|key| key.passkey.clone()).collect();
        let (options, state) = self
            .library
            .start_passkey_authentication(&passkeys)
            .map_err(library)?;
        let (mut options, mut state) = (public_key(&options)?, value(&state)?);
        let word = verification.word();
        set(&mut options, "/userVerification", word)?;
        set(&mut state, "/ast/policy", word)?;
        begun(options, state, now, seconds)
    }

    /// Judges the answer of one of `user`'s passkeys. `keys` are those that count now.
    ///
    /// # Errors
    /// Returns a fault if the state cannot be read.
    pub fn finish_assertion(
        &self,
        user: UserId,
        keys: Vec<Key>,
        state: &str,
        answer: Value,
    ) -> Result<Judgement<PasskeyUse>> {
        let mut state: Value = parse(state)?;
        let given = match answer::assertion::<PublicKeyCredential>(answer) {
            Ok(given) => given,
            Err(flaw) => return Ok(flawed(flaw)),
        };
        let credential = &given.credential;
        let of_user = credential
            .get_user_unique_id()
            .is_none_or(|handle| handle == user.as_bytes());
        let mut keys = keys.into_iter();
        let key = keys.find(|key| of_user && key.id() == credential.get_credential_id());
        let Some(key) = key.filter(|key| asks_for(&state, key)) else {
            return Ok(flawed("it is of a passkey that was not asked for"));
        };
        let (given, key) = match self.unchanged(given, key)? {
            Ok(both) => both,
            Err(flaw) => return Ok(flawed(flaw)),
        };
        // The key is as it is now. It may have been used since it was asked for.
        let known = value(&key.passkey)?.pointer("/cred").cloned();
        set(&mut state, "/ast/credentials", json!([known]))?;
        let state: PasskeyAuthentication = serde_json::from_value(state).map_err(Fault::bug)?;
        let finished = self
            .library
            .finish_passkey_authentication(&given.credential, &state);
        match finished {
            Ok(result) => key.used(&result),
            Err(error) => Ok(wrong(&error)),
        }
    }

    /// Checks what is common to all sign-ins: the page that asked, and what the passkey says about being
    /// synchronised. Returns the key to judge the answer with.
    fn unchanged<T>(
        &self,
        given: ReadAnswer<T>,
        key: Key,
    ) -> Result<std::result::Result<(ReadAnswer<T>, Key), Flaw>> {
        let given = match self.ours(given) {
            Ok(given) => given,
            Err(flaw) => return Ok(Err(flaw)),
        };
        if key.backup_eligible()? == given.backup_eligible {
            return Ok(Ok((given, key)));
        }
        if !self.backup_may_change {
            return Ok(Err("it says another thing about being synchronised"));
        }
        let key = key.saying(given.backup_eligible)?;
        Ok(Ok((given, key)))
    }

    /// Asks for any passkey of this domain, without naming a user.
    ///
    /// # Errors
    /// Returns a fault if the library prints another format than expected.
    pub fn begin_discoverable(&self) -> Result<NewCeremony> {
        let (options, state) = self
            .library
            .start_discoverable_authentication()
            .map_err(library)?;
        // The library also asks the browser to offer passkeys while a form is filled in. That is left out:
        // the page decides whether to do so or to show a button.
        let mut options = public_key(&options)?;
        set(&mut options, "/timeout", milliseconds(CEREMONY_SECONDS))?;
        Ok(NewCeremony {
            options,
            state: print(&state)?,
        })
    }

    /// Judges the answer of the passkey that [`identify`] found.
    ///
    /// # Errors
    /// Returns a fault if the state cannot be read.
    pub fn finish_discoverable(
        &self,
        key: Key,
        state: &str,
        answer: &NamedAnswer,
    ) -> Result<Judgement<PasskeyUse>> {
        let state: DiscoverableAuthentication = parse(state)?;
        let (given, key) = match self.unchanged(answer.0.clone(), key)? {
            Ok(both) => both,
            Err(flaw) => return Ok(flawed(flaw)),
        };
        let finished = self.library.finish_discoverable_authentication_v2(
            &given.credential,
            state,
            &key.passkey,
        );
        match finished {
            Ok(result) => key.used(&result),
            Err(error) => Ok(wrong(&error)),
        }
    }
}

/// Whether the ceremony asks for this passkey.
fn asks_for(state: &Value, key: &Key) -> bool {
    let known = state.pointer("/ast/credentials").and_then(Value::as_array);
    known.into_iter().flatten().any(|credential| {
        let id = serde_json::from_value::<Passkey>(json!({ "cred": credential }));
        id.is_ok_and(|passkey| passkey.cred_id().as_slice() == key.id())
    })
}

/// The answer of an authenticator that was asked for any passkey.
#[derive(Clone, Debug)]
pub struct NamedAnswer(ReadAnswer<PublicKeyCredential>);

/// Reads which user and which credential id the answer names. Nothing of it is proved yet.
pub fn identify(answer: Value) -> Option<(NamedAnswer, UserId, Vec<u8>)> {
    let given = answer::assertion::<PublicKeyCredential>(answer);
    let given = given.inspect_err(refused).ok()?;
    let user = Uuid::from_slice(given.credential.get_user_unique_id()?).ok()?;
    let credential_id = given.credential.get_credential_id().to_vec();
    Some((NamedAnswer(given), UserId::new(user), credential_id))
}

/// Turns the library's error into a judgement. The reason is only logged, and the client learns only that the
/// answer is wrong.
fn wrong<T>(error: &WebauthnError) -> Judgement<T> {
    refused(error);
    match error {
        WebauthnError::CredentialPossibleCompromise => Judgement::RolledBack,
        // All other errors of the library.
        _ => Judgement::Wrong,
    }
}

fn flawed<T>(flaw: Flaw) -> Judgement<T> {
    refused(&flaw);
    Judgement::Wrong
}

fn refused(error: &impl std::fmt::Display) {
    tracing::info!(%error, "a passkey was refused");
}

#[cfg(test)]
mod tests;
