//! `Vault`: everything that needs a key, such as keyed hashes, sealed values and access tokens; and password
//! hashing.

mod access;
pub mod hasher;
mod keyfile;
mod keyring;
mod sealing;
mod signature_cache;
mod tokens;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, bail};
use aws_lc_rs::{constant_time, digest as sha, hmac};

use countersign_base::chance::Chance;
use countersign_base::clock::Clock;
use countersign_base::config::{Settings, SigningAlgorithm};
use countersign_base::{chance, config};
use countersign_model::{self as model, Fault, Result, Secret, Time};

pub use access::{
    absolute, can_be_made, make_folder, private, refuse_open_to_others, warn_of_group,
};
pub use hasher::{Comparison, Hasher, PasswordVerdict};
pub use sealing::Place;
pub use tokens::{AccessClaims, PublicKey, TokenFlaw};

use keyfile::Stamp;
use keyring::{Ring, RingFile};
use sealing::SealFlaw;
use signature_cache::SignatureCache;
use tokens::TokenKey;

/// For how many seconds more than an access token's life a new signing key is published before it signs.
const OVERLAP_SECONDS: i64 = 600;

/// For how many seconds after a new sealing key another server may still seal with the old one. It must first
/// notice the new key file, and finish its writes.
const SEALS_ON_SECONDS: i64 = 20;

/// A known value, sealed. A ring that cannot open it does not belong to this database.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The sealing key that sealed it.
    pub key_id: String,
    /// The sealed value.
    pub sealed: Vec<u8>,
}

/// A key that was added.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key's id.
    pub id: String,
    /// When it begins to be used.
    pub from: Time,
}

/// The keys, and what is done with them. Clones share them.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    path: PathBuf,
    chance: Chance,
    rules: Rules,
    keys: RwLock<Arc<Keys>>,
    clocks: Clocks,
    /// The state of the key file when it was last checked, whether it was accepted or not; `None` if it could
    /// not be checked.
    seen: Mutex<Option<Stamp>>,
}

/// The ring, with its signing keys prepared for tokens.
struct Keys {
    ring: Ring,
    tokens: Vec<TokenKey>,
    signatures: SignatureCache,
}

struct Rules {
    issuer: String,
    algorithm: SigningAlgorithm,
    access_token_seconds: i64,
    leeway_seconds: i64,
    /// Whether this is a sandbox.
    sandbox: bool,
}

/// How far clocks may differ, and when a greater difference was last logged.
struct Clocks {
    leeway_seconds: i64,
    told: AtomicI64,
}

impl Vault {
    /// Opens the key file, or creates it if there is none.
    ///
    /// # Errors
    /// Returns an error, in one clear line, if the file cannot be created or read, if others can read it, or
    /// if it is not a key file.
    pub fn open(settings: &Settings, clock: &Clock, chance: &Chance) -> anyhow::Result<Self> {
        Self::make(settings, clock, chance)?;
        Self::read(settings, chance)
    }

