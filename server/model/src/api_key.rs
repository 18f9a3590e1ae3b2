//! API keys: their printed form, their scopes and their lifetime.

use diesel::prelude::*;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ids::{ApiKeyId, UserId};
use crate::kinds::Scope;
use crate::schema;
use crate::secret::Secret;
use crate::time::Time;

/// An API key in the database: everything but the key itself.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::api_keys, treat_none_as_default_value = false)]
pub struct ApiKey {
    /// The administrator who made it. It never has more rights than they have.
    pub user_id: UserId,
    /// The key's id.
    pub id: ApiKeyId,
    /// The name its maker gave it.
    pub name: String,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// Its first characters, so that people can tell keys apart.
    pub hint: String,
    /// SHA-256 of its secret. 256 random bits need no slow hash (ASVS 11.5.1).
    pub secret_hash: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
}

impl ApiKey {
    /// Returns the scopes that this version knows.
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.split(' ').filter_map(Scope::parse).collect()
    }
}

const PREFIX: &str = "csk_";
const BODY_BYTES: usize = 64;
/// Base62 digits of 64 bytes: 62^86 > 2^512.
const BODY_DIGITS: usize = 86;
/// Base62 digits of a CRC-32: 62^6 > 2^32.
const CHECK_DIGITS: usize = 6;
const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key as its holder sends it: `csk_`, base62 of user id ‖ key id ‖ 256-bit secret, and a CRC-32 in base62.
/// The checksum lets secret scanners recognise a key and shows typing mistakes at once.
#[derive(Clone, Debug)]
pub struct PrintedKey {
    /// The administrator who made it.
    pub user: UserId,
    /// The key's row.
    pub id: ApiKeyId,
    /// The secret.
    pub secret: Secret<[u8; 32]>,
}

impl PrintedKey {
    /// Returns the text of the key.
    pub fn print(&self) -> Secret<String> {
        let mut bytes = Zeroizing::new([0_u8; BODY_BYTES]);
        bytes[..16].copy_from_slice(self.user.as_bytes());
        bytes[16..32].copy_from_slice(self.id.as_bytes());
        bytes[32..].copy_from_slice(self.secret.expose());
        let body = Zeroizing::new(base62(bytes.as_slice(), BODY_DIGITS));
        let check = base62(
            &crc32fast::hash(body.as_bytes()).to_be_bytes(),
            CHECK_DIGITS,
        );
        Secret::new(format!("{PREFIX}{}{check}", body.as_str()))
    }

    /// Reads a key; `None` if the form or the checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let (body, check) = digits.split_at_checked(BODY_DIGITS)?;
        let expected = base62(
            &crc32fast::hash(body.as_bytes()).to_be_bytes(),
            CHECK_DIGITS,
        );
        if check != expected {
            return None;
        }
        let decoded = Zeroizing::new(base_x::decode(BASE62, body.trim_start_matches('0')).ok()?);
        let mut bytes = Zeroizing::new([0_u8; BODY_BYTES]);
        let start = BODY_BYTES.checked_sub(decoded.len())?;
        bytes[start..].copy_from_slice(&decoded);
        let (user, rest) = bytes.split_at(16);
        let (id, secret) = rest.split_at(16);
        Some(Self {
            user: UserId::new(Uuid::from_slice(user).ok()?),
            id: ApiKeyId::new(Uuid::from_slice(id).ok()?),
            secret: Secret::new(secret.try_into().ok()?),
        })
    }
}

/// Returns the bytes as a base62 number of at least `digits` digits.
fn base62(bytes: &[u8], digits: usize) -> String {
    let first = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let number = base_x::encode(BASE62, &bytes[first..]);
    format!("{number:0>digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PrintedKey {
        PrintedKey {
            user: UserId::new(Uuid::from_bytes([seed; 16])),
            id: ApiKeyId::new(Uuid::from_bytes([seed.wrapping_add(1); 16])),
            secret: Secret::new([seed.wrapping_mul(7); 32]),
        }
    }

    #[test]
    fn keys_are_read_back_and_typing_mistakes_are_not() {
        for seed in [0, 1, 127, 255] {
            let key = key(seed);
            let text = key.print();
            assert_eq!(text.expose().len(), 4 + 86 + 6);
            let read = PrintedKey::parse(text.expose()).expect("a key");
            assert_eq!((read.user, read.id), (key.user, key.id));
            assert_eq!(read.secret.expose(), key.secret.expose());
            let mut mistyped = text.expose().clone().into_bytes();
            mistyped[20] = if mistyped[20] == b'a' { b'b' } else { b'a' };
            let mistyped = String::from_utf8(mistyped).expect("ASCII");
            assert!(PrintedKey::parse(&mistyped).is_none());
        }
        assert!(PrintedKey::parse("csk_").is_none());
        assert!(PrintedKey::parse("csk_ü").is_none());
    }
}
