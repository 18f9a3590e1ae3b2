//! Sealed values: encrypted, authenticated, and bound to their row (ASVS 11.3.3).

use anyhow::{Context, anyhow};
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use uuid::Uuid;

use crate::keyring::SealingKey;
use crate::model::ids::Id;
use crate::model::{FactorId, NoticeId, Secret, UserId};

/// The version of the form: this byte, the length of the key's id, the id, the nonce, the ciphertext.
const SEAL_VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// The row and column of a sealed value. It opens nowhere else, so rows cannot be swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The table and the column.
    column: &'static str,
    user: Uuid,
    row: Uuid,
}

impl Place {
    /// The place of a canary, which belongs to no row.
    pub(super) const CANARY: Self = Self {
        column: "key_canaries.sealed",
        user: Uuid::nil(),
        row: Uuid::nil(),
    };

    /// The place of a factor's secret.
    pub const fn factor_secret(user: UserId, factor: FactorId) -> Self {
        Self::new("factors.sealed_secret", user, factor)
    }

    /// The place of a notice's letter.
    pub const fn letter(user: UserId, notice: NoticeId) -> Self {
        Self::new("notices.sealed_letter", user, notice)
    }

    const fn new<U, R>(column: &'static str, user: Id<U>, row: Id<R>) -> Self {
        Self {
            column,
            user: user.uuid(),
            row: row.uuid(),
        }
    }
}

/// Why a sealed value could not be opened.
pub(super) enum SealFlaw {
    /// It does not have the form of a sealed value.
    Malformed,
    /// Its key is not in the ring.
    UnknownKey(String),
    /// It was changed or moved.
    Changed,
}

impl SealFlaw {
    /// Returns an error for the log, with the place and the key, but never the value.
    pub(super) fn explain(self, place: &Place) -> anyhow::Error {
        let Place { column, user, row } = place;
        let why = match self {
            Self::Malformed => "it has not the form of a sealed value".to_owned(),
            Self::UnknownKey(id) => format!("its key {id} is not in the key file"),
            Self::Changed => {
                "it was changed or moved, or the key file is not the right one".to_owned()
            }
        };
        anyhow!("{column} of user {user}, row {row} cannot be opened: {why}")
    }
}

/// Seals `plain` with `key` for its `place`.
pub(super) fn seal(
    key: &SealingKey,
    place: &Place,
    nonce: [u8; NONCE_BYTES],
    plain: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let aad = associated_data(place, &key.id);
    let payload = Payload {
        msg: plain,
        aad: &aad,
    };
    let ciphertext = key.cipher.encrypt(&XNonce::from(nonce), payload);
    let ciphertext = ciphertext.map_err(|_| anyhow!("a value could not be sealed"))?;
    let mut sealed = beginning(&key.id)?;
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens a sealed value in its `place`, with the key that it names.
pub(super) fn unseal(
    keys: &[SealingKey],
    place: &Place,
    sealed: &[u8],
) -> Result<Secret<Vec<u8>>, SealFlaw> {
    let (id, nonce, ciphertext) = split(sealed).ok_or(SealFlaw::Malformed)?;
    let key = keys.iter().find(|key| key.id == id);
    let key = key.ok_or_else(|| SealFlaw::UnknownKey(id.to_owned()))?;
    let aad = associated_data(place, id);
    let payload = Payload {
        msg: ciphertext,
        aad: &aad,
    };
    let plain = key.cipher.decrypt(&XNonce::from(nonce), payload);
    plain.map(Secret::new).map_err(|_| SealFlaw::Changed)
}

/// Returns the id of the key that sealed a value; `None` if it does not have the form of a sealed value.
pub(super) fn key_of(sealed: &[u8]) -> Option<&str> {
    split(sealed).map(|(id, ..)| id)
}

/// Returns the bytes that each value sealed by this key begins with.
pub(super) fn beginning(key_id: &str) -> anyhow::Result<Vec<u8>> {
    let id_length = u8::try_from(key_id.len()).context("a sealing key's id is too long")?;
    Ok([&[SEAL_VERSION, id_length], key_id.as_bytes()].concat())
}

/// Splits a sealed value into the key's id, the nonce and the ciphertext.
fn split(sealed: &[u8]) -> Option<(&str, [u8; NONCE_BYTES], &[u8])> {
    let (&[version, id_length], rest) = sealed.split_first_chunk()?;
    let (id, rest) = rest.split_at_checked(usize::from(id_length))?;
    let (nonce, ciphertext) = rest.split_first_chunk()?;
    let id = std::str::from_utf8(id).ok()?;
    (version == SEAL_VERSION).then_some((id, *nonce, ciphertext))
}

/// Returns what a sealed value is bound to, in addition to its key.
fn associated_data(place: &Place, key_id: &str) -> Vec<u8> {
    let mut data = vec![SEAL_VERSION];
    for part in [
        place.column.as_bytes(),
        place.user.as_bytes(),
        place.row.as_bytes(),
        key_id.as_bytes(),
    ] {
        data.extend_from_slice(&super::length(part));
        data.extend_from_slice(part);
    }
    data
}
