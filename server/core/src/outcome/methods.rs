//! The methods of an account, as flows return them.

use crate::model::factor::Factor;
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::{FactorId, Time};
use crate::outcome::Person;

/// A user with their methods, before or after the second step of their sign-in.
#[derive(Clone, Debug)]
pub struct MfaOverview {
    /// The user. Sign-in begins with the first of their methods.
    pub person: Person,
    /// The methods they have proved, whether or not sign-in asks for them.
    pub proved: Vec<FactorKind>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
    /// Whether they are signed in. If not, the second step is still to come.
    pub signed_in: bool,
}

/// A method that was turned on or off.
#[derive(Debug)]
pub struct FactorChange {
    /// The method.
    pub method: FactorKind,
    /// The methods that are on now.
    pub methods: Vec<FactorKind>,
    /// When it changed.
    pub at: Time,
}

/// A factor, as its owner may see it.
#[derive(Clone, Debug)]
pub struct MethodView {
    /// The factor's id.
    pub id: FactorId,
    /// Its method.
    pub method: FactorKind,
    /// The name its owner gave it, if any.
    pub name: Option<String>,
    /// Whether it is pending, ready or on.
    pub state: FactorState,
    /// Whether sign-in starts with it.
    pub primary: bool,
    /// When its set-up began.
    pub created_at: Time,
    /// When it was turned on.
    pub enabled_at: Option<Time>,
    /// When it last proved its owner.
    pub last_used_at: Option<Time>,
    /// The phone number for SMS, in E.164.
    pub phone: Option<String>,
}

impl From<Factor> for MethodView {
    fn from(factor: Factor) -> Self {
        Self {
            id: factor.id,
            method: factor.kind,
            name: factor.name,
            state: factor.state,
            primary: factor.is_primary,
            created_at: factor.created_at,
            enabled_at: factor.enabled_at,
            last_used_at: factor.last_used_at,
            phone: factor.target,
        }
    }
}

/// The proved methods of an account.
#[derive(Debug)]
pub struct MethodList {
    /// The factors, oldest first.
    pub factors: Vec<MethodView>,
    /// How many recovery codes are unused.
    pub recovery_codes_remaining: u32,
    /// When the recovery codes were made, if there are any.
    pub recovery_codes_made_at: Option<Time>,
    /// The methods that sign-in accepts: those that are on, or the mailbox that a policy demands.
    pub demanded: Vec<FactorKind>,
    /// Whether the user's organisation demands a second factor.
    pub enforced: bool,
}
