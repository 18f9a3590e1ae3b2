//! Sessions, refresh tokens, the proof that a session rests on, and the caller of a request.

use diesel::prelude::*;

use crate::demand::Demand;
use crate::factor::Factor;
use crate::ids::{ChallengeId, RefreshId, SessionId, UserId};
use crate::kinds::{AnswerKind, Assurance, Role};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::schema;
use crate::secret::Secret;
use crate::time::Time;
use crate::user::{User, canonical_address};

/// A signed-in session.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::sessions, treat_none_as_default_value = false)]
pub struct Session {
    /// The user who signed in.
    pub user_id: UserId,
    /// The session's id, `sid` in access tokens.
    pub id: SessionId,
    /// How strongly the person was authenticated (the `acr` claim).
    pub acr: Assurance,
    /// Authentication methods (RFC 8176), separated by spaces.
    pub amr: String,
    /// When the person last proved who they are. Refreshing does not change it (NIST SP 800-63B-4 §5.1).
    pub auth_time: Time,
    /// When it began.
    pub created_at: Time,
    /// When it was last used, to the minute.
    pub last_used_at: Time,
    /// When it ends at the latest, however much it is used.
    pub expires_at: Time,
    /// When it was ended early.
    pub ended_at: Option<Time>,
    /// When it last gave fresh proof: the second step at sign-in or step-up, or the password if no factor was
    /// on. For a new account, this is when the password was typed to register. The codes of a registration or
    /// a set-up are not fresh proof, and refreshing does not change this time.
    pub proved_at: Option<Time>,
    /// When it last passed a second step. For the session that proved its account's first method, this is
    /// when its password was typed. It is separate from `proved_at`: a password typed later is fresh proof
    /// while no method is on, but does not make an earlier second step fresh.
    pub second_step_at: Option<Time>,
    /// The network address that signed in, if known.
    pub source: Option<String>,
    /// What the program that signed in called itself, if anything.
    pub program: Option<String>,
}

impl Session {
    /// Checks that the session is alive: not ended, not idle for too long, not expired.
    ///
    /// # Errors
    /// Refuses an ended session as invalid, and an expired one as expired.
    pub fn judge(&self, policy: &Policy, now: Time) -> Result<(), Refusal> {
        let ends_at = self.ends_at(policy);
        if self.ended_at.is_some_and(|ended| ended < ends_at) {
            return Err(Refusal::TokenInvalid { sent: true });
        }
        // It was ended because it had expired. It stays expired even if the clock goes back.
        if self.ended_at.is_some() || now >= ends_at {
            return Err(Refusal::TokenExpired);
        }
        Ok(())
    }

    /// Returns when the session ends if nobody uses it any more.
    pub fn ends_at(&self, policy: &Policy) -> Time {
        let idle = self
            .last_used_at
            .plus_seconds(i64::from(policy.session_idle_seconds));
        self.expires_at.min(idle)
    }

    /// Returns the session after a step-up. It is never weaker than before.
    #[must_use]
    pub fn lifted(&self, proof: Proof, now: Time) -> Self {
        let mut words: Vec<&str> = self.amr.split(' ').collect();
        for word in proof.amr().split(' ') {
            // A step-up does not repeat the password, and a session begun with a passkey never had one.
            if word != "pwd" && !words.contains(&word) {
                words.push(word);
            }
        }
        Self {
            acr: self.acr.max(proof.acr()),
            amr: words.join(" "),
            auth_time: now,
            proved_at: Some(now),
            second_step_at: match proof.second_step() {
                true => Some(now),
                false => self.second_step_at,
            },
            last_used_at: now,
            ..self.clone()
        }
    }

    /// Whether a second step was ever passed in this session.
    pub fn passed_second_step(&self) -> bool {
        self.acr > Assurance::Aal1
    }

    /// Returns the time to measure ages in this session by: `now`, or its last use if that is later. So proof
    /// that was once too old stays too old when the clock goes back.
    pub fn moment(&self, now: Time) -> Time {
        self.last_used_at.max(now)
    }

    /// Whether the session gave fresh proof after `begun`, or at most `max_age` seconds before it. With
    /// `factor_on` this must be a second step, otherwise the password is enough. Proof dated in the future
    /// does not count: the clock has gone back since.
    pub fn proved_since(&self, factor_on: bool, begun: Time, max_age: u32, now: Time) -> bool {
        let proof = match factor_on {
            true => self.second_step_at,
            false => self.proved_at,
        };
        let given = proof.filter(|at| !at.is_to_come(now));
        given.is_some_and(|at| at.plus_seconds(i64::from(max_age)) >= begun)
    }

    /// Whether a method or a code set, added between `begun` and `added`, can prove the person in this
    /// session. It can if the session began after it was added, or had fresh proof then. An older session
    /// without fresh proof may belong to an attacker who added it.
    pub fn trusts(&self, begun: Time, added: Time, max_age: u32, now: Time) -> bool {
        // A session dated in the future only seems to be younger.
        let younger = self.created_at >= added && !self.created_at.is_to_come(now);
        younger || self.proved_since(false, begun, max_age, now)
    }

