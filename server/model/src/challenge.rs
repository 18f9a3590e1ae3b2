//! Challenges: flows that wait for a code.

use diesel::prelude::*;

use crate::ids::{ChallengeId, FactorId, SessionId, UserId};
use crate::kinds::{FactorKind, Purpose};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::schema;
use crate::time::Time;

/// A flow that waits for a code: what an `mfaToken` refers to.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::challenges, treat_none_as_default_value = false)]
pub struct Challenge {
    /// Whose.
    pub user_id: UserId,
    /// Its id.
    pub id: ChallengeId,
    /// SHA-256 of the reference's secret.
    pub secret_hash: Vec<u8>,
    /// What it may be used for.
    pub purpose: Purpose,
    /// The method whose code it waits for.
    pub kind: FactorKind,
    /// The factor being set up or turned off; none at sign-in, where any of the kind will do.
    pub factor_id: Option<FactorId>,
    /// The session that began it; none at sign-in.
    pub session_id: Option<SessionId>,
    /// Keyed hash of the mailed code, bound to this challenge (ASVS 6.6.2).
    pub code_hash: Option<Vec<u8>>,
    /// Tries so far.
    pub attempts: i32,
    /// Mails sent again so far.
    pub resends: i32,
    /// When the last mail was queued.
    pub last_sent_at: Option<Time>,
    /// When it began.
    pub created_at: Time,
    /// When it stops being good for anything.
    pub expires_at: Time,
    /// When it was used up or displaced.
    pub consumed_at: Option<Time>,
    /// SHA-256 of the secret of the link in its last mail; none once another link took its place.
    pub link_hash: Option<Vec<u8>>,
    /// Until when the link is good.
    pub link_expires_at: Option<Time>,
    /// What the server keeps of a WebAuthn ceremony, JSON; taken once.
    pub ceremony: Option<String>,
    /// The act that is confirmed, for [`Purpose::Action`].
    pub action: Option<String>,
    /// The network address that asked, as text: the link's page shows it.
    pub source: Option<String>,
    /// When its link was opened last: the code of its last mail counts from then on.
    pub opened_at: Option<Time>,
}

impl Challenge {
    /// Whether nothing was sent for it, and nobody answered it, since `before` was read.
    pub fn waits_as(&self, before: &Self) -> bool {
        self.resends == before.resends
            && self.last_sent_at == before.last_sent_at
            && self.consumed_at.is_none()
    }

    /// Judges whether this challenge may still be used, and for `purpose`.
    ///
    /// # Errors
    /// Refuses a used, an expired and a foreign-purpose one, each with its own reason.
    pub fn judge(&self, purpose: Purpose, now: Time) -> Result<(), Refusal> {
        self.judge_alive(now)?;
        if self.purpose != purpose {
            return Err(Refusal::MfaWrongPurpose);
        }
        Ok(())
    }

    /// Judges whether this challenge is alive, whatever its purpose.
    ///
    /// # Errors
    /// Refuses a used and an expired one.
    pub fn judge_alive(&self, now: Time) -> Result<(), Refusal> {
        if let Some(at) = self.consumed_at {
            // Ended after its time: it was seen to be over, and stays so when the clock goes back.
            return Err(match at >= self.expires_at {
                true => Refusal::MfaTokenExpired,
                false => Refusal::MfaTokenInvalid,
            });
        }
        // Begun in a time to come, it is of a clock that went back since: nothing lives longer for that.
        if self.expires_at <= now || self.created_at.is_to_come(now) {
            return Err(Refusal::MfaTokenExpired);
        }
        Ok(())
    }

    /// Tries left.
    pub fn attempts_remaining(&self, policy: &Policy) -> u32 {
        policy
            .tries_per_challenge
            .saturating_sub(self.attempts.unsigned_abs())
    }

    /// Seconds to wait before the mail may be sent again: the cooldown doubles with each resend.
    pub fn resend_wait(&self, policy: &Policy, now: Time) -> u32 {
        let Some(sent) = self.last_sent_at else {
            return 0;
        };
        let cooldown = self.cooldown(policy);
        sent.plus_seconds(i64::from(cooldown))
            .left_of(cooldown, now)
    }

    /// The cooldown after the last mail.
    pub fn cooldown(&self, policy: &Policy) -> u32 {
        policy
            .resend_cooldown_seconds
            .saturating_mul(1 << self.resends.clamp(0, 16))
    }

    /// Resends left.
    pub fn resends_remaining(&self, policy: &Policy) -> u32 {
        policy
            .resends_per_challenge
            .saturating_sub(self.resends.unsigned_abs())
    }
}
