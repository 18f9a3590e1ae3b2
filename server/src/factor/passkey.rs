//! Passkeys: what is asked of an authenticator, and whether its answer is right (WebAuthn level 3).
//!
//! The library keeps the state of a ceremony; we keep that state as JSON in the database, where it is
//! taken before an answer is looked at, so that no answer is ever judged twice. The challenge (32
//! bytes, P-40) is the one random value in this server that `Chance` does not draw.

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    AuthenticationResult, CredentialID, DiscoverableAuthentication, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use crate::config::Settings;
use crate::model::factor::Factor;
use crate::model::user::User;
use crate::model::{Fault, Refusal, Result, UserId};

/// How strongly the authenticator is asked to check who holds it (P-42).
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
pub struct RelyingParty(Webauthn);

impl RelyingParty {
    /// The one that the settings say.
    ///
    /// # Errors
    /// Refuses with `otherwise` where clients know this server by an IP address, which passkeys cannot
    /// be bound to.
    pub fn of(settings: &Settings, otherwise: Refusal) -> Result<Self> {
        let mut pages = Vec::new();
        for page in settings.passkey_pages() {
            pages.push(Url::parse(page).map_err(Fault::bug)?);
        }
        let (first, others) = pages.split_first().ok_or(otherwise)?;
        let builder = WebauthnBuilder::new(&settings.passkey_rp_id, first).map_err(library)?;
        // Its default timeout is P-40's 300 s.
        let webauthn = others
            .iter()
            .fold(builder, WebauthnBuilder::append_allowed_origin)
            .rp_name(&settings.issuer_name)
            .build();
        Ok(Self(webauthn.map_err(library)?))
    }

    /// Begins registering a passkey of `user`, who has `known` ones.
    ///
    /// # Errors
    /// A fault when the library is not the one we know.
    pub fn begin_registration(&self, user: &User, known: &[Key]) -> Result<Begun> {
        let excluded: Vec<CredentialID> = known.iter().map(|key| key.id().to_vec()).collect();
        let names = [user.first_name.as_deref(), user.last_name.as_deref()];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let shown = if name.is_empty() { &user.email } else { &name };
        let (options, state) = self
            .0
            .start_passkey_registration(user.id.uuid(), &user.email, shown, Some(excluded))
            .map_err(library)?;
        let mut options = public_key(&options)?;
        // The library discourages discoverable credentials, without which nobody signs in by passkey
        // alone, and asks for ones that never work without user verification, which after a password
        // they may (P-42); alone they must not be found without it (CTAP 2.1 §12.1).
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
        Ok(Begun {
            options,
            state: state.to_string(),
        })
    }

