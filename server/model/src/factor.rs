//! Factors, and the counters of their wrong codes.

use diesel::prelude::*;

use crate::ids::{FactorId, UserId};
use crate::kinds::{Counted, FactorKind, FactorState};
use crate::policy::{Policy, growing_wait};
use crate::refusal::Refusal;
use crate::schema;
use crate::time::Time;

/// A factor: one method of one user.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::factors, treat_none_as_default_value = false)]
pub struct Factor {
    /// The user it belongs to.
    pub user_id: UserId,
    /// The factor's id.
    pub id: FactorId,
    /// Its method.
    pub kind: FactorKind,
    /// Whether it is pending, ready or on.
    pub state: FactorState,
    /// The authenticator's secret, sealed and bound to this row (ASVS 11.3.3).
    pub sealed_secret: Option<Vec<u8>>,
    /// The last time step whose code was accepted. Only later steps are accepted after it (RFC 6238 §5.2).
    pub last_step: Option<i64>,
    /// When its set-up began.
    pub created_at: Time,
    /// When it was turned on.
    pub enabled_at: Option<Time>,
    /// The name its owner gave it, if any.
    pub name: Option<String>,
    /// The phone number for SMS, in E.164.
    pub target: Option<String>,
    /// Whether its owner chose it for sign-in to start with.
    pub is_primary: bool,
    /// The passkey, as webauthn-rs serialises it. The server never has its private key.
    pub credential: Option<String>,
    /// The passkey's last signature counter (WebAuthn §6.1.1); 0 if it does not count.
    pub sign_count: Option<i64>,
    /// When it last proved its owner.
    pub last_used_at: Option<Time>,
}

impl Factor {
    /// Returns a factor at the start of its set-up.
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

/// Returns the methods that are on, each once: first the one that sign-in starts with, then in the order in
/// which they were turned on. Of those turned on at the same moment, the one that is first in [`ORDER`] comes
/// first.
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

/// The order in which sign-in looks for a method if the owner chose none.
pub const ORDER: &[FactorKind] = FactorKind::ALL;

/// Returns the factor that its owner chose for sign-in to start with, if it is on.
pub fn primary(factors: &[Factor]) -> Option<&Factor> {
    let on = |factor: &&Factor| factor.is_primary && factor.state == FactorState::On;
    factors.iter().find(on)
}

/// Returns the factor that sign-in starts with, if the API supports all methods: the chosen one, or the first
/// in [`ORDER`] that is on.
pub fn starting(factors: &[Factor]) -> Option<&Factor> {
    let on = |kind| {
        let fits = move |factor: &&Factor| factor.kind == kind && factor.state == FactorState::On;
        factors.iter().find(fits)
    };
    primary(factors).or_else(|| ORDER.iter().copied().find_map(on))
}

/// The wrong codes of a user for one method, or before new passwords, since the last right code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::factor_attempts, treat_none_as_default_value = false)]
pub struct FactorAttempts {
    /// The user it counts for.
    pub user_id: UserId,
    /// What it counts for. Several authenticators of a user share one counter.
    pub kind: Counted,
    /// Tries since the last right code.
    pub failures: i32,
    /// When the next try is accepted.
    pub next_try_at: Time,
}

impl FactorAttempts {
    /// A counter that has counted nothing.
    pub const fn none(user_id: UserId, kind: Counted) -> Self {
        Self {
            user_id,
            kind,
            failures: 0,
            next_try_at: Time::from_micros(0),
        }
    }

    /// Whether too many wrong codes have locked what it counts for, until another method or an administrator
    /// unlocks it.
    pub fn locked(&self, policy: &Policy) -> bool {
        self.failures.unsigned_abs() >= policy.hard_limit
    }

    /// Checks that a try may be taken now.
    ///
    /// # Errors
    /// Refuses while the method is locked or waits.
    pub fn judge(&self, policy: &Policy, now: Time) -> Result<(), Refusal> {
        if self.locked(policy) {
            return Err(Refusal::MfaMethodLocked);
        }
        match self.wait(policy, now) {
            0 => Ok(()),
            retry_after => Err(Refusal::TooManyMfaAttempts { retry_after }),
        }
    }

    /// Returns the seconds until the next try is accepted.
    pub fn wait(&self, policy: &Policy, now: Time) -> u32 {
        let length = wait_after(self.failures, policy);
        self.next_try_at.left_of(length, now)
    }

    /// Returns the counter after one more try.
    #[must_use]
    pub fn after_try(&self, policy: &Policy, now: Time) -> Self {
        let failures = self.failures.saturating_add(1);
        Self {
            failures,
            next_try_at: match wait_after(failures, policy) {
                // Without a wait, the time stays 0: `now` would be in the future for a call that began a
                // moment before.
                0 => Time::from_micros(0),
                wait => now.plus_seconds(i64::from(wait)),
            },
            ..*self
        }
    }

    /// Returns the counter after a try was given back.
    #[must_use]
    pub fn given_back(&self) -> Self {
        Self {
            failures: self.failures.saturating_sub(1).max(0),
            next_try_at: Time::from_micros(0),
            ..*self
        }
    }
}

/// Returns the wait after this number of wrong codes in a row, in seconds.
fn wait_after(failures: i32, policy: &Policy) -> u32 {
    growing_wait(
        failures.unsigned_abs(),
        policy.soft_limit,
        policy.wait_first_seconds,
        policy.wait_max_seconds,
    )
}
