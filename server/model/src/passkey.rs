//! Passkeys: whose a credential is, and sign-ins by passkey that named no user.

use diesel::prelude::*;

use crate::ids::{CeremonyId, FactorId, UserId};
use crate::schema;
use crate::time::Time;

/// Whose passkey a credential id is. This look-up goes across all users.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::credentials)]
pub struct Credential {
    /// The id that the authenticator chose, unique over all users (WebAuthn §7.1, step 26).
    pub credential_id: Vec<u8>,
    /// The user it belongs to.
    pub user_id: UserId,
    /// The user's factor.
    pub factor_id: FactorId,
}

/// A sign-in by passkey that named no user. Its row is deleted when the sign-in finishes.
#[derive(Clone, Insertable)]
#[diesel(table_name = schema::ceremonies)]
pub struct Ceremony {
    /// The ceremony's id.
    pub id: CeremonyId,
    /// SHA-256 of the secret in the reference.
    pub secret_hash: Vec<u8>,
    /// What the answer is checked against, as JSON.
    pub state: String,
    /// When it began.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
}
