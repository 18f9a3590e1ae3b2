//! Sets of single-use codes: recovery codes, and Veeam's scratch codes.

use diesel::prelude::*;

use crate::ids::{CodeSetId, FactorId, UserId};
use crate::kinds::CodeSetKind;
use crate::schema;
use crate::time::Time;

/// A set of codes that were made together and share a salt.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::code_sets, treat_none_as_default_value = false)]
pub struct CodeSet {
    /// The user it belongs to.
    pub user_id: UserId,
    /// The set's id.
    pub id: CodeSetId,
    /// What kind of codes.
    pub kind: CodeSetKind,
    /// The salt of all its hashes.
    pub salt: Vec<u8>,
    /// The factor whose set-up it came with, if any. The set counts once that factor is proved.
    pub factor_id: Option<FactorId>,
    /// When it was made.
    pub created_at: Time,
    /// When its codes began to count.
    pub live_at: Option<Time>,
    /// When another set replaced it, or it was given up.
    pub ended_at: Option<Time>,
}

/// A code of a set.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::recovery_codes, treat_none_as_default_value = false)]
pub struct RecoveryCode {
    /// The user it belongs to.
    pub user_id: UserId,
    /// The set it belongs to.
    pub set_id: CodeSetId,
    /// Its position in the set.
    pub ordinal: i32,
    /// Argon2id of the peppered code, with the set's salt.
    pub code_hash: Vec<u8>,
    /// When it was used.
    pub used_at: Option<Time>,
}
