//! How each method proves a person: what a code is compared with, and what the comparison says.

use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::kinds::FactorKind;
use crate::model::policy::Policy;
use crate::model::{Result, Secret, Time};
use crate::store::{Tx, factors};
use crate::vault::Vault;

pub mod passkey;
pub mod recovery;
pub mod sent_code;
pub mod totp;

/// A code as typed, less the spaces and dashes that people put between digits.
#[derive(Clone, Debug)]
pub struct Code(Secret<String>);

impl Code {
    /// Reads what was typed.
    pub fn typed(text: &Secret<String>) -> Self {
        let is_filler =
            |c: &char| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}');
        Self(Secret::new(
            text.expose().chars().filter(is_filler).collect(),
        ))
    }

    /// The code.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What the comparison of a code said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits, and now it is used.
    Right,
    /// It does not fit.
    Wrong,
    /// It fits and was used before.
    Used {
        /// Seconds until the authenticator shows a code that was not used.
        retry_after: u32,
    },
}

/// What a challenge's code is compared with: worked out before the write, so that no secret is
/// unsealed while others wait for the writer.
pub enum Expected {
    /// Any of these authenticators; one try covers them all.
    Authenticators(Vec<totp::Authenticator>),
    /// The code that was mailed for this challenge, to the mailbox that stands as this factor.
    Sent(Box<(sent_code::SentCode, Option<Factor>)>),
}

impl Expected {
    /// Works out what fits a challenge. `candidates` are the factors it may be answered with.
    ///
    /// # Errors
    /// A fault when a secret cannot be unsealed.
    pub fn of(vault: &Vault, challenge: &Challenge, candidates: Vec<Factor>) -> Result<Self> {
        match challenge.kind {
            FactorKind::Authenticator => candidates
                .into_iter()
                .map(|factor| totp::Authenticator::unseal(vault, factor))
                .collect::<Result<_>>()
                .map(Self::Authenticators),
            FactorKind::Email
            | FactorKind::Sms
            | FactorKind::Passkey
            | FactorKind::RecoveryCode
            | FactorKind::ScratchCode => Ok(Self::Sent(Box::new((
                sent_code::SentCode::of(vault, challenge),
                candidates.into_iter().next(),
            )))),
        }
    }

    /// Compares, and marks what fits as used. Only after the attempt was taken.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn compare(&self, tx: &mut Tx, code: &Code, policy: &Policy, now: Time) -> Result<Verdict> {
        match self {
            Self::Authenticators(all) => totp::compare(tx, all, code, policy, now),
            Self::Sent(sent) => {
                let (sent, factor) = sent.as_ref();
                let stands = match factor {
                    Some(factor) => factors::stands(tx, factor)?,
                    None => false,
                };
                let fits = sent.fits(code, policy, now) && stands;
                Ok(if fits { Verdict::Right } else { Verdict::Wrong })
            }
        }
    }
}
