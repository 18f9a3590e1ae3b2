//! Challenges: steps that wait for a code or another answer.

use diesel::prelude::*;

use crate::ids::{ChallengeId, FactorId, SessionId, UserId};
use crate::kinds::{AnswerKind, Purpose};
use crate::notice::Channel;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::schema;
use crate::time::Time;

/// A step that waits for an answer. An `mfaToken` refers to it.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::challenges, treat_none_as_default_value = false)]
pub struct Challenge {
    /// The user who must answer.
    pub user_id: UserId,
    /// The challenge's id.
    pub id: ChallengeId,
    /// SHA-256 of the secret in the reference.
    pub secret_hash: Vec<u8>,
    /// What it may be used for.
    pub purpose: Purpose,
    /// What it waits for: an answer by this method, or a recovery code.
    pub kind: AnswerKind,
    /// The factor being set up or turned off; `None` at sign-in, where any factor of the method will do.
    pub factor_id: Option<FactorId>,
    /// The session that began it; `None` at sign-in.
    pub session_id: Option<SessionId>,
    /// Keyed hash of the code that was sent, bound to this challenge (ASVS 6.6.2).
    pub code_hash: Option<Vec<u8>>,
    /// Tries used so far.
    pub attempts: i32,
    /// Resends so far.
    pub resends: i32,
    /// When its last code was queued.
    pub last_sent_at: Option<Time>,
    /// When it began.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When it was answered, or ended early.
    pub consumed_at: Option<Time>,
    /// SHA-256 of the secret in the link of its last mail; `None` once the link of another challenge replaced
    /// it.
    pub link_hash: Option<Vec<u8>>,
    /// When the link expires.
    pub link_expires_at: Option<Time>,
    /// The state of a WebAuthn ceremony, as JSON. It is used once.
    pub ceremony: Option<String>,
    /// The act to confirm, for [`Purpose::Action`]; for [`Purpose::Setup`], a mark if the factor replaces
    /// others; for [`Purpose::PasswordReset`], the hash of the new password.
    pub action: Option<String>,
    /// The network address that asked for it, as text. The link's page shows it.
    pub source: Option<String>,
    /// When its link was last opened. The code of its last mail works longer after that.
    pub opened_at: Option<Time>,
}

impl Challenge {
    /// Whether nothing was sent for it, and nobody answered it, since `before` was read.
    pub fn waits_as(&self, before: &Self) -> bool {
        self.resends == before.resends
            && self.last_sent_at == before.last_sent_at
            && self.consumed_at.is_none()
    }

    /// Returns how its last code was sent; `None` if none was. Not for named acts: their mails have no link, and
    /// their method never changes.
    pub fn sent_by(&self) -> Option<Channel> {
        self.last_sent_at?;
        // Only mails have a link. When another link replaces it, its expiry stays.
        Some(match self.link_expires_at {
            Some(_) => Channel::Mail,
            None => Channel::Text,
        })
    }

    /// Checks that this challenge may still be used for `purpose`.
    ///
    /// # Errors
    /// Refuses a used and an expired challenge, and one for another purpose, each with its own reason.
    pub fn judge(&self, purpose: Purpose, now: Time) -> Result<(), Refusal> {
        self.judge_alive(now)?;
        if self.purpose != purpose {
            return Err(Refusal::MfaWrongPurpose);
        }
        Ok(())
    }

    /// Checks that this challenge may still be used, whatever its purpose.
    ///
    /// # Errors
    /// Refuses a used and an expired challenge, each with its own reason.
    pub fn judge_alive(&self, now: Time) -> Result<(), Refusal> {
        if let Some(at) = self.consumed_at {
            // It was ended because it had expired. It stays expired even if the clock goes back.
            return Err(match at >= self.expires_at {
                true => Refusal::MfaTokenExpired,
                false => Refusal::MfaTokenInvalid,
            });
        }
        // A beginning in the future means that the clock has gone back. That must not lengthen a life.
        if self.expires_at <= now || self.created_at.is_to_come(now) {
            return Err(Refusal::MfaTokenExpired);
        }
        Ok(())
    }

    /// Returns the tries left.
    pub fn attempts_remaining(&self, policy: &Policy) -> u32 {
        policy
            .tries_per_challenge
            .saturating_sub(self.attempts.unsigned_abs())
    }

    /// Returns the seconds until its code may be sent again. Each resend doubles the wait.
    pub fn resend_wait(&self, policy: &Policy, now: Time) -> u32 {
        let Some(sent) = self.last_sent_at else {
            return 0;
        };
        let cooldown = self.cooldown(policy);
        sent.plus_seconds(i64::from(cooldown))
            .left_of(cooldown, now)
    }

    /// Returns the wait after its last code, in seconds.
    pub fn cooldown(&self, policy: &Policy) -> u32 {
        policy
            .resend_cooldown_seconds
            .saturating_mul(1 << self.resends.clamp(0, 16))
    }

    /// Returns the resends left.
    pub fn resends_remaining(&self, policy: &Policy) -> u32 {
        policy
            .resends_per_challenge
            .saturating_sub(self.resends.unsigned_abs())
    }
}
