//! Codes and links by mail to the account's own mailbox.

use crate::factor::{ComparisonInput, Expectation, Method, Preparation, SetUp, sent_code};
use crate::model::factor::Factor;
use crate::model::kinds::FactorKind;
use crate::model::notice::Channel;
use crate::model::{Refusal, Result};
use crate::outcome::SetupNeeds;

/// The method: a code or a link by mail.
pub struct Mailbox;

impl Method for Mailbox {
    fn kind(&self) -> FactorKind {
        FactorKind::Email
    }

    fn channel(&self) -> Option<Channel> {
        Some(Channel::Mail)
    }

    fn prepare(&self, set_up: &SetUp<'_>, _factor: &mut Factor) -> Result<Preparation> {
        match set_up.user.mailbox {
            true => Ok(Preparation::code(SetupNeeds::Email)),
            false => Err(Refusal::MfaMethodUnavailable.into()),
        }
    }

    fn expect(&self, expecting: ComparisonInput<'_>) -> Result<Box<dyn Expectation>> {
        Ok(sent_code::expect(expecting, Channel::Mail))
    }
}