    /// Opens the key file if there is one.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn find(settings: &Settings, chance: &Chance) -> anyhow::Result<Option<Self>> {
        if !keyfile::exists(&settings.key_file)? {
            return Ok(None);
        }
        Self::read(settings, chance).map(Some)
    }

    /// Creates the key file unless there is one, and returns whether it did. The file is on the disk then.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn make(settings: &Settings, clock: &Clock, chance: &Chance) -> anyhow::Result<bool> {
        keyfile::create(&settings.key_file, &unique(chance), || {
            let ring = RingFile::fresh(settings.signing_algorithm, chance, clock.now())?;
            ring.of_sandbox(settings.sandbox).print()
        })
    }

    fn read(settings: &Settings, chance: &Chance) -> anyhow::Result<Self> {
        let rules = Rules {
            issuer: settings.issuer(),
            algorithm: settings.signing_algorithm,
            access_token_seconds: i64::from(settings.policy.access_token_seconds),
            leeway_seconds: i64::from(settings.policy.token_leeway_seconds),
            sandbox: settings.sandbox,
        };
        let path = settings.key_file.clone();
        let (keys, stamp) = load(&path, &rules)?;
        let vault = Self(Arc::new(Inner {
            path,
            chance: chance.clone(),
            clocks: Clocks {
                leeway_seconds: rules.leeway_seconds,
                told: AtomicI64::new(i64::MIN),
            },
            rules,
            keys: RwLock::new(Arc::new(keys)),
            seen: Mutex::new(Some(stamp)),
        }));
        vault.sweep();
        Ok(vault)
    }

    /// Removes drafts of processes that were killed while they changed the key file. They contain keys.
    pub fn sweep(&self) {
        keyfile::sweep(&self.0.path);
    }

    /// Reads the key file again if it changed, and returns whether its keys are in use now. A state of the
    /// file that was refused is not read a second time.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or is not a later state of this ring. The keys in use
    /// stay.
    pub fn reload_if_changed(&self) -> anyhow::Result<bool> {
        let path = &self.0.path;
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let there = match keyfile::stamp(path) {
            Ok(there) => there,
            Err(error) => return seen.take().map_or(Ok(false), |_| Err(error)),
        };
        // This is stored before the file is read, so that a later change is noticed.
        if seen.replace(there) == Some(there) {
            return Ok(false);
        }
        let (keys, _) = load(path, &self.0.rules)?;
        self.check_succession(&keys.ring)?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(true)
    }

    /// Checks that a ring has the hash key of the present one, and each of its sealing keys that was not
    /// retired. Keys of another ring would lock everybody out. What they sealed could not be opened once the
    /// right ones are back.
    fn check_succession(&self, ring: &Ring) -> anyhow::Result<()> {
        let keys = self.keys();
        for canary in self.canaries_of(&keys)? {
            let retired = ring.retired.contains(&canary.key_id);
            if !retired && !opens(ring, &canary.key_id, &canary.sealed) {
                bail!(
                    "the key file {} is not the one in use with keys added (its key {} is missing or another): restore the right key file",
                    self.0.path.display(),
                    canary.key_id
                );
            }
        }
        if canary_value(ring, "") != canary_value(&keys.ring, "") {
            bail!(
                "the key file {} is not the one in use (its hash key is another): restore the right key file",
                self.0.path.display()
            );
        }
        Ok(())
    }

    /// Publishes a new signing key at once. It begins to sign after the overlap.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or replaced.
    pub fn rotate_signing(&self, now: Time) -> anyhow::Result<NewKey> {
        let Rules {
            algorithm,
            access_token_seconds,
            ..
        } = self.0.rules;
        let from = now.plus_seconds(access_token_seconds + OVERLAP_SECONDS);
        self.change(now, |file, chance| {
            let id = file.add_signing(algorithm, chance, now, from)?;
            Ok(NewKey { id, from })
        })
    }

    /// Removes all signing keys, and signs with a new one at once. All access tokens become invalid.
    ///
    /// # Errors
    /// As [`Vault::rotate_signing`].
    pub fn revoke_signing(&self, now: Time) -> anyhow::Result<NewKey> {
        let algorithm = self.0.rules.algorithm;
        self.change(now, |file, chance| {
            file.remove_signing();
            let id = file.add_signing(algorithm, chance, now, now)?;
            Ok(NewKey { id, from: now })
        })
    }

    /// Adds a sealing key, which seals from now on. The older ones still open what they sealed.
    ///
    /// # Errors
    /// As [`Vault::rotate_signing`].
    pub fn rotate_sealing(&self, now: Time) -> anyhow::Result<NewKey> {
        self.change(now, |file, chance| {
            let id = file.add_sealing(chance, now);
            Ok(NewKey { id, from: now })
        })
    }

    /// Returns the sealing keys before the newest, oldest first, and the time from which on no server seals
    /// with them.
    pub fn older_sealing(&self) -> (Vec<String>, Time) {
        let keys = self.keys();
        let Some((newest, older)) = keys.ring.sealing.split_last() else {
            return (Vec::new(), Time::from_micros(0));
        };
        let ids = older.iter().map(|key| key.id.clone()).collect();
        (ids, newest.created.plus_seconds(SEALS_ON_SECONDS))
    }

    /// Removes a sealing key. What it sealed cannot be opened any more, so the caller must make sure that
    /// nothing is left.
    ///
    /// # Errors
    /// As [`Vault::rotate_signing`]. Also returns an error if it is not an older sealing key.
    pub fn retire_sealing(&self, id: &str, now: Time) -> anyhow::Result<()> {
        self.change(now, |file, _| file.retire_sealing(id))
    }

    /// Whether the key file lists a sealing key with this id as retired.
    pub fn is_retired(&self, id: &str) -> bool {
        self.keys().ring.retired.iter().any(|retired| retired == id)
    }

    /// Changes the file, and then uses its new keys.
    fn change<T>(
        &self,
        now: Time,
        how: impl FnOnce(&mut RingFile, &Chance) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Inner {
            path,
            chance,
            rules,
            ..
        } = &*self.0;
        let life = rules.access_token_seconds + rules.leeway_seconds;
        let mut done = None;
        keyfile::change(path, &unique(chance), |text| {
            let mut file = RingFile::parse(text)?;
            self.check_succession(&Ring::open(&file, life)?)?;
            file.forget_retired(life, now);
            done = Some(how(&mut file, chance)?);
            file.print()
        })?;
        self.reload_if_changed()?;
        done.context("the key file was not changed")
    }

    /// Returns the HMAC-SHA-256 of `parts` with the ring's hash key. `domain` separates the uses. Each part
    /// is preceded by its length, so that no two lists of parts have the same input.
    pub fn keyed_hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        hash_with(&self.keys().ring, domain, parts)
    }

    /// Seals `plain` so that it opens in this `place` only. A nonce must never be used twice.
    ///
    /// # Errors
    /// Returns a fault if the cipher fails: only values of many gigabytes are too long for it.
    pub fn seal(&self, place: &Place, nonce: [u8; 24], plain: &[u8]) -> Result<Vec<u8>> {
        let keys = self.keys();
        let key = keys.ring.sealing.last();
        let key = key.context("the key ring has no sealing key")?;
        Ok(sealing::seal(key, place, nonce, plain)?)
    }

    /// Opens what was sealed in this `place`.
    ///
    /// # Errors
    /// Returns a fault if it was sealed in another place or changed, or its key is not in the ring.
    pub fn unseal(&self, place: &Place, sealed: &[u8]) -> Result<Secret<Vec<u8>>> {
        let opened = sealing::unseal(&self.keys().ring.sealing, place, sealed);
        let opened = match opened {
            // Another replica may have rotated the keys a moment ago.
            Err(SealFlaw::UnknownKey(_)) if self.reloaded() => {
                sealing::unseal(&self.keys().ring.sealing, place, sealed)
            }
            Ok(_) | Err(_) => opened,
        };
        opened.map_err(|unopened| Fault::bug(unopened.explain(place)).into())
    }

    /// Seals a value of an older key with the newest key; `None` if the newest key sealed it already.
    ///
    /// # Errors
    /// As [`Vault::unseal`] and [`Vault::seal`].
    pub fn reseal(&self, place: &Place, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
        let keys = self.keys();
        let newest = keys.ring.sealing.last().map(|key| key.id.as_str());
        if newest.is_some() && sealing::key_of(sealed) == newest {
            return Ok(None);
        }
        let plain = self.unseal(place, sealed)?;
        self.seal(place, self.0.chance.nonce(), plain.expose())
            .map(Some)
    }

    /// Returns the bytes that each value sealed by this key begins with.
    ///
    /// # Errors
    /// Returns a fault if no key can have this id.
    pub fn sealed_beginning(&self, key_id: &str) -> Result<Vec<u8>> {
        Ok(sealing::beginning(key_id)?)
    }

    fn reloaded(&self) -> bool {
        self.reload_if_changed().unwrap_or_else(|error| {
            // This is logged here, since the next check finds no change.
            tracing::error!(
                error = format!("{error:#}"),
                "the key file cannot be read again: the old keys stay in use"
            );
            false
        })
    }

    /// Returns a canary for each sealing key, to be stored in the database.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub fn canaries(&self) -> Result<Vec<Canary>> {
        Ok(self.canaries_of(&self.keys())?)
    }

    fn canaries_of(&self, keys: &Keys) -> anyhow::Result<Vec<Canary>> {
        let canary = |key: &keyring::SealingKey| -> anyhow::Result<Canary> {
            let plain = canary_value(&keys.ring, &key.id);
            let sealed = sealing::seal(key, &Place::CANARY, self.0.chance.nonce(), &plain)?;
            let key_id = key.id.clone();
            Ok(Canary { key_id, sealed })
        };
        keys.ring.sealing.iter().map(canary).collect()
    }

    /// Checks a canary of the database against the ring and its hash key.
    ///
    /// # Errors
    /// Returns an error if the key file does not belong to this database.
    pub fn check_canary(&self, key_id: &str, sealed: &[u8]) -> anyhow::Result<()> {
        if !opens(&self.keys().ring, key_id, sealed) {
            bail!(
                "the key file {} does not belong to this database (its key {key_id} is missing or another): restore the right key file, or name it with --key-file",
                absolute(&self.0.path).display()
            );
        }
        Ok(())
    }

    /// Signs an access token with the key that signs at its `iat`.
    ///
    /// # Errors
    /// Returns a fault if the key or the library fails.
    pub fn sign(&self, claims: &AccessClaims) -> Result<Secret<String>> {
        let keys = self.keys();
        tokens::sign(&keys.ring, &keys.tokens, claims)
    }

    /// Checks an access token at `now`: signature, type, issuer, audience and times. The caller must check
    /// the session.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub fn verify(&self, token: &str, now: Time) -> std::result::Result<AccessClaims, TokenFlaw> {
        let keys = self.keys();
        let clocks = &self.0.clocks;
        tokens::verify(&keys, token, clocks, now)
    }

    /// Returns when the newest signing key began to sign, or will begin.
    pub fn signs_since(&self) -> Time {
        Time::from_seconds(self.keys().ring.newest_signs_from())
    }

    /// Returns the issuer, which is also the audience (`iss` and `aud` of [`AccessClaims`]).
    pub fn issuer(&self) -> &str {
        &self.0.rules.issuer
    }

    /// Returns the public keys whose tokens are accepted at `now`, or will be.
    pub fn jwks(&self, now: Time) -> Vec<PublicKey> {
        let keys = self.keys();
        keys.ring.published(now).map(tokens::public_key).collect()
    }

    fn keys(&self) -> Arc<Keys> {
        let keys = self.0.keys.read();
        Arc::clone(&keys.unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the SHA-256, for secrets of 256 bits, which need no key and no slow hash.
pub fn digest(secret: &[u8]) -> [u8; 32] {
    copy_32(sha::digest(&sha::SHA256, secret).as_ref())
}

/// Compares in constant time (ASVS 11.2.4). The lengths are not secret.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn load(path: &Path, rules: &Rules) -> anyhow::Result<(Keys, Stamp)> {
    let (text, stamp) = keyfile::read(path)?;
    let told = || format!("the key file {} (setting key_file)", path.display());
    let life = rules.access_token_seconds + rules.leeway_seconds;
    let ring = RingFile::parse(&text).and_then(|file| {
        file.check_kind(rules.sandbox)?;
        Ring::open(&file, life)
    });
    let ring = ring.with_context(told)?;
    let tokens = ring
        .all_signing()
        .map(|key| TokenKey::new(key, &rules.issuer));
    let tokens = tokens.collect::<anyhow::Result<_>>().with_context(told)?;
    let signatures = SignatureCache::new();
    let keys = Keys {
        ring,
        tokens,
        signatures,
    };
    Ok((keys, stamp))
}

/// Returns a draft's name that no other process uses.
fn unique(chance: &Chance) -> String {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    format!("{}-{:x}", std::process::id(), u64::from_le_bytes(bytes))
}

fn hash_with(ring: &Ring, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&ring.hash_key);
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        context.update(&length(part));
        context.update(part);
    }
    copy_32(context.sign().as_ref())
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

/// Copies the 32 bytes of a SHA-256 output.
fn copy_32(bytes: &[u8]) -> [u8; 32] {
    let mut copy = [0; 32];
    copy.copy_from_slice(bytes);
    copy
}

/// Whether this ring opens the canary of a sealing key, and it has the expected value.
fn opens(ring: &Ring, key_id: &str, sealed: &[u8]) -> bool {
    sealing::unseal(&ring.sealing, &Place::CANARY, sealed)
        .is_ok_and(|plain| same(plain.expose(), &canary_value(ring, key_id)))
}

/// Returns the value of a canary: a keyed hash, so that it also proves the hash key.
fn canary_value(ring: &Ring, key_id: &str) -> [u8; 32] {
    hash_with(ring, "canary", &[key_id.as_bytes()])
}
