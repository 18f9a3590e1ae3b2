//! Passkeys as a method: how they are set up, and how one is asked for.

use super::{CEREMONY_SECONDS, Key, RelyingParty, Verification};
use crate::factor::{
    AnswerRequest, ComparisonInput, Expectation, Method, NewCeremony, Nothing, Preparation, SetUp,
};
use crate::model::factor::Factor;
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::{Refusal, Result, Time};
use crate::outcome::SetupNeeds;

/// The method: a passkey of the user. The answer is judged apart, since it is no code.
pub struct Passkeys;

impl Method for Passkeys {
    fn kind(&self) -> FactorKind {
        FactorKind::Passkey
    }

    fn may_be_several(&self) -> bool {
        true
    }

    fn prepare(&self, set_up: &SetUp<'_>, _factor: &mut Factor) -> Result<Preparation> {
        let known = keys(set_up.standing, |state| state != FactorState::Pending)?;
        let policy = &set_up.settings.policy;
        let ends = set_up.now.plus_seconds(i64::from(policy.enrolment_seconds));
        let party = RelyingParty::of(set_up.settings, Refusal::MfaMethodUnavailable)?;
        let seconds = seconds(set_up.now, ends);
        let begun = party.begin_registration(set_up.user, &known, set_up.now, seconds)?;
        Ok(Preparation {
            needs: SetupNeeds::Passkey {
                options: begun.options,
            },
            ceremony: Some(begun.state),
        })
    }

    fn ask(&self, asked: &AnswerRequest<'_>) -> Result<Option<NewCeremony>> {
        let keys = keys(asked.factors, |state| state == FactorState::On)?;
        let verification = match asked.purpose {
            Purpose::StepUp => Verification::Required,
            Purpose::Login
            | Purpose::Disable
            | Purpose::Setup
            | Purpose::Action
            | Purpose::PasswordReset => Verification::Preferred,
        };
        let party = RelyingParty::of(asked.settings, Refusal::MfaMethodNotEnabled)?;
        let seconds = seconds(asked.now, asked.ends);
        let begun = party.begin_assertion(&keys, verification, asked.now, seconds)?;
        Ok(Some(begun))
    }

    fn expect(&self, _expecting: ComparisonInput<'_>) -> Result<Box<dyn Expectation>> {
        Ok(Box::new(Nothing))
    }
}

/// Reads the passkeys among these factors whose state fits.
fn keys(factors: &[Factor], fits: impl Fn(FactorState) -> bool) -> Result<Vec<Key>> {
    let passkeys = factors
        .iter()
        .filter(|factor| factor.kind == FactorKind::Passkey && fits(factor.state));
    Key::read_all(passkeys.cloned().collect())
}

/// Returns how long a device may take to answer, in seconds: never longer than its challenge lives.
fn seconds(now: Time, challenge_ends: Time) -> u32 {
    let left = challenge_ends.micros().saturating_sub(now.micros()) / 1_000_000;
    u32::try_from(left).unwrap_or(0).min(CEREMONY_SECONDS)
}
