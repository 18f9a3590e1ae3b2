//! What sign-in asks for after the password.

use std::ops::Deref;

use crate::factor::{Factor, kinds_on};
use crate::kinds::{FactorKind, Purpose};
use crate::user::User;

/// The methods of which the user must prove one after the password. It is empty if the password is enough.
///
/// The methods that are on and the policy of the organisation make it, both together: what has one knows both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand(Vec<FactorKind>);

impl Demand {
    /// Returns what sign-in asks of this user: the methods that are on. If none is on and their organisation
    /// demands a second factor (`enforced`), this is the proved mailbox. So enforcement locks nobody out, and a
    /// password alone cannot enrol a factor.
    pub fn of(user: &User, factors: &[Factor], enforced: bool) -> Self {
        let on = kinds_on(factors);
        if on.is_empty() && enforced && user.mailbox {
            return Self(vec![FactorKind::Email]);
        }
        Self(on)
    }

    /// Returns those of the methods that are a second step for this purpose.
    ///
    /// Before a new password the mail has proved the mailbox already. It counts once more only where there is no
    /// other method, since that would lock the owner out.
    #[must_use]
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        let other = |kind: &FactorKind| *kind != FactorKind::Email;
        if purpose == Purpose::PasswordReset && self.0.iter().any(other) {
            self.0.retain(other);
        }
        self
    }

    /// Returns the methods.
    pub fn into_methods(self) -> Vec<FactorKind> {
        self.0
    }
}

impl Deref for Demand {
    type Target = [FactorKind];

    fn deref(&self) -> &[FactorKind] {
        &self.0
    }
}
