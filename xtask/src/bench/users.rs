//! The users of a benchmark. Ids, addresses, authenticators and references follow from a user's
//! number.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, anyhow};
use countersign_model::Secret;
use countersign_model::ids::Id;
use countersign_model::reference::{Reference, ReferenceKind};
use countersign_vault as vault;
use totp_rs::{Builder, Totp};
use uuid::Uuid;

/// The password of all users.
pub const PASSWORD: &str = "correct horse battery staple";

/// Returns the id of the n-th user's rows: in order, as UUIDv7 are, and in a form that SQL can
/// compute too.
pub fn uuid(number: u32) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

/// Returns the address of the n-th user.
pub fn email(number: u32) -> String {
    format!("user{number:08}@example.com")
}

/// Returns the secret of the n-th user's authenticator.
pub fn secret(number: u32) -> [u8; 20] {
    let digest = vault::digest(&number.to_be_bytes());
    let mut secret = [0; 20];
    secret.copy_from_slice(&digest[..20]);
    secret
}

/// Returns the authenticator of the n-th user.
///
/// # Errors
/// Fails if the library refuses the secret.
pub fn authenticator(number: u32) -> Result<Totp> {
    Builder::new()
        .with_secret(secret(number).to_vec())
        .build()
        .map_err(|error| anyhow!("{error}"))
}

/// Returns the secret in the `mfaToken` of the n-th user's sign-in.
pub fn reference_secret(number: u32) -> [u8; 32] {
    vault::digest(&[b"reference".as_slice(), &number.to_be_bytes()].concat())
}

/// Returns the `mfaToken` of the n-th user's sign-in.
pub fn token(number: u32) -> String {
    let (id, secret) = (uuid(number), Secret::new(reference_secret(number)));
    let reference = Reference::new::<(), ()>(Id::new(id), Id::new(id), secret);
    reference.print(ReferenceKind::Challenge).expose().clone()
}

/// Yields each user once, in no particular order. All loads on one database share it.
pub struct Users {
    count: u32,
    next: AtomicU32,
}

impl Users {
    /// Starts with all users.
    pub const fn new(count: u32) -> Self {
        Self {
            count,
            next: AtomicU32::new(0),
        }
    }

    /// Returns the next user; `None` when all were returned.
    pub fn next(&self) -> Option<u32> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then(|| nth(number, self.count))
    }
}

/// Returns the user at the n-th place. The step is a prime that divides none of the counts we use.
pub fn nth(number: u32, count: u32) -> u32 {
    let shuffled = u64::from(number) * 104_729 % u64::from(count.max(1));
    u32::try_from(shuffled).unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Users;

    #[test]
    fn everybody_comes_once() {
        let users = Users::new(1000);
        let come: BTreeSet<u32> = std::iter::from_fn(|| users.next()).collect();
        assert_eq!(come, (1..=1000).collect());
    }
}
