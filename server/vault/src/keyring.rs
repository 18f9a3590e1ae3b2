//! The key ring: one key for hashes, keys that seal, keys that sign, each with its id and its time.

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

/// The ring as the file has it. Keys are base64; times are seconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingFile {
    version: u32,
    hash_key: Encoded,
    sealing: Vec<SealingEntry>,
    /// The ids of sealing keys that were here and are no more, so that a ring without them is known to
    /// be a later state of the one with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<String>,
    signing: Vec<SigningEntry>,
}

/// Key bytes in base64, wiped when dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Encoded(String);

impl Encoded {
    fn new(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    fn decode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(&self.0).map(Zeroizing::new);
        bytes.map_err(|_| anyhow!("a key is not base64"))
    }

    /// Decodes a key of 256 bits; no weaker one is taken.
    fn decode_256(&self) -> Result<Zeroizing<[u8; 32]>> {
        let bytes = self.decode()?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
        key.map_err(|_| anyhow!("a key has not 32 bytes"))
    }
}

impl Drop for Encoded {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealingEntry {
    id: String,
    created: i64,
    key: Encoded,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningEntry {
    id: String,
    algorithm: String,
    created: i64,
    /// Published from `created` on, it signs from this moment on.
    signs_from: i64,
    /// PKCS#8.
    private: Encoded,
}

impl RingFile {
    /// A new ring whose keys are in use at once.
    pub(super) fn fresh(algorithm: SigningAlgorithm, chance: &Chance, now: Time) -> Result<Self> {
        let mut ring = Self {
            version: VERSION,
            hash_key: Encoded::new(chance.secret().expose()),
            sealing: Vec::new(),
            retired: Vec::new(),
            signing: Vec::new(),
        };
        ring.add_sealing(chance, now);
        ring.add_signing(algorithm, chance, now, now)?;
        Ok(ring)
    }

    /// Reads the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        // The parser's message may quote the text, and so a key.
        let told = |error: serde_json::Error| {
            anyhow!(
                "line {} is not what a key file holds: restore a copy of it",
                error.line()
            )
        };
        let ring: Self = serde_json::from_str(text).map_err(told)?;
        if ring.version != VERSION {
            bail!("version {} is not one this server knows", ring.version);
        }
        Ok(ring)
    }

    /// The text to write.
    pub(super) fn print(&self) -> Result<Zeroizing<String>> {
        let text = serde_json::to_string_pretty(self).context("printing the key ring")?;
        Ok(Zeroizing::new(text))
    }

    /// Adds a sealing key, which seals from now on; older ones go on opening what they sealed.
    pub(super) fn add_sealing(&mut self, chance: &Chance, now: Time) -> String {
        let id = name("seal", chance);
        self.sealing.push(SealingEntry {
            id: id.clone(),
            created: now.seconds(),
            key: Encoded::new(chance.secret().expose()),
        });
        id
    }

    /// Removes a sealing key for good: what it sealed opens no more. The newest stays, since it seals.
    pub(super) fn retire_sealing(&mut self, id: &str) -> Result<()> {
        let older = self.sealing.len().saturating_sub(1);
        let at = self.sealing.iter().take(older).position(|key| key.id == id);
        let at = at.with_context(|| format!("{id} is no older sealing key of the key file"))?;
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
            private: Encoded::new(&new_private_key(algorithm, chance)?),
        });
        Ok(id)
    }

    /// Removes all signing keys: every token they signed is refused from now on.
    pub(super) fn remove_signing(&mut self) {
        self.signing.clear();
    }

    /// Removes signing keys whose tokens were over at `now`, `life` seconds after a younger key took over.
    pub(super) fn forget_retired(&mut self, life: i64, now: Time) {
        let starts: Vec<i64> = self.signing.iter().map(|key| key.signs_from).collect();
        self.signing
            .retain(|key| !retired(key.signs_from, &starts, life, now));
    }
}

/// Whether a key's tokens are over: the first younger key began to sign more than `life` seconds ago.
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
        // The library draws this one itself; it takes no seed.
        SigningAlgorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?
        }
    };
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// The ring in use: keys parsed once, so that no call parses one.
pub(super) struct Ring {
    /// For keyed hashes; the same for as long as the database lives.
    pub(super) hash_key: hmac::Key,
    /// Oldest first; the last one seals.
    pub(super) sealing: Vec<SealingKey>,
    /// The ids of sealing keys that were retired.
    pub(super) retired: Vec<String>,
    /// In the order in which they begin to sign.
    signing: Vec<SigningKey>,
    /// Seconds that a key's tokens outlive its last signature, leeway included.
    life: i64,
}

/// A key that seals.
pub(super) struct SealingKey {
    /// Its id, which every sealed value names.
    pub(super) id: String,
    /// When it was made.
    pub(super) created: Time,
    /// The cipher with the key in it.
    pub(super) cipher: XChaCha20Poly1305,
}

/// A key that signs, or signed, or will.
pub(super) struct SigningKey {
    /// Its id, the tokens' `kid`.
    pub(super) id: String,
    /// From when on it signs.
    signs_from: i64,
    /// The key itself.
    pub(super) pair: Pair,
}

impl Ring {
    /// From when on the newest signing key signs, in seconds since 1970.
    pub(super) fn newest_signs_from(&self) -> i64 {
        self.signing.last().map_or(0, |key| key.signs_from)
    }
}

/// A private key with its public half.
pub(super) enum Pair {
    /// Ed25519.
    Ed(Ed25519KeyPair),
    /// ECDSA on P-256.
    Ec(EcdsaKeyPair),
}

impl Pair {
    /// Which algorithm it is for.
    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Ed(_) => SigningAlgorithm::EdDsa,
            Self::Ec(_) => SigningAlgorithm::Es256,
        }
    }

    /// The public half: 32 bytes, or 65 of an uncompressed point.
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Ed(pair) => pair.public_key().as_ref(),
            Self::Ec(pair) => pair.public_key().as_ref(),
        }
    }

    /// Signs in the form that a JWS carries (RFC 7518 §3.4, RFC 8037 §3.1).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = match self {
            Self::Ed(pair) => pair.try_sign(message)?,
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), message)?,
        };
        Ok(signature.as_ref().to_vec())
    }
}

impl Ring {
    /// Makes the keys of a file ready for use.
    pub(super) fn open(file: &RingFile, life: i64) -> Result<Self> {
        if file.sealing.is_empty() || file.signing.is_empty() {
            bail!("it has no sealing key or no signing key");
        }
        let sealing = file.sealing.iter().map(|entry| &entry.id);
        let ids: Vec<&String> = sealing
            .chain(file.signing.iter().map(|entry| &entry.id))
            .collect();
        // Of two keys with one id, one would seal what the other cannot open.
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

    /// The key that signs at `now`: the youngest that may.
    pub(super) fn signer(&self, now: Time) -> Option<&SigningKey> {
        let ready = |key: &&SigningKey| key.signs_from <= now.seconds();
        // A clock before all keys has gone back: the oldest key is the one every replica knows.
        let youngest = self.signing.iter().rev().find(ready);
        youngest.or_else(|| self.signing.first())
    }

    /// All signing keys, the retired ones too.
    pub(super) fn all_signing(&self) -> impl Iterator<Item = &SigningKey> {
        self.signing.iter()
    }

    /// The keys whose tokens count at `now`: those that will sign, that do, and that did a short while ago.
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
            unknown => bail!("{unknown:?} is no signing algorithm this server knows"),
        };
        Ok(Self {
            id: entry.id.clone(),
            signs_from: entry.signs_from,
            pair,
        })
    }
}
