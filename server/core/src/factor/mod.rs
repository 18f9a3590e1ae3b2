//! How each method proves a person: what a code is compared with, and what the comparison says.

use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::kinds::FactorKind;
use crate::model::policy::Policy;
use crate::model::{Result, Secret, Time, typed};
use crate::store::{Tx, factors};
use crate::vault::Vault;

pub mod passkey;
pub mod recovery;
pub mod sent_code;
pub mod sms;
pub mod totp;

/// A code as typed, and the same less what people put between its signs or paste along.
#[derive(Clone, Debug)]
pub struct Code {
    typed: Secret<String>,
    plain: Secret<String>,
}

impl Code {
    /// Reads what was typed.
    pub fn typed(text: &Secret<String>) -> Self {
        Self {
            typed: Secret::new(typed::unspaced(text.expose())),
            plain: Secret::new(typed::plain(text.expose())),
        }
    }

    /// The code.
    pub fn expose(&self) -> &str {
        self.plain.expose()
    }

    /// What was typed, or pasted, with its dashes: a link's token has some.
    pub fn as_typed(&self) -> &str {
        self.typed.expose()
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

/// What a code was found to be of: for each authenticator the time step, or for a sent code a zero.
pub struct Fit(Vec<Option<i64>>);

impl Fit {
    /// Whether the code is right, if nobody used it before.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }
}

/// What a challenge's code is compared with: worked out before the write, so that no secret is
/// unsealed while others wait for the writer.
pub enum Expected {
    /// Any of these authenticators; one try covers them all.
    Authenticators(Vec<totp::Authenticator>),
    /// The code that was sent for this challenge.
    Sent(Box<sent_code::SentCode>, Stand),
    /// No code fits: the method has none, or only a recovery code does.
    Nothing,
}

/// Why a code that was sent counts.
pub enum Stand {
    /// This factor stands where it was seen.
    Factor(Box<Factor>),
    /// A policy makes the proved mailbox a factor; or it is the account's own act that is confirmed.
    Policy,
    /// Nothing does any more.
    Gone,
}

impl Expected {
    /// Works out what fits a challenge. `candidates` are the factors it may be answered with;
    /// `by_policy` says that the mailbox needs none of them.
    ///
    /// # Errors
    /// A fault when a secret cannot be unsealed.
    pub fn of(
        vault: &Vault,
        challenge: &Challenge,
        candidates: Vec<Factor>,
        by_policy: bool,
    ) -> Result<Self> {
        match challenge.kind {
            FactorKind::Authenticator => candidates
                .into_iter()
                .map(|factor| totp::Authenticator::unseal(vault, factor))
                .collect::<Result<_>>()
                .map(Self::Authenticators),
            FactorKind::Email | FactorKind::Sms => {
                let stand = match candidates.into_iter().next() {
                    Some(factor) => Stand::Factor(Box::new(factor)),
                    None if by_policy => Stand::Policy,
                    None => Stand::Gone,
                };
                let sent = sent_code::SentCode::of(vault, challenge);
                Ok(Self::Sent(Box::new(sent), stand))
            }
            FactorKind::Passkey | FactorKind::RecoveryCode | FactorKind::ScratchCode => {
                Ok(Self::Nothing)
            }
        }
    }

    /// Compares a code, before the write: nobody waits for the writer meanwhile.
    pub fn fit(&self, code: &Code, policy: &Policy, now: Time) -> Fit {
        Fit(match self {
            Self::Authenticators(all) => all
                .iter()
                .map(|one| one.matching_step(code, policy, now))
                .collect(),
            Self::Sent(sent, _) => vec![sent.fits(code, policy, now).then_some(0)],
            Self::Nothing => Vec::new(),
        })
    }

    /// Marks what fits as used. Only after the attempt was taken.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn accept(&self, tx: &mut Tx, fit: &Fit, now: Time) -> Result<Verdict> {
        match self {
            Self::Authenticators(all) => totp::accept(tx, all.iter().zip(&fit.0), now),
            Self::Sent(_, stand) => {
                let right = match stand {
                    _ if !fit.is_any() => false,
                    Stand::Factor(factor) => factors::used(tx, factor, now)?,
                    Stand::Policy => true,
                    Stand::Gone => false,
                };
                Ok(if right {
                    Verdict::Right
                } else {
                    Verdict::Wrong
                })
            }
            Self::Nothing => Ok(Verdict::Wrong),
        }
    }

    /// Whether this is the code that was sent: looked at before an attempt is taken, only to tell it
    /// from a scratch code of the same length.
    pub fn is_sent(&self, code: &Code, policy: &Policy, now: Time) -> bool {
        match self {
            Self::Sent(sent, _) => sent.fits(code, policy, now),
            Self::Authenticators(_) | Self::Nothing => false,
        }
    }

    /// How far the clock of the device is off whose code this is, in seconds, positive when it is
    /// ahead; `None` when the code fits no time within ten minutes.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn clock_offset(&self, tx: &mut Tx, code: &Code, now: Time) -> Result<Option<i32>> {
        let Self::Authenticators(all) = self else {
            return Ok(None);
        };
        for one in all {
            if let Some(offset) = one.clock_offset(tx, code, now)? {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }
}
