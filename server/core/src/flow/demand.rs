//! What sign-in asks a user for: the factors that are on, and what a policy demands.

use crate::model::Result;
use crate::model::factor::{Factor, demanded};
use crate::model::kinds::FactorKind;
use crate::model::user::User;
use crate::store::{Tx, users};

/// The methods that sign-in asks this user for, one of which has to be proved; none when a password
/// is enough.
///
/// While the user's organisation demands a second factor and none is on, the proved mailbox is that
/// factor, so that enforcement locks nobody out and a password alone enrols nothing.
///
/// # Errors
/// A fault when the database does not answer.
pub fn methods(tx: &mut Tx, user: &User, factors: &[Factor]) -> Result<Vec<FactorKind>> {
    let enforced = users::enforced(tx, user)?;
    Ok(demanded(user, factors, enforced))
}
