//! Sessions, what was proved for them, and who is calling.

use diesel::prelude::*;

use crate::factor::{Factor, demanded};
use crate::ids::{ChallengeId, RefreshId, SessionId, UserId};
use crate::kinds::{Assurance, FactorKind, Role};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::schema;
use crate::secret::Secret;
use crate::time::Time;
use crate::user::User;

/// A signed-in session.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::sessions, treat_none_as_default_value = false)]
pub struct Session {
    /// Whose.
    pub user_id: UserId,
    /// Its id, `sid` in access tokens.
    pub id: SessionId,
    /// Its assurance.
    pub acr: Assurance,
    /// Authentication methods (RFC 8176), separated by spaces.
    pub amr: String,
    /// When the person last proved who they are; refreshing keeps it (NIST SP 800-63B-4 §5.1).
    pub auth_time: Time,
    /// When it began.
    pub created_at: Time,
    /// When it was last used, to the minute.
    pub last_used_at: Time,
    /// When it ends whatever the activity.
    pub expires_at: Time,
    /// When it was ended before that.
    pub ended_at: Option<Time>,
    /// When it last gave fresh proof: the second step at sign-in or by stepping up, or the password
    /// typed while no factor was on; of a new account, when the password was typed to register. The
    /// codes of a registration or a set-up give none, and refreshing does not move it.
    pub proved_at: Option<Time>,
    /// When a second step was last passed in it; of a session that proved its account's first method
    /// itself, when its password was typed. Kept apart: a password typed later is proof while nothing
    /// is on, and makes no earlier second step a fresh one.
    pub second_step_at: Option<Time>,
}

impl Session {
    /// Judges whether the session is alive: not ended, not idle too long, not over.
    ///
    /// # Errors
    /// Refuses an ended one as invalid and an expired one as expired.
    pub fn judge(&self, policy: &Policy, now: Time) -> Result<(), Refusal> {
        let ends_at = self.ends_at(policy);
        if self.ended_at.is_some_and(|ended| ended < ends_at) {
            return Err(Refusal::TokenInvalid { sent: true });
        }
        // Ended after its time: it was seen to be over, and stays so when the clock goes back.
        if self.ended_at.is_some() || now >= ends_at {
            return Err(Refusal::TokenExpired);
        }
        Ok(())
    }

    /// When the session ends if nobody uses it any more.
    pub fn ends_at(&self, policy: &Policy) -> Time {
        let idle = self
            .last_used_at
            .plus_seconds(i64::from(policy.session_idle_seconds));
        self.expires_at.min(idle)
    }

