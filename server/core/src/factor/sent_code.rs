//! Codes that are sent: bound to their challenge, kept as a keyed hash only.

use crate::factor::Code;
use crate::model::challenge::Challenge;
use crate::model::kinds::FactorKind;
use crate::model::policy::Policy;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::{ChallengeId, Secret, Time, UserId};
use crate::vault::{self, Vault};

const DOMAIN: &str = "sent code";

/// The keyed hash of a code sent for the row with this id: six digits alone would be found from a
/// plain hash at once, and a code of one challenge must not fit another (ASVS 6.6.2).
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

/// A code and the link that goes with it in one letter: the code follows from the link's secret, so
/// that the link's page can show it and the database holds neither.
#[derive(Clone)]
pub struct Sending {
    challenge: ChallengeId,
    link: Secret<[u8; 32]>,
    /// The code, decimal digits.
    pub code: Secret<String>,
}

impl Sending {
    /// The code of this challenge and this link, of `digits` digits.
    pub fn new(vault: &Vault, challenge: ChallengeId, link: Secret<[u8; 32]>, digits: u32) -> Self {
        let parts: &[&[u8]] = &[challenge.as_bytes(), link.expose()];
        let hash = vault.keyed_hash("code of a link", parts);
        let mut eight = [0; 8];
        eight.copy_from_slice(&hash[..8]);
        // 64 bits over 10^10 at most: the codes differ in likelihood by less than 1 in 10^9.
        let number = u64::from_be_bytes(eight) % 10_u64.pow(digits.min(10));
        Self {
            challenge,
            link,
            code: Secret::new(format!("{number:0width$}", width = digits.min(10) as usize)),
        }
    }

    /// What the database keeps of the code.
    pub fn code_hash(&self, vault: &Vault) -> Vec<u8> {
        hash(vault, self.challenge.as_bytes(), &self.code)
    }

    /// What the database keeps of the link.
    pub fn link_hash(&self) -> Vec<u8> {
        vault::digest(self.link.expose()).to_vec()
    }

    /// The link's token.
    pub fn token(&self, user: UserId) -> Secret<String> {
        Reference::new(user, self.challenge, self.link.clone()).print(ReferenceKind::MagicLink)
    }
}

/// The last code sent for a challenge.
pub struct SentCode {
    vault: Vault,
    row: [u8; 16],
    kept: Option<Vec<u8>>,
    sent_at: Option<Time>,
    by_sms: bool,
    link_hash: Option<Vec<u8>>,
    link_expires_at: Option<Time>,
}

impl SentCode {
    /// The one of this challenge.
    pub fn of(vault: &Vault, challenge: &Challenge) -> Self {
        Self {
            vault: vault.clone(),
            row: *challenge.id.as_bytes(),
            kept: challenge.code_hash.clone(),
            sent_at: challenge.last_sent_at.max(challenge.opened_at),
            by_sms: challenge.kind == FactorKind::Sms,
            link_hash: challenge.link_hash.clone(),
            link_expires_at: challenge.link_expires_at,
        }
    }

    /// Whether the code, or the token of the link that went with it, fits and is not past its
    /// lifetime (NIST SP 800-63B-4 §3.1.3.2).
    pub fn fits(&self, code: &Code, policy: &Policy, now: Time) -> bool {
        if self.sent_at.is_some_and(|sent| sent.is_to_come(now)) {
            // The clock went back since: that must not lengthen the life of what was sent.
            return false;
        }
        if let Some(link) = Reference::parse(ReferenceKind::MagicLink, code.as_typed()) {
            let alive = self.link_expires_at.is_some_and(|end| end > now);
            let fits = self
                .link_hash
                .as_ref()
                .is_some_and(|kept| vault::same(&vault::digest(link.secret.expose()), kept));
            return alive && fits && link.row.as_bytes() == &self.row;
        }
        let seconds = match self.by_sms {
            true => policy.sms_code_seconds,
            false => policy.mail_code_seconds,
        };
        let alive = self
            .sent_at
            .is_some_and(|sent| sent.plus_seconds(i64::from(seconds)) > now);
        let fits = self
            .kept
            .as_ref()
            .is_some_and(|kept| fits(&self.vault, &self.row, kept, code));
        alive && fits
    }
}
