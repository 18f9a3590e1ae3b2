//! How each method proves a person: what a code is compared with, and the result.

use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::kinds::FactorKind;
use crate::model::policy::Policy;
use crate::model::{Result, Secret, Time, typed};
use crate::store::{Tx, factors};
use crate::vault::Vault;

mod answer;
pub mod passkey;
pub mod recovery;
pub mod sent_code;
pub mod sms;
pub mod totp;

pub use answer::Answer;

/// A typed code, cleaned of what people put between its characters or paste with it.
#[derive(Clone, Debug)]
pub struct Code(Secret<String>);

impl Code {
    /// Reads what was typed.
    pub fn typed(text: &Secret<String>) -> Self {
        Self(Secret::new(typed::plain(text.expose())))
    }

    /// Returns the cleaned code.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The result of comparing a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The code is right, and is now used.
    Right,
    /// The code is wrong.
    Wrong,
    /// The code is right, but was used before.
    Used {
        /// Seconds until the authenticator shows a code that was not used.
        retry_after: u32,
    },
}

/// Where a code was found to be right: for each authenticator the time step, for a sent code a zero.
pub struct Fit(Vec<Option<i64>>);

impl Fit {
    /// Whether the code is right, unless it was used before.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }
}

/// What a challenge's code is compared with. It is prepared before the write, so that no secret is unsealed
/// while others wait for the database's writer.
pub enum Expected {
    /// Any of these authenticators. One try covers them all.
    Authenticators(Vec<totp::Authenticator>),
    /// The code that was sent for this challenge.
    Sent(Box<sent_code::SentCode>, Stand),
    /// No code is right: the method has none, or only a recovery code may answer.
    Nothing,
}

/// Why a code that was sent still counts.
pub enum Stand {
    /// This factor, if it still exists.
    Factor(Box<Factor>),
    /// A policy makes the proved mailbox a factor, or the code confirms an act of the account.
    Policy,
    /// It does not count: its factor is gone.
    Gone,
}

impl Expected {
    /// Prepares the comparison for a challenge. `candidates` are the factors that may answer it. With
    /// `by_policy`, the mailbox needs none of them.
    ///
    /// # Errors
    /// Returns a fault if a secret cannot be unsealed.
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

    /// Compares an answer, before the write, so that nobody waits for the database's writer meanwhile.
    pub fn fit(&self, answer: &Answer, policy: &Policy, now: Time) -> Fit {
        let step = |one: &totp::Authenticator| one.matching_step(answer.code()?, policy, now);
        Fit(match self {
            Self::Authenticators(all) => all.iter().map(step).collect(),
            Self::Sent(sent, _) => vec![sent.fits(answer, policy, now).then_some(0)],
            Self::Nothing => Vec::new(),
        })
    }

    /// Returns the authenticator whose code this is, with the code's time step. It is `None` if the code is of
    /// several, or if its secret has to be sealed anew: then [`Self::accept`] decides.
    pub fn only(&self, fit: &Fit) -> Option<(&Factor, i64)> {
        let Self::Authenticators(all) = self else {
            return None;
        };
        let mut fitting = all
            .iter()
            .zip(&fit.0)
            .filter_map(|(one, step)| step.map(|step| (one, step)));
        match (fitting.next(), fitting.next()) {
            (Some((one, step)), None) => Some((one.settled()?, step)),
            _ => None,
        }
    }

    /// Marks a right code as used. Call it only after the try was taken.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
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

    /// Returns how many seconds the device's clock is ahead (negative if behind), or `None` if the code is
    /// not right for any time within ten minutes.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
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