    /// The session after its person proved themselves once more: no weaker than before.
    #[must_use]
    pub fn lifted(&self, proof: Proof, now: Time) -> Self {
        let mut words: Vec<&str> = self.amr.split(' ').collect();
        for word in proof.amr().split(' ') {
            // What was typed before is not typed again: a passkey's session never had a password.
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

    /// Whether a second step was ever passed in it.
    pub fn passed_second_step(&self) -> bool {
        self.acr > Assurance::Aal1
    }

    /// How late it is for what grows old in this session: `now`, or when it was last used, whichever is
    /// later. What was seen to be too old stays so when the clock goes back.
    pub fn moment(&self, now: Time) -> Time {
        self.last_used_at.max(now)
    }

    /// Whether fresh proof was given after `begun`, or at most `max_age` seconds before it: a second step
    /// while one is asked for (`factor_on`), else the password at least. Proof of a time to come is of a
    /// clock that went back since, and proves nothing.
    pub fn proved_since(&self, factor_on: bool, begun: Time, max_age: u32, now: Time) -> bool {
        let proof = match factor_on {
            true => self.second_step_at,
            false => self.proved_at,
        };
        let given = proof.filter(|at| !at.is_to_come(now));
        given.is_some_and(|at| at.plus_seconds(i64::from(max_age)) >= begun)
    }

    /// Whether a method or a set of codes proves the person in this session: one that was added between
    /// `begun` and `added` does if the session began after that, or had given fresh proof when it was
    /// added. Whoever holds an older session may be the one who added it.
    pub fn trusts(&self, begun: Time, added: Time, max_age: u32, now: Time) -> bool {
        // A session that began in a time to come only seems to be the younger one.
        let younger = self.created_at >= added && !self.created_at.is_to_come(now);
        younger || self.proved_since(false, begun, max_age, now)
    }

    /// The session after it was seen to have been used in a time to come: the clock went back, and nobody
    /// knows how old its proof is.
    #[must_use]
    pub fn without_proof(&self, now: Time) -> Self {
        Self {
            proved_at: None,
            second_step_at: None,
            last_used_at: now,
            ..self.clone()
        }
    }

    /// The session after its person typed the password in it once more.
    #[must_use]
    pub fn with_password(&self, now: Time) -> Self {
        Self {
            proved_at: Some(now),
            last_used_at: now,
            ..self.clone()
        }
    }

    /// Judges whether the person proved themselves at most `max_age` seconds ago: with a second step
    /// if one is on, in any way otherwise (RFC 9470 §3).
    ///
    /// # Errors
    /// Refuses an older or weaker session.
    pub fn judge_fresh(&self, factor_on: bool, max_age: u32, now: Time) -> Result<(), Refusal> {
        if factor_on && !self.passed_second_step() {
            return Err(Refusal::InsufficientUserAuthentication { max_age });
        }
        // Proof that was forgotten does not stand by when they signed in, either.
        let signed_in = self.proved_at.and(Some(self.auth_time));
        self.judge_since(factor_on, signed_in, max_age, now)
    }

    /// Judges whether the session gave fresh proof for acts that change who can sign in, at most
    /// `max_age` seconds ago: a second step if one is on, or the password typed in it (NIST SP 800-63B-4 §4.1.2).
    ///
    /// # Errors
    /// Refuses an older or weaker session.
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

/// One refresh token of a session.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::refresh_tokens, treat_none_as_default_value = false)]
pub struct RefreshToken {
    /// Whose.
    pub user_id: UserId,
    /// Its id.
    pub id: RefreshId,
    /// The session it prolongs.
    pub session_id: SessionId,
    /// SHA-256 of the reference's secret.
    pub secret_hash: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When it was exchanged for the next one.
    pub replaced_at: Option<Time>,
    /// The next one; its secret follows from this one's, under a key of the server.
    pub successor_id: Option<RefreshId>,
    /// The network that exchanged it.
    pub replaced_from: Option<String>,
    /// When it came again, within the time that is allowed, and got the same next one.
    pub repeated_at: Option<Time>,
}

impl RefreshToken {
    /// What a token that was exchanged already is given when it comes again from the network `from`.
    ///
    /// `successor` is the one it was exchanged for, if that is still there. A client cannot be told from
    /// another by more than its network; but what the token was exchanged for was not used yet, and
    /// whether it was given twice is known.
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

/// What becomes of a refresh token that was exchanged already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It gets the same successor once more: two tabs sent it at once, or the answer was lost.
    Same,
    /// It got that twice: no more, but nothing ends.
    Enough,
    /// Either it or its successor is in foreign hands.
    Reuse,
}

/// What was proved when a session began: the one input to its `acr` and `amr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A code by mail: the address was just proved, for the password that was typed to register.
    NewAccount {
        /// When that password was typed.
        password_at: Time,
    },
    /// A password alone.
    Password,
    /// A password and a second step of this kind.
    PasswordAnd(FactorKind),
    /// A passkey that verified its user: two factors in one (NIST SP 800-63B-4 §2.2).
    Passkey,
}

impl Proof {
    /// The assurance this proof reaches (NIST SP 800-63B-4 §2.2); e-mail never raises it (§3.1.3.1). A recovery
    /// code is for recovery and no authenticator (§4.2), so it stays below `aal2`.
    pub const fn acr(self) -> Assurance {
        match self {
            Self::NewAccount { .. } | Self::Password => Assurance::Aal1,
            Self::PasswordAnd(
                FactorKind::Email | FactorKind::RecoveryCode | FactorKind::ScratchCode,
            ) => Assurance::TwoStep,
            Self::PasswordAnd(
                FactorKind::Authenticator | FactorKind::Sms | FactorKind::Passkey,
            )
            | Self::Passkey => Assurance::Aal2,
        }
    }

    /// The methods, by RFC 8176 §2. `email` and `recovery` are private values, since it registers no word for
    /// them. `mfa` stands only beside two factor types.
    pub const fn amr(self) -> &'static str {
        match self {
            Self::NewAccount { .. } | Self::Password => "pwd",
            Self::PasswordAnd(FactorKind::Email) => "pwd email",
            Self::PasswordAnd(FactorKind::Authenticator) => "pwd otp mfa",
            Self::PasswordAnd(FactorKind::Sms) => "pwd sms mfa",
            Self::PasswordAnd(FactorKind::Passkey) => "pwd pop mfa",
            Self::PasswordAnd(FactorKind::RecoveryCode | FactorKind::ScratchCode) => "pwd recovery",
            Self::Passkey => "pop user mfa",
        }
    }

    /// Whether a second step was passed: beside the password, or with a passkey that is both.
    pub const fn second_step(self) -> bool {
        match self {
            Self::NewAccount { .. } | Self::Password => false,
            Self::PasswordAnd(_) | Self::Passkey => true,
        }
    }

    /// When the person proved themselves for acts that change who can sign in, if they did at `now`.
    pub const fn proved_at(self, now: Time) -> Time {
        match self {
            Self::NewAccount { password_at } => password_at,
            Self::Password | Self::PasswordAnd(_) | Self::Passkey => now,
        }
    }
}

/// Who is calling with a bearer: the user and the session, as the database has them now.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// The session.
    pub session: Session,
    /// The user's factors.
    pub factors: Vec<Factor>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
}

/// Somebody who typed a right password and was not proved by a second step yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The sign-in's reference.
    pub mfa_token: Secret<String>,
    /// Its challenge.
    pub challenge: ChallengeId,
    /// The method it waits for.
    pub method: FactorKind,
    /// The user.
    pub user: User,
    /// The user's factors.
    pub factors: Vec<Factor>,
    /// The methods that sign-in asks for.
    pub demanded: Vec<FactorKind>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
}

impl Caller {
    /// The methods that sign-in asks this user for; none when a password is enough.
    pub fn demanded(&self) -> Vec<FactorKind> {
        demanded(&self.user, &self.factors, self.enforced)
    }

    /// Whether sign-in asks this user for a second factor.
    pub fn factor_on(&self) -> bool {
        !self.demanded().is_empty()
    }

    /// Judges whether the caller is an administrator.
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

    /// A session that began, with its proof, at `begun`.
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
