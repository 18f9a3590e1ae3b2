//! Sets of single-use codes: recovery codes, and Veeam's scratch codes.

use diesel::prelude::*;

use crate::ids::{CodeSetId, FactorId, UserId};
use crate::kinds::CodeSetKind;
use crate::schema;
use crate::time::Time;

/// A set of codes that were printed together, and share a salt.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::code_sets, treat_none_as_default_value = false)]
pub struct CodeSet {
    /// Whose.
    pub user_id: UserId,
    /// Its id.
    pub id: CodeSetId,
    /// What kind of codes.
    pub kind: CodeSetKind,
    /// The salt of all its hashes.
    pub salt: Vec<u8>,
    /// The factor whose proof makes it count, or did.
    pub factor_id: Option<FactorId>,
    /// When it was printed.
    pub created_at: Time,
    /// Since when it counts.
    pub live_at: Option<Time>,
    /// When another set took its place, or it was given up.
    pub ended_at: Option<Time>,
}

/// One code of a set.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::recovery_codes, treat_none_as_default_value = false)]
pub struct RecoveryCode {
    /// Whose.
    pub user_id: UserId,
    /// Its set.
    pub set_id: CodeSetId,
    /// Its place in the set.
    pub ordinal: i32,
    /// Argon2id of the peppered code under the set's salt.
    pub code_hash: Vec<u8>,
    /// When it was used.
    pub used_at: Option<Time>,
}