    /// Judges the answer to a registration's options.
    ///
    /// # Errors
    /// A fault when the state cannot be read.
    pub fn finish_registration(&self, state: &str, answer: Value) -> Result<Judged<Registered>> {
        let state: PasskeyRegistration = parse(state)?;
        let Some(answer) = read::<RegisterPublicKeyCredential>(answer) else {
            return Ok(Judged::Wrong);
        };
        let passkey = match self.0.finish_passkey_registration(&answer, &state) {
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

    /// Asks for one of these passkeys.
    ///
    /// # Errors
    /// Refuses when there is none: an empty list would ask for any passkey of this domain.
    pub fn begin_assertion(&self, keys: &[Key], verification: Verification) -> Result<Begun> {
        if keys.is_empty() {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        let passkeys: Vec<Passkey> = keys.iter().map(|key| key.passkey.clone()).collect();
        let (options, state) = self
            .0
            .start_passkey_authentication(&passkeys)
            .map_err(library)?;
        let (mut options, mut state) = (public_key(&options)?, value(&state)?);
        let word = verification.word();
        set(&mut options, "/userVerification", word)?;
        set(&mut state, "/ast/policy", word)?;
        Ok(Begun {
            options,
            state: state.to_string(),
        })
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
        let state: PasskeyAuthentication = parse(state)?;
        let Some(answer) = read::<PublicKeyCredential>(answer) else {
            return Ok(Judged::Wrong);
        };
        let of_user = answer
            .get_user_unique_id()
            .is_none_or(|handle| handle == user.as_bytes());
        let mut keys = keys.into_iter();
        let Some(key) = keys.find(|key| of_user && key.id() == answer.get_credential_id()) else {
            return Ok(Judged::Wrong);
        };
        match self.0.finish_passkey_authentication(&answer, &state) {
            Ok(result) => key.used(&result),
            Err(error) => Ok(wrong(&error)),
        }
    }

    /// Asks for any passkey of this domain, whoever holds it.
    ///
    /// # Errors
    /// A fault when the library is not the one we know.
    pub fn begin_discoverable(&self) -> Result<Begun> {
        let (options, state) = self
            .0
            .start_discoverable_authentication()
            .map_err(library)?;
        // Beside them the library asks for the passkey to be offered while a form is being filled in:
        // whether it is, or is asked for by a button, is for the page to say.
        Ok(Begun {
            options: public_key(&options)?,
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
        let finished = self
            .0
            .finish_discoverable_authentication_v2(&answer.0, state, &key.passkey);
        match finished {
            Ok(result) => key.used(&result),
            Err(error) => Ok(wrong(&error)),
        }
    }
}

/// The answer of an authenticator that was asked for any passkey.
#[derive(Clone, Debug)]
pub struct Found(PublicKeyCredential);

/// Reads whose passkey it is by its own account, and its credential id; nothing of it is proved.
pub fn identify(answer: Value) -> Option<(Found, UserId, Vec<u8>)> {
    let answer = read::<PublicKeyCredential>(answer)?;
    let user = Uuid::from_slice(answer.get_user_unique_id()?).ok()?;
    let credential_id = answer.get_credential_id().to_vec();
    Some((Found(answer), UserId::new(user), credential_id))
}

/// Reads an answer. Some clients write the standard alphabet of base64 where WebAuthn has the
/// URL-safe one.
fn read<T: DeserializeOwned>(mut answer: Value) -> Option<T> {
    url_safe(answer.get_mut("rawId"));
    if let Some(Value::Object(response)) = answer.get_mut("response") {
        for (_, field) in response.iter_mut() {
            url_safe(Some(field));
        }
    }
    if is_framed(&answer) {
        return None;
    }
    serde_json::from_value(answer).ok()
}

/// Whether it was given in a frame of another origin's page, where nobody of ours asks (WebAuthn §7.2;
/// the library looks at registrations alone).
fn is_framed(answer: &Value) -> bool {
    let client_data = answer.pointer("/response/clientDataJSON");
    let text = client_data.and_then(Value::as_str).unwrap_or_default();
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap_or_default();
    let client_data: Option<Value> = serde_json::from_slice(&bytes).ok();
    client_data.is_some_and(|data| data["crossOrigin"] == Value::Bool(true))
}

fn url_safe(field: Option<&mut Value>) {
    if let Some(Value::String(text)) = field {
        *text = text
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_");
    }
}

/// What stands against an answer goes to the log alone: its sender learns that it is wrong.
fn wrong<T>(error: &WebauthnError) -> Judged<T> {
    tracing::info!(%error, "a passkey was refused");
    match error {
        WebauthnError::CredentialPossibleCompromise => Judged::RolledBack,
        // Every other one of the library's.
        _ => Judged::Wrong,
    }
}

fn library(error: WebauthnError) -> Fault {
    Fault::bug(anyhow::Error::new(error).context("webauthn-rs"))
}

fn unknown_library() -> Fault {
    Fault::bug(anyhow::anyhow!("webauthn-rs prints what we do not know"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(Fault::bug)?)
}

fn print(what: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(what).map_err(Fault::bug)?)
}

fn value(what: &impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(what).map_err(Fault::bug)?)
}

/// What the browser takes as `publicKey`.
fn public_key(options: &impl Serialize) -> Result<Value> {
    let found = value(options)?.get_mut("publicKey").map(Value::take);
    Ok(found.ok_or_else(unknown_library)?)
}

/// Changes a word that the library says.
fn set(within: &mut Value, pointer: &str, word: &str) -> Result<()> {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let field = within
        .pointer_mut(parent)
        .and_then(|parent| parent.get_mut(name));
    *field.ok_or_else(unknown_library)? = json!(word);
    Ok(())
}

#[cfg(test)]
mod tests;