    /// Returns the session without its proof, after a last use in the future was found: the clock went back,
    /// so the age of the proof is unknown.
    #[must_use]
    pub fn without_proof(&self, now: Time) -> Self {
        Self {
            proved_at: None,
            second_step_at: None,
            last_used_at: now,
            ..self.clone()
        }
    }

    /// Returns the session after its person typed the password again.
    #[must_use]
    pub fn with_password(&self, now: Time) -> Self {
        Self {
            proved_at: Some(now),
            last_used_at: now,
            ..self.clone()
        }
    }

    /// Checks that the person proved themselves at most `max_age` seconds ago: with a second step if one is
    /// on, in any way otherwise (RFC 9470 §3).
    ///
    /// # Errors
    /// Refuses a session whose proof is older or weaker.
    pub fn judge_fresh(&self, factor_on: bool, max_age: u32, now: Time) -> Result<(), Refusal> {
        if factor_on && !self.passed_second_step() {
            return Err(Refusal::InsufficientUserAuthentication { max_age });
        }
        // If the proof was discarded, the time of the sign-in does not count either.
        let signed_in = self.proved_at.and(Some(self.auth_time));
        self.judge_since(factor_on, signed_in, max_age, now)
    }

    /// Checks that the session gave fresh proof at most `max_age` seconds ago, for acts that change who can
    /// sign in: a second step if one is on, the password otherwise (NIST SP 800-63B-4 §4.1.2).
    ///
    /// # Errors
    /// Refuses a session whose proof is older or weaker.
    pub fn judge_proved(&self, factor_on: bool, max_age: u32, now: Time) -> Result<(), Refusal> {
        self.judge_since(factor_on, self.proved_at, max_age, now)
    }

    fn judge_since(
        &self,
        factor_on: bool,
        without: Option<Time>,
        max_age: u32,
        now: Time,
    ) -> Result<(), Refusal> {
        let since = match factor_on {
            true => self.second_step_at,
            false => without,
        };
        let moment = self.moment(now);
        let fresh = |at: Time| !at.is_to_come(now) && at.plus_seconds(i64::from(max_age)) >= moment;
        if since.is_some_and(fresh) {
            return Ok(());
        }
        Err(Refusal::InsufficientUserAuthentication { max_age })
    }
}

/// A refresh token of a session.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::refresh_tokens, treat_none_as_default_value = false)]
pub struct RefreshToken {
    /// The user whose session it is.
    pub user_id: UserId,
    /// The token's id.
    pub id: RefreshId,
    /// The session that it refreshes.
    pub session_id: SessionId,
    /// SHA-256 of the reference's secret.
    pub secret_hash: Vec<u8>,
    /// When it was issued.
    pub created_at: Time,
    /// When it was exchanged for its successor.
    pub replaced_at: Option<Time>,
    /// The successor. Its secret is derived from this token's secret with a key of the server.
    pub successor_id: Option<RefreshId>,
    /// The network that exchanged it.
    pub replaced_from: Option<String>,
    /// When it was sent again in time, and got the same successor.
    pub repeated_at: Option<Time>,
}

impl RefreshToken {
    /// Decides what happens when a token that was already exchanged is sent again from the network `from`.
    ///
    /// `successor` is the token it was exchanged for, if it still exists. Clients can be told apart only by
    /// their network. But the server knows whether the successor was used, and whether it was already given
    /// twice.
    pub fn judge_again(
        &self,
        successor: Option<&Self>,
        from: &str,
        window_seconds: u32,
        now: Time,
    ) -> Again {
        let (Some(at), Some(successor)) = (self.replaced_at, successor) else {
            return Again::Reuse;
        };
        let ends = at.plus_seconds(i64::from(window_seconds));
        let soon = window_seconds > 0 && ends.left_of(window_seconds, now) > 0;
        let theirs = self.replaced_from.as_deref() == Some(from);
        if !(soon && theirs && successor.replaced_at.is_none()) {
            return Again::Reuse;
        }
        match self.repeated_at {
            None => Again::Same,
            Some(_) => Again::Enough,
        }
    }
}

/// What happens to a refresh token that was already exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It gets the same successor once more: two tabs sent it at once, or the answer was lost.
    Same,
    /// It got the successor twice already. It is refused, but the session goes on.
    Enough,
    /// This token or its successor was stolen.
    Reuse,
}

/// What was proved when a session began. `acr` and `amr` follow from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A mailed code proved the address of a new account, whose password was typed to register.
    NewAccount {
        /// When that password was typed.
        password_at: Time,
    },
    /// A password alone.
    Password,
    /// A password and a second step of this kind.
    PasswordAnd(AnswerKind),
    /// A passkey with user verification: two factors in one (NIST SP 800-63B-4 §2.2).
    Passkey,
}

