//! What sign-in asks of a user, read from the database.

use crate::model::Result;
use crate::model::demand::Demand;
use crate::model::factor::Factor;
use crate::model::user::User;
use crate::store::{Tx, factors, users};

/// Returns what sign-in asks of this user, whose factors were read already.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn of(tx: &mut Tx, user: &User, factors: &[Factor]) -> Result<Demand> {
    let enforced = users::enforced(tx, user)?;
    Ok(Demand::of(user, factors, enforced))
}

/// Does the same with the factors as they are now.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn now(tx: &mut Tx, user: &User) -> Result<Demand> {
    let factors = factors::of_user(tx, user.id)?;
    of(tx, user, &factors)
}
