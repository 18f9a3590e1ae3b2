//! Codes that are sent: each is bound to its challenge, and only its keyed hash is stored.

use crate::factor::{Answer, Code, ComparisonInput, Expectation, Fit, Verdict};
use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::notice::Channel;
use crate::model::policy::Policy;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::{ChallengeId, Result, Secret, Time, UserId};
use crate::store::{Tx, factors};
use crate::vault::{self, Vault};

const DOMAIN: &str = "sent code";

/// Returns the keyed hash of a code for the row with this id. Six digits could be found from a plain hash at
/// once. The id makes sure that a code fits one challenge only (ASVS 6.6.2).
pub fn hash(vault: &Vault, row: &[u8; 16], code: &Secret<String>) -> Vec<u8> {
    vault
        .keyed_hash(DOMAIN, &[row, code.expose().as_bytes()])
        .to_vec()
}

/// Whether `code` is the one whose hash was stored for this row.
pub fn fits(vault: &Vault, row: &[u8; 16], kept: &[u8], code: &Code) -> bool {
    let typed = vault.keyed_hash(DOMAIN, &[row, code.expose().as_bytes()]);
    vault::same(&typed, kept)
}

/// A code and the link that goes with it. The code is derived from the link's secret, so that the link's page
/// can show it although the database has neither.
#[derive(Clone)]
pub struct Sending {
    challenge: ChallengeId,
    link: Secret<[u8; 32]>,
    /// The code, in decimal digits.
    pub code: Secret<String>,
}

impl Sending {
    /// Derives the code of this challenge and this link, with `digits` digits.
    pub fn new(vault: &Vault, challenge: ChallengeId, link: Secret<[u8; 32]>, digits: u32) -> Self {
        let parts: &[&[u8]] = &[challenge.as_bytes(), link.expose()];
        let hash = vault.keyed_hash("code of a link", parts);
        let mut eight = [0; 8];
        eight.copy_from_slice(&hash[..8]);
        // 64 bits modulo at most 10^10: the probabilities of the codes differ by less than 1 in 10^9.
        let number = u64::from_be_bytes(eight) % 10_u64.pow(digits.min(10));
        Self {
            challenge,
            link,
            code: Secret::new(format!("{number:0width$}", width = digits.min(10) as usize)),
        }
    }

    /// Returns the hash of the code, for the database.
    pub fn code_hash(&self, vault: &Vault) -> Vec<u8> {
        hash(vault, self.challenge.as_bytes(), &self.code)
    }

    /// Returns the hash of the link's secret, for the database.
    pub fn link_hash(&self) -> Vec<u8> {
        vault::digest(self.link.expose()).to_vec()
    }

    /// Returns the link's token.
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
    channel: Channel,
    link_hash: Option<Vec<u8>>,
    link_expires_at: Option<Time>,
}

impl SentCode {
    /// Reads the code of this challenge, which was sent by `channel`.
    pub fn of(vault: &Vault, challenge: &Challenge, channel: Channel) -> Self {
        Self {
            vault: vault.clone(),
            row: *challenge.id.as_bytes(),
            kept: challenge.code_hash.clone(),
            sent_at: challenge.last_sent_at.max(challenge.opened_at),
            channel,
            link_hash: challenge.link_hash.clone(),
            link_expires_at: challenge.link_expires_at,
        }
    }

    /// Whether the answer is the code, or the link that went with it, and has not expired (NIST SP 800-63B-4
    /// §3.1.3.2).
    pub fn fits(&self, answer: &Answer, policy: &Policy, now: Time) -> bool {
        if self.sent_at.is_some_and(|sent| sent.is_to_come(now)) {
            // The clock has gone back since. That must not lengthen the life of what was sent.
            return false;
        }
        match answer {
            Answer::Link(link) => self.is_link(link, now),
            Answer::RecoveryCode(code) | Answer::ScratchCode(code) | Answer::Code(code) => {
                self.is_code(code, policy, now)
            }
            Answer::Passkey(_) => false,
        }
    }

    fn is_link(&self, link: &Reference, now: Time) -> bool {
        let alive = self.link_expires_at.is_some_and(|end| end > now);
        let fits = self
            .link_hash
            .as_ref()
            .is_some_and(|kept| vault::same(&vault::digest(link.secret.expose()), kept));
        alive && fits && link.row.as_bytes() == &self.row
    }

    fn is_code(&self, code: &Code, policy: &Policy, now: Time) -> bool {
        let seconds = policy.code_seconds(self.channel);
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

/// The code that was sent, and why it counts.
struct SentCodeExpectation {
    sent: SentCode,
    stand: Stand,
}

/// Why a code that was sent still counts.
enum Stand {
    /// This factor, if it still exists.
    Factor(Box<Factor>),
    /// A policy makes the proved mailbox a factor, or the code confirms an act of the account.
    Policy,
    /// It does not count: its factor is gone.
    Gone,
}

/// Prepares the comparison with the code that was sent by `channel`.
pub fn expect(expecting: ComparisonInput<'_>, channel: Channel) -> Box<dyn Expectation> {
    let stand = match expecting.candidates.into_iter().next() {
        Some(factor) => Stand::Factor(Box::new(factor)),
        None if expecting.by_policy => Stand::Policy,
        None => Stand::Gone,
    };
    let sent = SentCode::of(expecting.vault, expecting.challenge, channel);
    Box::new(SentCodeExpectation { sent, stand })
}

impl Expectation for SentCodeExpectation {
    fn fit(&self, answer: &Answer, policy: &Policy, now: Time) -> Fit {
        Fit(vec![self.sent.fits(answer, policy, now).then_some(0)])
    }

    fn accept(&self, tx: &mut Tx, fit: &Fit, now: Time) -> Result<Verdict> {
        let right = match &self.stand {
            _ if !fit.is_any() => false,
            Stand::Factor(factor) => factors::used(tx, factor, now)?,
            Stand::Policy => true,
            Stand::Gone => false,
        };
        Ok(match right {
            true => Verdict::Right,
            false => Verdict::Wrong,
        })
    }
}
