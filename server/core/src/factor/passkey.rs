//! Passkeys: what is asked of an authenticator, and whether its answer is right (WebAuthn level 3).
//!
//! The library keeps the state of a ceremony; we keep that state as JSON in the database, where it is
//! taken before an answer is looked at, so that no answer is ever judged twice. The challenge (32
//! bytes) is the one random value in this server that `Chance` does not draw.

use serde_json::{Value, json};
use webauthn_rs::prelude::{
    AuthenticationResult, CredentialID, DiscoverableAuthentication, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use crate::config::Settings;
use crate::model::factor::Factor;
use crate::model::user::User;
use crate::model::{Fault, Refusal, Result, Time, UserId};

mod answer;
mod ceremony;

pub use ceremony::in_time;

use answer::{Flaw, Given};
use ceremony::{
    begun, library, milliseconds, parse, print, public_key, set, unknown_library, value,
};

/// How long a device has to answer, in seconds (WebAuthn Level 3 §15.1); less where its challenge ends before.
pub const CEREMONY_SECONDS: u32 = 300;

/// How strongly the authenticator is asked to check who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It must: where the passkey stands alone, and where a session is lifted.
    Required,
    /// If it can: after a password. One that did at registration has to from then on.
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

/// A ceremony that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What the browser's `create` or `get` takes as `publicKey` (WebAuthn §5.4, §5.5).
    pub options: Value,
    /// What the answer will be judged by: for the database alone, used once.
    pub state: String,
}

/// What became of an authenticator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged<T> {
    /// It is right.
    Right(T),
    /// It is not.
    Wrong,
    /// It would be, but its counter went back: the key may have been copied (WebAuthn §6.1.1).
    RolledBack,
}

impl<T> Judged<T> {
    /// The same of what an answer that is right proves.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Judged<U> {
        match self {
            Self::Right(proved) => Judged::Right(make(proved)),
            Self::Wrong => Judged::Wrong,
            Self::RolledBack => Judged::RolledBack,
        }
    }
}

/// A new passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id, unique over all users.
    pub credential_id: Vec<u8>,
    /// The credential as JSON: public, for the factor's row.
    pub credential: String,
    /// Its counter.
    pub sign_count: i64,
}

/// A passkey that was used.
#[derive(Clone, Debug)]
pub struct Used {
    /// The factor it stands for, as it was before.
    pub factor: Factor,
    /// The credential after this use.
    pub credential: String,
    /// Its counter after this use.
    pub sign_count: i64,
}

/// A passkey as its factor's row holds it.
pub struct Key {
    factor: Factor,
    passkey: Passkey,
}

impl Key {
    /// Reads the credential of a factor.
    ///
    /// # Errors
    /// A fault when it holds none.
    pub fn read(factor: Factor) -> Result<Self> {
        let passkey = parse(factor.credential.as_deref().unwrap_or_default())?;
        Ok(Self { factor, passkey })
    }

    /// Reads those of several.
    ///
    /// # Errors
    /// A fault when one holds none.
    pub fn read_all(factors: Vec<Factor>) -> Result<Vec<Self>> {
        factors.into_iter().map(Self::read).collect()
    }

    /// The credential's id.
    pub fn id(&self) -> &[u8] {
        self.passkey.cred_id()
    }

    /// The key, with what it says now about whether it may be synchronised: a passkey can learn to be,
    /// and be put on a device that is not.
    fn saying(self, backup_eligible: bool) -> Result<Self> {
        let mut passkey = value(&self.passkey)?;
        set(&mut passkey, "/cred/backup_eligible", backup_eligible)?;
        Ok(Self {
            passkey: serde_json::from_value(passkey).map_err(Fault::bug)?,
            ..self
        })
    }

    /// Whether it said so when it was used last.
    fn backup_eligible(&self) -> Result<bool> {
        let flag = value(&self.passkey)?
            .pointer("/cred/backup_eligible")
            .and_then(Value::as_bool);
        Ok(flag.ok_or_else(unknown_library)?)
    }

    /// The key after a use that was right, unless its counter stood still or went back.
    fn used(mut self, result: &AuthenticationResult) -> Result<Judged<Used>> {
        let before = self.factor.sign_count.unwrap_or(0);
        let sign_count = i64::from(result.counter());
        // Authenticators that do not count say 0 each time.
        if sign_count <= before && (sign_count, before) != (0, 0) {
            return Ok(Judged::RolledBack);
        }
        self.passkey.update_credential(result);
        Ok(Judged::Right(Used {
            factor: self.factor,
            credential: print(&self.passkey)?,
            sign_count,
        }))
    }
}

/// Us, as authenticators know us: a domain, and the pages on it.
pub struct RelyingParty {
    library: Webauthn,
    /// The pages, and apps, whose answers are taken.
    origins: Vec<String>,
    /// Whether a passkey may say another thing about being synchronised than when it was made.
    backup_may_change: bool,
}

