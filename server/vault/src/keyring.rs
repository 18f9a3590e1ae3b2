//! The key ring: one key for hashes, keys that seal, and keys that sign, each with its id and its times.

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::chance::Chance;
use crate::config::SigningAlgorithm;
use crate::model::Time;

const VERSION: u32 = 1;

/// The ring as it is in the file. Keys are in base64, times in seconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingFile {
    version: u32,
    hash_key: Base64Key,
    sealing: Vec<SealingEntry>,
    /// The ids of sealing keys that were removed, so that a ring without them is recognised as a later state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<String>,
    signing: Vec<SigningEntry>,
    /// Whether a sandbox made it. Everybody can make the same keys, from the seed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sandbox: bool,
}

/// Key bytes in base64, erased when dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Base64Key(String);

impl Base64Key {
    fn new(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    fn decode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(&self.0).map(Zeroizing::new);
        bytes.map_err(|_| anyhow!("a key is not base64"))
    }

    /// Decodes a key of 256 bits. Shorter keys are refused.
    fn decode_256(&self) -> Result<Zeroizing<[u8; 32]>> {
        let bytes = self.decode()?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
        key.map_err(|_| anyhow!("a key does not have 32 bytes"))
    }
}

impl Drop for Base64Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealingEntry {
    id: String,
    created: i64,
    key: Base64Key,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningEntry {
    id: String,
    algorithm: String,
    created: i64,
    /// It is published from `created` on, and signs from this time on.
    signs_from: i64,
    /// The private key, in PKCS#8.
    private: Base64Key,
}

impl RingFile {
    /// Returns a new ring whose keys are used at once.
    pub(super) fn fresh(algorithm: SigningAlgorithm, chance: &Chance, now: Time) -> Result<Self> {
        let mut ring = Self {
            version: VERSION,
            hash_key: Base64Key::new(chance.secret().expose()),
            sealing: Vec::new(),
            retired: Vec::new(),
            signing: Vec::new(),
            sandbox: false,
        };
        ring.add_sealing(chance, now);
        ring.add_signing(algorithm, chance, now, now)?;
        Ok(ring)
    }

    /// Reads the text of a key file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        // The parser's message may quote the text, and so a key.
        let told = |error: serde_json::Error| {
            anyhow!(
                "line {} does not belong in a key file: restore a copy of the file",
                error.line()
            )
        };
        let ring: Self = serde_json::from_str(text).map_err(told)?;
        if ring.version != VERSION {
            bail!("this server does not know version {}", ring.version);
        }
        Ok(ring)
    }

    /// Marks it as made by a sandbox, or not.
    #[must_use]
    pub(super) fn of_sandbox(self, sandbox: bool) -> Self {
        Self { sandbox, ..self }
    }

    /// Refuses the keys of a sandbox for a server, and the keys of a server for a sandbox.
    pub(super) fn check_kind(&self, sandbox: bool) -> Result<()> {
        match (self.sandbox, sandbox) {
            (true, false) => bail!(
                "a sandbox made it, and everybody can make the same keys: delete its folder, and start with an empty one"
            ),
            (false, true) => {
                bail!("it belongs to a server, and the sandbox does not open a server's keys")
            }
            _same => Ok(()),
        }
    }

    /// Returns the text for a key file.
    pub(super) fn print(&self) -> Result<Zeroizing<String>> {
        let text = serde_json::to_string_pretty(self).context("printing the key ring")?;
        Ok(Zeroizing::new(text))
    }

    /// Adds a sealing key, which seals from now on. The older ones still open what they sealed.
    pub(super) fn add_sealing(&mut self, chance: &Chance, now: Time) -> String {
        let id = name("seal", chance);
        self.sealing.push(SealingEntry {
            id: id.clone(),
            created: now.seconds(),
            key: Base64Key::new(chance.secret().expose()),
        });
        id
    }