impl Proof {
    /// Returns the assurance that this proof reaches (NIST SP 800-63B-4 §2.2). E-mail never raises it
    /// (§3.1.3.1). A recovery code is not an authenticator (§4.2), so it stays below `aal2`.
    pub const fn acr(self) -> Assurance {
        match self {
            Self::NewAccount { .. } | Self::Password => Assurance::Aal1,
            Self::PasswordAnd(AnswerKind::Method(kind)) => kind.assurance(),
            Self::PasswordAnd(AnswerKind::CodeSet(_)) => Assurance::TwoStep,
            Self::Passkey => Assurance::Aal2,
        }
    }

    /// Returns the authentication methods (RFC 8176 §2). `email` and `recovery` are private values, since
    /// none are registered for them. `mfa` is present only with two different factor types.
    pub const fn amr(self) -> &'static str {
        match self {
            Self::NewAccount { .. } | Self::Password => "pwd",
            Self::PasswordAnd(AnswerKind::Method(kind)) => kind.amr(),
            Self::PasswordAnd(AnswerKind::CodeSet(_)) => "pwd recovery",
            Self::Passkey => "pop user mfa",
        }
    }

    /// Whether a second step was passed: after the password, or by a passkey that is both.
    pub const fn second_step(self) -> bool {
        match self {
            Self::NewAccount { .. } | Self::Password => false,
            Self::PasswordAnd(_) | Self::Passkey => true,
        }
    }

    /// Returns when the person gave fresh proof, if they signed in at `now`.
    pub const fn proved_at(self, now: Time) -> Time {
        match self {
            Self::NewAccount { password_at } => password_at,
            Self::Password | Self::PasswordAnd(_) | Self::Passkey => now,
        }
    }
}

/// The caller behind a bearer token: user and session as they are in the database now.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// The session that the token belongs to.
    pub session: Session,
    /// The user's factors, whatever their state.
    pub factors: Vec<Factor>,
    /// Whether the user's organisation demands a second factor.
    pub enforced: bool,
}

/// A sign-in with a right password that still waits for its second step.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The reference that the client holds.
    pub mfa_token: Secret<String>,
    /// The challenge that it refers to.
    pub challenge: ChallengeId,
    /// What the challenge waits for.
    pub method: AnswerKind,
    /// The user.
    pub user: User,
    /// The user's factors, whatever their state.
    pub factors: Vec<Factor>,
    /// The methods that sign-in accepts.
    pub demanded: Demand,
    /// Whether the user's organisation demands a second factor.
    pub enforced: bool,
}

impl Caller {
    /// Returns the methods that sign-in accepts; empty if a password is enough.
    pub fn demanded(&self) -> Demand {
        Demand::of(&self.user, &self.factors, self.enforced)
    }

    /// Whether sign-in asks this user for a second factor.
    pub fn factor_on(&self) -> bool {
        !self.demanded().is_empty()
    }

    /// Whether an address, as typed, is the one of the caller's account.
    pub fn has_address(&self, typed: &str) -> bool {
        canonical_address(typed).as_ref() == Some(&self.user.email)
    }

    /// Checks that the caller is an administrator of the server.
    ///
    /// # Errors
    /// Refuses everybody else.
    pub fn judge_administrator(&self) -> Result<(), Refusal> {
        match self.user.role {
            Role::Administrator => Ok(()),
            Role::User => Err(Refusal::Forbidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Session;
    use crate::Time;
    use crate::ids::Id;
    use crate::kinds::Assurance;

    fn at(seconds: i64) -> Time {
        Time::from_micros(0).plus_seconds(1_000_000 + seconds)
    }

    /// A session that began at `begun`, with proof from that time.
    fn session(begun: Time) -> Session {
        Session {
            user_id: Id::new(uuid::Uuid::nil()),
            id: Id::new(uuid::Uuid::nil()),
            acr: Assurance::Aal2,
            amr: "pwd otp mfa".to_owned(),
            auth_time: begun,
            created_at: begun,
            last_used_at: begun,
            expires_at: begun.plus_seconds(86_400),
            ended_at: None,
            proved_at: Some(begun),
            second_step_at: Some(begun),
            source: None,
            program: None,
        }
    }

    #[test]
    fn what_was_added_before_the_session_began_or_while_it_was_fresh_proves_in_it() {
        let one = session(at(0));
        let trusts = |added| one.trusts(at(added), at(added), 300, at(10_000));
        assert!(trusts(-5) && trusts(0) && trusts(300));
        assert!(!trusts(301));
    }

    #[test]
    fn a_session_of_a_time_to_come_trusts_nothing_that_was_added_on_the_older_clock() {
        let one = session(at(0));
        assert!(!one.trusts(at(-3600), at(-3600), 300, at(-3500)));
        assert!(!one.proved_since(true, at(-3600), 300, at(-3500)));
    }

    #[test]
    fn proof_grows_old_by_when_the_session_was_last_used() {
        let mut one = session(at(0));
        assert!(one.judge_proved(true, 300, at(300)).is_ok());
        assert!(one.judge_proved(true, 300, at(301)).is_err());
        one.last_used_at = at(360);
        assert!(one.judge_proved(true, 300, at(100)).is_err());
        let again = Session {
            second_step_at: Some(at(100)),
            last_used_at: at(100),
            ..one
        };
        assert!(again.judge_proved(true, 300, at(110)).is_ok());
    }
}