impl RelyingParty {
    /// The one that the settings say.
    ///
    /// # Errors
    /// Refuses with `otherwise` where passkeys are turned off, and where clients know this server by an
    /// IP address, which passkeys cannot be bound to.
    pub fn of(settings: &Settings, otherwise: Refusal) -> Result<Self> {
        let origins = settings.passkey_pages();
        if origins.is_empty() {
            return Err(otherwise.into());
        }
        // Origins are compared here, letter by letter; the library compares them as URLs.
        let mut pages = Vec::new();
        for origin in &origins {
            pages.push(Url::parse(origin).map_err(Fault::bug)?);
        }
        // It wants a page of the domain first, which apps are not.
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

    /// Whether an answer comes from a page or an app of ours: the string, exactly (WebAuthn §7.1, §7.2).
    fn ours<T>(&self, given: Given<T>) -> std::result::Result<Given<T>, Flaw> {
        if self.origins.contains(&given.origin) {
            Ok(given)
        } else {
            Err("it comes from a page that is not in passkey_origins")
        }
    }

    /// Begins registering a passkey of `user`, who has `known` ones, for so many seconds from now on.
    ///
    /// # Errors
    /// A fault when the library is not the one we know.
    pub fn begin_registration(
        &self,
        user: &User,
        known: &[Key],
        now: Time,
        seconds: u32,
    ) -> Result<Begun> {
        let excluded: Vec<CredentialID> = known.iter().map(|key| key.id().to_vec()).collect();
        let names = [user.first_name.as_deref(), user.last_name.as_deref()];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let shown = if name.is_empty() { &user.email } else { &name };
        let (options, state) = self
            .library
            .start_passkey_registration(user.id.uuid(), &user.email, shown, Some(excluded))
            .map_err(library)?;
        let mut options = public_key(&options)?;
        // The library discourages discoverable credentials, without which nobody signs in by passkey
        // alone, and asks for ones that never work without user verification, which after a password
        // they may; alone they must not be found without it (CTAP 2.1 §12.1).
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

    /// Judges the answer to a registration's options.
    ///
    /// # Errors
    /// A fault when the state cannot be read.
    pub fn finish_registration(&self, state: &str, answer: Value) -> Result<Judged<Registered>> {
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
        // Kept beside the credential too, where a statement can compare it.
        let counter = credential.pointer("/cred/counter").and_then(Value::as_i64);
        Ok(Judged::Right(Registered {
            credential_id,
            sign_count: counter.ok_or_else(unknown_library)?,
            credential: credential.to_string(),
        }))
    }

    /// Asks for one of these passkeys, for so many seconds from now on.
    ///
    /// # Errors
    /// Refuses when there is none: an empty list would ask for any passkey of this domain.
    pub fn begin_assertion(
        &self,
        keys: &[Key],
        verification: Verification,
        now: Time,
        seconds: u32,
    ) -> Result<Begun> {
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

    /// Judges the answer of one of `user`'s passkeys; `keys` are those that count now.
    ///
    /// # Errors
    /// A fault when the state cannot be read.
    pub fn finish_assertion(
        &self,
        user: UserId,
        keys: Vec<Key>,
        state: &str,
        answer: Value,
    ) -> Result<Judged<Used>> {
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
        // As it is now: it may have been used since it was asked for.
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

    /// Looks at what is the same for every sign-in: where it was asked for, and what the passkey says
    /// about being synchronised; the key as it has to be judged.
    fn unchanged<T>(
        &self,
        given: Given<T>,
        key: Key,
    ) -> Result<std::result::Result<(Given<T>, Key), Flaw>> {
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

    /// Asks for any passkey of this domain, whoever holds it.
    ///
    /// # Errors
    /// A fault when the library is not the one we know.
    pub fn begin_discoverable(&self) -> Result<Begun> {
        let (options, state) = self
            .library
            .start_discoverable_authentication()
            .map_err(library)?;
        // Beside them the library asks for the passkey to be offered while a form is being filled in:
        // whether it is, or is asked for by a button, is for the page to say.
        let mut options = public_key(&options)?;
        set(&mut options, "/timeout", milliseconds(CEREMONY_SECONDS))?;
        Ok(Begun {
            options,
            state: print(&state)?,
        })
    }

    /// Judges the answer of the passkey that was found by [`identify`].
    ///
    /// # Errors
    /// A fault when the state cannot be read.
    pub fn finish_discoverable(
        &self,
        key: Key,
        state: &str,
        answer: &Found,
    ) -> Result<Judged<Used>> {
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

/// Whether a ceremony asks for this passkey.
fn asks_for(state: &Value, key: &Key) -> bool {
    let known = state.pointer("/ast/credentials").and_then(Value::as_array);
    known.into_iter().flatten().any(|credential| {
        let id = serde_json::from_value::<Passkey>(json!({ "cred": credential }));
        id.is_ok_and(|passkey| passkey.cred_id().as_slice() == key.id())
    })
}

/// The answer of an authenticator that was asked for any passkey.
#[derive(Clone, Debug)]
pub struct Found(Given<PublicKeyCredential>);

/// Reads whose passkey it is by its own account, and its credential id; nothing of it is proved.
pub fn identify(answer: Value) -> Option<(Found, UserId, Vec<u8>)> {
    let given = answer::assertion::<PublicKeyCredential>(answer);
    let given = given.inspect_err(refused).ok()?;
    let user = Uuid::from_slice(given.credential.get_user_unique_id()?).ok()?;
    let credential_id = given.credential.get_credential_id().to_vec();
    Some((Found(given), UserId::new(user), credential_id))
}

/// What stands against an answer goes to the log alone: its sender learns that it is wrong.
fn wrong<T>(error: &WebauthnError) -> Judged<T> {
    refused(error);
    match error {
        WebauthnError::CredentialPossibleCompromise => Judged::RolledBack,
        // Every other one of the library's.
        _ => Judged::Wrong,
    }
}

fn flawed<T>(flaw: Flaw) -> Judged<T> {
    refused(&flaw);
    Judged::Wrong
}

fn refused(error: &impl std::fmt::Display) {
    tracing::info!(%error, "a passkey was refused");
}

#[cfg(test)]
mod tests;