    /// Removes a sealing key for good. What it sealed cannot be opened any more. The newest stays, since it
    /// seals.
    pub(super) fn retire_sealing(&mut self, id: &str) -> Result<()> {
        let older = self.sealing.len().saturating_sub(1);
        let at = self.sealing.iter().take(older).position(|key| key.id == id);
        let at = at.with_context(|| format!("{id} is not an older sealing key of the key file"))?;
        let gone = self.sealing.remove(at);
        self.retired.push(gone.id);
        Ok(())
    }

    /// Adds a signing key that signs from `signs_from` on.
    pub(super) fn add_signing(
        &mut self,
        algorithm: SigningAlgorithm,
        chance: &Chance,
        now: Time,
        signs_from: Time,
    ) -> Result<String> {
        let id = name("sign", chance);
        self.signing.push(SigningEntry {
            id: id.clone(),
            algorithm: algorithm.as_str().to_owned(),
            created: now.seconds(),
            signs_from: signs_from.seconds(),
            private: Base64Key::new(&new_private_key(algorithm, chance)?),
        });
        Ok(id)
    }

    /// Removes all signing keys. Their tokens are refused from now on.
    pub(super) fn remove_signing(&mut self) {
        self.signing.clear();
    }

    /// Removes signing keys whose last tokens have expired: a newer key began to sign `life` seconds before
    /// `now`.
    pub(super) fn forget_retired(&mut self, life: i64, now: Time) {
        let starts: Vec<i64> = self.signing.iter().map(|key| key.signs_from).collect();
        self.signing
            .retain(|key| !retired(key.signs_from, &starts, life, now));
    }
}

/// Whether a key's last tokens have expired: the next newer key began to sign at least `life` seconds ago.
fn retired(signs_from: i64, starts: &[i64], life: i64, now: Time) -> bool {
    let successor = starts.iter().filter(|&&start| start > signs_from).min();
    successor.is_some_and(|start| start.saturating_add(life) <= now.seconds())
}

fn name(kind: &str, chance: &Chance) -> String {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    format!("{kind}-{}", HEXLOWER.encode(&bytes))
}

fn new_private_key(algorithm: SigningAlgorithm, chance: &Chance) -> Result<Zeroizing<Vec<u8>>> {
    let document = match algorithm {
        SigningAlgorithm::EdDsa => {
            Ed25519KeyPair::from_seed_unchecked(chance.secret().expose())?.to_pkcs8()?
        }
        // The library draws this key itself. It accepts no seed.
        SigningAlgorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?
        }
    };
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// The ring in use. Its keys are parsed once, not on each call.
pub(super) struct Ring {
    /// The key for keyed hashes. It stays the same as long as the database exists.
    pub(super) hash_key: hmac::Key,
    /// The sealing keys, oldest first. The last one seals.
    pub(super) sealing: Vec<SealingKey>,
    /// The ids of sealing keys that were retired.
    pub(super) retired: Vec<String>,
    /// The signing keys, in the order in which they begin to sign.
    signing: Vec<SigningKey>,
    /// For how many seconds a token may be accepted after it was signed: its lifetime and the leeway.
    life: i64,
}

/// A key that seals.
pub(super) struct SealingKey {
    /// The key's id, which every sealed value contains.
    pub(super) id: String,
    /// When it was created.
    pub(super) created: Time,
    /// The cipher with this key.
    pub(super) cipher: XChaCha20Poly1305,
}

/// A key that signs, did sign, or will sign.
pub(super) struct SigningKey {
    /// The key's id, `kid` in tokens.
    pub(super) id: String,
    /// When it begins to sign, in seconds since 1970.
    signs_from: i64,
    /// The private and the public key.
    pub(super) pair: Pair,
}

impl Ring {
    /// Returns when the newest signing key begins to sign, in seconds since 1970.
    pub(super) fn newest_signs_from(&self) -> i64 {
        self.signing.last().map_or(0, |key| key.signs_from)
    }
}

/// A private key with its public key.
pub(super) enum Pair {
    /// Ed25519.
    Ed(Ed25519KeyPair),
    /// ECDSA on P-256.
    Ec(EcdsaKeyPair),
}

