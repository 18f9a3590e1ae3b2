//! The write of a new password: the mail is used up, and the password changes or a second step is asked for.

use super::{change, hold};
use crate::flow::challenge::{self, Opening};
use crate::flow::login::{SecondStepSupport, first_method};
use crate::flow::{Act, demand, sms};
use crate::model::audit::Event;
use crate::model::demand::Demand;
use crate::model::factor::Factor;
use crate::model::kinds::Purpose;
use crate::model::user::{PasswordHash, PasswordReset, User};
use crate::model::{Refusal, Result};
use crate::outcome::{ResetChallenge, ResetResult};
use crate::store::{Tx, factors, password_resets};

/// Returns the methods that sign-in asks for, of which one comes before the new password.
///
/// # Errors
/// Refuses if there are any and the API can ask for none. The link stays good: it opens the page that can.
pub(super) fn demanded(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    factors: &[Factor],
    second_step: Option<SecondStepSupport>,
) -> Result<Demand> {
    let methods = demand::of(tx, user, factors)?.for_purpose(Purpose::PasswordReset);
    if !methods.is_empty() && second_step.is_none() {
        return act.refuse_limited(tx, user.id, Refusal::MfaRequired);
    }
    Ok(methods)
}

/// A new password that may be set, as far as it can be judged outside its write.
pub(super) struct Change {
    pub(super) act: Act,
    pub(super) mail: PasswordReset,
    pub(super) hash: PasswordHash,
    pub(super) draft: challenge::Draft,
    pub(super) second_step: Option<SecondStepSupport>,
}

impl Change {
    /// Uses the mail up, and changes the password or asks for the second step.
    pub(super) fn write(&self, tx: &mut Tx) -> Result<ResetResult> {
        let user = hold(tx, self.mail.user_id)?;
        // It may have been used or replaced while the password was hashed.
        let mail = password_resets::find(tx, user.id)?;
        let mail = mail.filter(|mail| mail.id == self.mail.id);
        mail.ok_or(Refusal::ResetTokenInvalid)?
            .judge(self.act.now)?;
        let factors = factors::of_user(tx, user.id)?;
        let methods = demanded(tx, &self.act, &user, &factors, self.second_step)?;
        match self.second_step {
            Some(support) if !methods.is_empty() => {
                // It may be refused because no message can be sent. The link then works again later.
                let asked = self.ask(tx, &user, &factors, methods, support)?;
                self.spend(tx)?;
                Ok(asked)
            }
            _no_second_step => {
                self.spend(tx)?;
                change(tx, &self.act, &user, &self.hash)?;
                Ok(ResetResult::Done)
            }
        }
    }

    fn spend(&self, tx: &mut Tx) -> Result<()> {
        match password_resets::spend(tx, &self.mail, self.act.now)? {
            true => Ok(()),
            false => Err(Refusal::ResetTokenInvalid.into()),
        }
    }

    /// Opens the challenge that comes before the change.
    fn ask(
        &self,
        tx: &mut Tx,
        user: &User,
        factors: &[Factor],
        methods: Demand,
        support: SecondStepSupport,
    ) -> Result<ResetResult> {
        let (act, purpose) = (&self.act, Purpose::PasswordReset);
        let method = first_method(tx, act, user, factors, &methods, support, purpose)?;
        let opening = Opening {
            phone: sms::phone_on(factors),
            sends: support.sends,
            even_unsent: true,
            action: Some(self.hash.as_str().to_owned()),
            ..Opening::new(purpose, method, act.policy().challenge_seconds)
        };
        let opened = self.draft.open(tx, act, user, &opening)?;
        let word = Some(method.as_str());
        act.audit(tx, user.id, Event::ChallengeBegun, word)?;
        Ok(ResetResult::Challenge(ResetChallenge {
            mfa_token: self.draft.token(user.id),
            method,
            methods: methods.into_methods(),
            unsent: opened.unsent,
        }))
    }
}
