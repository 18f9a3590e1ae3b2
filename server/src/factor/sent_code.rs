//! Codes that are sent: bound to their challenge, kept as a keyed hash only.

use crate::factor::Code;
use crate::model::challenge::Challenge;
use crate::model::policy::Policy;
use crate::model::{Secret, Time};
use crate::vault::{self, Vault};

const DOMAIN: &str = "sent code";

/// The keyed hash of a code sent for the row with this id: six digits alone would be found from a
/// plain hash at once, and a code of one challenge must not fit another (N-051).
pub fn hash(vault: &Vault, row: &[u8; 16], code: &Secret<String>) -> Vec<u8> {
    vault
        .keyed_hash(DOMAIN, &[row, code.expose().as_bytes()])
        .to_vec()
}

/// Whether `code` is the one whose hash was kept for this row.
pub fn fits(vault: &Vault, row: &[u8; 16], kept: &[u8], code: &Code) -> bool {
    let typed = vault.keyed_hash(DOMAIN, &[row, code.expose().as_bytes()]);
    vault::same(&typed, kept)
}

/// The last code sent for a challenge.
pub struct SentCode {
    vault: Vault,
    row: [u8; 16],
    kept: Option<Vec<u8>>,
    sent_at: Option<Time>,
}

impl SentCode {
    /// The one of this challenge.
    pub fn of(vault: &Vault, challenge: &Challenge) -> Self {
        Self {
            vault: vault.clone(),
            row: *challenge.id.as_bytes(),
            kept: challenge.code_hash.clone(),
            sent_at: challenge.last_sent_at,
        }
    }

    /// Whether the code fits and is not past its lifetime (P-12, N-049).
    pub fn fits(&self, code: &Code, policy: &Policy, now: Time) -> bool {
        let alive = self
            .sent_at
            .is_some_and(|sent| sent.plus_seconds(i64::from(policy.mail_code_seconds)) > now);
        let fits = self
            .kept
            .as_ref()
            .is_some_and(|kept| fits(&self.vault, &self.row, kept, code));
        alive && fits
    }
}
