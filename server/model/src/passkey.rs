//! Passkeys: whose they are, and sign-ins by them that named nobody.

use diesel::prelude::*;

use crate::ids::{CeremonyId, FactorId, UserId};
use crate::schema;
use crate::time::Time;

/// Whose passkey a credential id is: a look-up across users.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::credentials)]
pub struct Credential {
    /// The id that the authenticator chose, unique over all users (WebAuthn §7.1, step 26).
    pub credential_id: Vec<u8>,
    /// Whose.
    pub user_id: UserId,
    /// Which of their factors.
    pub factor_id: FactorId,
}

/// A sign-in by passkey that was begun and named no user; its row goes when it is finished.
#[derive(Clone, Insertable)]
#[diesel(table_name = schema::ceremonies)]
pub struct Ceremony {
    /// Its id.
    pub id: CeremonyId,
    /// SHA-256 of the reference's secret.
    pub secret_hash: Vec<u8>,
    /// What the answer is judged by, JSON.
    pub state: String,
    /// When it began.
    pub created_at: Time,
    /// When it stops being good for anything.
    pub expires_at: Time,
}