impl Pair {
    /// Returns the algorithm of the key.
    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Ed(_) => SigningAlgorithm::EdDsa,
            Self::Ec(_) => SigningAlgorithm::Es256,
        }
    }

    /// Returns the public key: 32 bytes, or an uncompressed point of 65 bytes.
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Ed(pair) => pair.public_key().as_ref(),
            Self::Ec(pair) => pair.public_key().as_ref(),
        }
    }

    /// Signs in the form that a JWS contains (RFC 7518 §3.4, RFC 8037 §3.1).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = match self {
            Self::Ed(pair) => pair.try_sign(message)?,
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), message)?,
        };
        Ok(signature.as_ref().to_vec())
    }
}

impl Ring {
    /// Prepares the keys of a file for use.
    pub(super) fn open(file: &RingFile, life: i64) -> Result<Self> {
        if file.sealing.is_empty() || file.signing.is_empty() {
            bail!("it has no sealing key or no signing key");
        }
        let sealing = file.sealing.iter().map(|entry| &entry.id);
        let ids: Vec<&String> = sealing
            .chain(file.signing.iter().map(|entry| &entry.id))
            .collect();
        // With two keys of the same id, one could seal what the other cannot open.
        if let Some(id) = (1..ids.len()).find_map(|at| ids[..at].iter().find(|id| **id == ids[at]))
        {
            bail!("two keys have the id {id}");
        }
        let sealing = file.sealing.iter().map(SealingKey::open);
        let signing = file.signing.iter().map(SigningKey::open);
        let mut signing: Vec<SigningKey> = signing.collect::<Result<_>>()?;
        signing.sort_by_key(|key| key.signs_from);
        Ok(Self {
            hash_key: hmac::Key::new(hmac::HMAC_SHA256, &*file.hash_key.decode_256()?),
            sealing: sealing.collect::<Result<_>>()?,
            retired: file.retired.clone(),
            signing,
            life,
        })
    }

    /// Returns the key that signs at `now`: the newest that may.
    pub(super) fn signer(&self, now: Time) -> Option<&SigningKey> {
        let ready = |key: &&SigningKey| key.signs_from <= now.seconds();
        // If the clock is before all keys, it has gone back. Then the oldest key signs, which every replica
        // knows.
        let youngest = self.signing.iter().rev().find(ready);
        youngest.or_else(|| self.signing.first())
    }

    /// Returns all signing keys, retired ones too.
    pub(super) fn all_signing(&self) -> impl Iterator<Item = &SigningKey> {
        self.signing.iter()
    }

    /// Returns the keys whose tokens are accepted at `now`: those that sign, will sign, or did until
    /// recently.
    pub(super) fn published(&self, now: Time) -> impl Iterator<Item = &SigningKey> {
        let starts: Vec<i64> = self.signing.iter().map(|key| key.signs_from).collect();
        let current = move |key: &&SigningKey| !retired(key.signs_from, &starts, self.life, now);
        self.signing.iter().filter(current)
    }
}

impl SealingKey {
    fn open(entry: &SealingEntry) -> Result<Self> {
        if entry.id.is_empty() || entry.id.len() > 255 {
            bail!("a sealing key's id is empty or longer than 255 bytes");
        }
        Ok(Self {
            id: entry.id.clone(),
            created: Time::from_seconds(entry.created),
            cipher: XChaCha20Poly1305::new(&(*entry.key.decode_256()?).into()),
        })
    }
}

impl SigningKey {
    fn open(entry: &SigningEntry) -> Result<Self> {
        let private = entry.private.decode()?;
        let told = |_| anyhow!("the signing key {} cannot be read", entry.id);
        let pair = match entry.algorithm.as_str() {
            "EdDSA" => Pair::Ed(Ed25519KeyPair::from_pkcs8(&private).map_err(told)?),
            "ES256" => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                Pair::Ec(EcdsaKeyPair::from_pkcs8(algorithm, &private).map_err(told)?)
            }
            unknown => bail!("this server does not know the signing algorithm {unknown:?}"),
        };
        Ok(Self {
            id: entry.id.clone(),
            signs_from: entry.signs_from,
            pair,
        })
    }
}
