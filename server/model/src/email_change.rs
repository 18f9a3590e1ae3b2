//! New addresses: those that wait for their code, and those whose change can be undone.

use diesel::prelude::*;

use crate::ids::{EmailChangeId, EmailUndoId, SessionId, UserId};
use crate::refusal::Refusal;
use crate::schema;
use crate::time::Time;

/// A request for a new address, which waits for its code. An account has one; a newer request takes the place of
/// an older one.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::email_changes, primary_key(user_id))]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct EmailChange {
    /// The user who asked.
    pub user_id: UserId,
    /// The id of this request. The one before had another.
    pub id: EmailChangeId,
    /// The session that asked. No other one finishes it.
    pub session_id: SessionId,
    /// The new address, in canonical form.
    pub address: String,
    /// Keyed hash of the mailed code. For a taken address it is random, so that no code is right.
    pub code_hash: Vec<u8>,
    /// Tries of the code so far.
    pub attempts: i32,
    /// When it was asked for.
    pub created_at: Time,
    /// When the code expires.
    pub expires_at: Time,
    /// When it was used, or ended early.
    pub consumed_at: Option<Time>,
}

impl EmailChange {
    /// Checks that its code may still be used.
    ///
    /// # Errors
    /// Refuses a used one and an expired one, each with its own reason.
    pub fn judge(&self, now: Time) -> Result<(), Refusal> {
        match standing(self.consumed_at, self.created_at, self.expires_at, now) {
            Standing::Alive => Ok(()),
            Standing::Expired => Err(Refusal::EmailChangeExpired),
            Standing::Ended => Err(Refusal::EmailChangeInvalid),
        }
    }
}

/// A change of address that can be undone by the link in a mail to the old address.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::email_undos, treat_none_as_default_value = false)]
pub struct EmailUndo {
    /// The user.
    pub user_id: UserId,
    /// The id of this change.
    pub id: EmailUndoId,
    /// Its place among the user's changes: a later one has a greater number. Times and ids may be the same.
    pub ordinal: i64,
    /// SHA-256 of the secret in the link.
    pub secret_hash: Vec<u8>,
    /// The address before the change, which the link restores.
    pub old_address: String,
    /// The address after it.
    pub new_address: String,
    /// When the address was changed.
    pub created_at: Time,
    /// When the link expires.
    pub expires_at: Time,
    /// When it was used, or an earlier change was undone.
    pub consumed_at: Option<Time>,
}

impl EmailUndo {
    /// Checks that its link may still be used.
    ///
    /// # Errors
    /// Refuses a used one and an expired one, each with its own reason.
    pub fn judge(&self, now: Time) -> Result<(), Refusal> {
        match standing(self.consumed_at, self.created_at, self.expires_at, now) {
            Standing::Alive => Ok(()),
            Standing::Expired => Err(Refusal::UndoTokenExpired),
            Standing::Ended => Err(Refusal::UndoTokenInvalid),
        }
    }
}

/// Whether something that was mailed may still be used.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Alive,
    Expired,
    Ended,
}

fn standing(consumed: Option<Time>, created: Time, expires: Time, now: Time) -> Standing {
    match consumed {
        // It was ended because it had expired. It stays expired even if the clock goes back.
        Some(at) if at >= expires => Standing::Expired,
        Some(_) => Standing::Ended,
        // A beginning in the future means that the clock has gone back. That must not lengthen a life.
        None if expires <= now || created.is_to_come(now) => Standing::Expired,
        None => Standing::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, standing};
    use crate::time::Time;

    #[test]
    fn what_was_mailed_lives_until_it_is_used_or_expires() {
        let at = |seconds: i64| Time::from_micros(0).plus_seconds(seconds);
        let judged = |consumed, now| standing(consumed, at(1000), at(1900), at(now));
        assert_eq!(judged(None, 1000), Standing::Alive);
        assert_eq!(judged(None, 1899), Standing::Alive);
        assert_eq!(judged(None, 1900), Standing::Expired);
        assert_eq!(judged(None, 0), Standing::Expired);
        assert_eq!(judged(Some(at(1500)), 1600), Standing::Ended);
        assert_eq!(judged(Some(at(1900)), 1600), Standing::Expired);
    }
}
