//! Factors and their attempt counters.

use diesel::prelude::*;

use crate::ids::{FactorId, UserId};
use crate::kinds::{FactorKind, FactorState};
use crate::policy::{Policy, growing_wait};
use crate::refusal::Refusal;
use crate::schema;
use crate::time::Time;
use crate::user::User;

/// One factor of a user.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::factors, treat_none_as_default_value = false)]
pub struct Factor {
    /// Whose it is.
    pub user_id: UserId,
    /// Its id.
    pub id: FactorId,
    /// How it proves the person.
    pub kind: FactorKind,
    /// Where it stands.
    pub state: FactorState,
    /// The authenticator's secret, sealed and bound to this row (ASVS 11.3.3).
    pub sealed_secret: Option<Vec<u8>>,
    /// The last time step whose code was accepted; only greater ones are (RFC 6238 §5.2).
    pub last_step: Option<i64>,
    /// When set-up began.
    pub created_at: Time,
    /// When it was proved.
    pub enabled_at: Option<Time>,
    /// What its owner calls it, if they gave it a name.
    pub name: Option<String>,
    /// The number an SMS goes to, E.164.
    pub target: Option<String>,
    /// Whether sign-in starts with it.
    pub is_primary: bool,
    /// The passkey, as webauthn-rs writes it; its private half never was here.
    pub credential: Option<String>,
    /// The passkey's last signature counter (WebAuthn §6.1.1); 0 if it never counts.
    pub sign_count: Option<i64>,
    /// When it last proved its owner.
    pub last_used_at: Option<Time>,
}

impl Factor {
    /// A factor as set-up begins with it.
    pub const fn pending(user_id: UserId, id: FactorId, kind: FactorKind, now: Time) -> Self {
        Self {
            user_id,
            id,
            kind,
            state: FactorState::Pending,
            sealed_secret: None,
            last_step: None,
            created_at: now,
            enabled_at: None,
            name: None,
            target: None,
            is_primary: false,
            credential: None,
            sign_count: None,
            last_used_at: None,
        }
    }
}

/// The kinds that are asked for at sign-in, each once: the one it starts with, then in the order they
/// were turned on (of the same moment the strongest first).
pub fn kinds_on(factors: &[Factor]) -> Vec<FactorKind> {
    let first = starting(factors).map(|factor| factor.kind);
    let mut on: Vec<&Factor> = factors
        .iter()
        .filter(|factor| factor.state == FactorState::On)
        .collect();
    on.sort_by_key(|factor| {
        (
            Some(factor.kind) != first,
            factor.enabled_at,
            ORDER.iter().position(|kind| *kind == factor.kind),
        )
    });
    let mut kinds = Vec::with_capacity(on.len());
    for factor in on {
        if !kinds.contains(&factor.kind) {
            kinds.push(factor.kind);
        }
    }
    kinds
}

/// What sign-in asks for: the kinds that are on; while none is and a policy demands one, the proved
/// mailbox.
pub fn demanded(user: &User, factors: &[Factor], enforced: bool) -> Vec<FactorKind> {
    let on = kinds_on(factors);
    if on.is_empty() && enforced && user.mailbox {
        return vec![FactorKind::Email];
    }
    on
}

/// The order in which a sign-in looks for a method, where its owner chose none.
pub const ORDER: [FactorKind; 4] = [
    FactorKind::Authenticator,
    FactorKind::Email,
    FactorKind::Sms,
    FactorKind::Passkey,
];

/// The factor that its owner chose for sign-in to start with, if it is on.
pub fn primary(factors: &[Factor]) -> Option<&Factor> {
    let on = |factor: &&Factor| factor.is_primary && factor.state == FactorState::On;
    factors.iter().find(on)
}

/// The factor that sign-in starts with where everything can be carried: the chosen one, else the
/// first in [`ORDER`] that is on.
pub fn starting(factors: &[Factor]) -> Option<&Factor> {
    let on = |kind| {
        let fits = move |factor: &&Factor| factor.kind == kind && factor.state == FactorState::On;
        factors.iter().find(fits)
    };
    primary(factors).or_else(|| ORDER.into_iter().find_map(on))
}

/// Wrong codes since the last right one, for all factors of one kind of a user.
#[derive(Clone, Copy, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::factor_attempts, treat_none_as_default_value = false)]
pub struct FactorAttempts {
    /// Whose.
    pub user_id: UserId,
    /// Which kind; several authenticators share one counter.
    pub kind: FactorKind,
    /// Tries taken since the last success.
    pub failures: i32,
    /// When the next try is let in.
    pub next_try_at: Time,
}

impl FactorAttempts {
    /// A counter that has counted nothing.
    pub const fn none(user_id: UserId, kind: FactorKind) -> Self {
        Self {
            user_id,
            kind,
            failures: 0,
            next_try_at: Time::from_micros(0),
        }
    }

    /// Whether too many wrong codes have stopped this kind until another factor or an administrator
    /// lifts it.
    pub fn locked(&self, policy: &Policy) -> bool {
        self.failures.unsigned_abs() >= policy.hard_limit
    }

    /// Judges whether a try may be taken now.
    ///
    /// # Errors
    /// Refuses with what stands against it.
    pub fn judge(&self, policy: &Policy, now: Time) -> Result<(), Refusal> {
        if self.locked(policy) {
            return Err(Refusal::MfaMethodLocked);
        }
        match self.wait(policy, now) {
            0 => Ok(()),
            retry_after => Err(Refusal::TooManyMfaAttempts { retry_after }),
        }
    }

    /// Seconds until the next try is let in.
    pub fn wait(&self, policy: &Policy, now: Time) -> u32 {
        let length = wait_after(self.failures, policy);
        self.next_try_at.left_of(length, now)
    }

    /// The counter after one more try.
    #[must_use]
    pub fn after_try(&self, policy: &Policy, now: Time) -> Self {
        let failures = self.failures.saturating_add(1);
        Self {
            failures,
            next_try_at: match wait_after(failures, policy) {
                // Without a wait there is no end: "now" would lie ahead of a call that began a moment before.
                0 => Time::from_micros(0),
                wait => now.plus_seconds(i64::from(wait)),
            },
            ..*self
        }
    }

    /// The counter after a try was given back.
    #[must_use]
    pub fn given_back(&self) -> Self {
        Self {
            failures: self.failures.saturating_sub(1).max(0),
            next_try_at: Time::from_micros(0),
            ..*self
        }
    }
}

/// The wait that so many wrong codes in a row earn, in seconds.
fn wait_after(failures: i32, policy: &Policy) -> u32 {
    growing_wait(
        failures.unsigned_abs(),
        policy.soft_limit,
        policy.wait_first_seconds,
        policy.wait_max_seconds,
    )
}
