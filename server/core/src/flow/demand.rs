//! The methods that sign-in asks a user for: those that are on, or what a policy demands.

use crate::model::Result;
use crate::model::factor::{Factor, demanded};
use crate::model::kinds::FactorKind;
use crate::model::user::User;
use crate::store::{Tx, users};

/// Returns the methods that sign-in accepts for this user. One of them must be proved. It is empty if a
/// password is enough.
///
/// If the user's organisation demands a second factor and none is on, the proved mailbox is that factor. So
/// enforcement locks nobody out, and a password alone cannot enrol a factor.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn methods(tx: &mut Tx, user: &User, factors: &[Factor]) -> Result<Vec<FactorKind>> {
    let enforced = users::enforced(tx, user)?;
    Ok(demanded(user, factors, enforced))
}
