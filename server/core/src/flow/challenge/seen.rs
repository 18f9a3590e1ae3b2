//! Finds a challenge again, by its reference, by its link or by its session, with all that is needed to judge
//! it.

use crate::app::Ctx;
use crate::flow::challenge::phone_on;
use crate::flow::settle::Answer;
use crate::flow::{Act, fresh, sms};
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, FactorAttempts, demanded, kinds_on, second_steps};
use crate::model::kinds::{Counted, FactorKind, FactorState, Purpose};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::{Caller, Session};
use crate::model::user::User;
use crate::model::{ChallengeId, Error, FactorId, Refusal, Result, Secret, UserId};
use crate::store::{Question, Tx, challenges, factors, sessions, users};
use crate::vault;

/// A challenge as it was read, with all that is needed to judge it.
#[derive(Clone)]
pub struct Seen {
    /// The challenge.
    pub challenge: Challenge,
    /// The user who must answer.
    pub user: User,
    /// The user's factors.
    pub factors: Vec<Factor>,
    /// The counter that a wrong answer by the method it waits for counts in.
    pub attempts: FactorAttempts,
    /// The counters of all methods that were tried.
    pub counters: Vec<FactorAttempts>,
    /// The methods that this step accepts.
    pub demanded: Vec<FactorKind>,
}

/// Finds the challenge of an `mfaToken`, and checks that it is alive and has this purpose.
///
/// # Errors
/// Refuses an unknown, forged, used or expired reference, and one for another purpose. Nothing is written for
/// these, except that an expired challenge is ended.
pub async fn look(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Option<Purpose>,
) -> Result<Seen> {
    let reference = Reference::parse(ReferenceKind::Challenge, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    let (user, row) = (reference.user(), reference.row());
    let found = ctx.store.question(user, row).await?;
    let digest = vault::digest(reference.secret.expose());
    let found = found
        .filter(|found| vault::same(&digest, &found.challenge.secret_hash))
        .ok_or(Refusal::MfaTokenInvalid)?;
    let alive = match purpose {
        Some(purpose) => found.challenge.judge(purpose, now),
        None => found.challenge.judge_alive(now),
    };
    end_over(ctx, act, user, row, alive.map_err(Error::from)).await?;
    Seen::asked(ctx, found).await
}

/// Finds the challenge of an `mfaToken` that no session began: a sign-in, or the second step before a new
/// password.
///
/// # Errors
/// As [`look`].
pub async fn look_without_session(ctx: &Ctx, act: &Act, token: &Secret<String>) -> Result<Seen> {
    let seen = look(ctx, act, token, None).await?;
    match seen.challenge.purpose {
        Purpose::Login | Purpose::PasswordReset => Ok(seen),
        Purpose::Setup | Purpose::Disable | Purpose::StepUp | Purpose::Action => {
            Err(Refusal::MfaWrongPurpose.into())
        }
    }
}

/// Ends a challenge that was found to be expired, so that it stays expired if the clock goes back.
async fn end_over<T>(
    ctx: &Ctx,
    act: &Act,
    user: UserId,
    row: ChallengeId,
    found: Result<T>,
) -> Result<T> {
    if let Err(Error::Refused(Refusal::MfaTokenExpired)) = found {
        end(ctx, act, user, row).await;
    }
    found
}

async fn end(ctx: &Ctx, act: &Act, user: UserId, row: ChallengeId) {
    let now = act.now;
    let ended = ctx.write(move |tx| challenges::end_over(tx, user, row, now));
    if let Err(error) = ended.await {
        // The caller gets the refusal in any case.
        tracing::warn!(?error, "an expired challenge could not be ended");
    }
}

/// Finds the sign-in of a reference that was sent as a bearer. It lives as long as its codes or its link,
/// whichever ends later.
///
/// # Errors
/// As [`look`].
pub async fn look_waiting(ctx: &Ctx, act: &Act, token: &Secret<String>) -> Result<Seen> {
    let reference = Reference::parse(ReferenceKind::Challenge, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    let (user, row) = (reference.user(), reference.row());
    let found = ctx.read(move |tx| {
        let found = challenges::find_with_user(tx, reference.user(), reference.row())?;
        let digest = vault::digest(reference.secret.expose());
        let kept = |(found, _): &(Challenge, User)| vault::same(&digest, &found.secret_hash);
        let (mut challenge, user) = found.filter(kept).ok_or(Refusal::MfaTokenInvalid)?;
        if let (Some(_), Some(ends)) = (&challenge.link_hash, challenge.link_expires_at) {
            challenge.expires_at = challenge.expires_at.max(ends);
        }
        challenge.judge(Purpose::Login, now)?;
        Seen::of(tx, challenge, user)
    });
    let found = found.await;
    end_over(ctx, act, user, row, found).await
}

/// Finds the challenge of an `mfaToken` for an answer. If `answer` is the link of its mail, its codes may
/// have expired already, since a link lives longer.
///
/// # Errors
/// As [`look`].
pub async fn look_to_answer(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Purpose,
    answer: &Answer,
) -> Result<Seen> {
    let Answer::Code(code) = answer else {
        return look(ctx, act, token, Some(purpose)).await;
    };
    let link = Reference::parse_pasted(ReferenceKind::MagicLink, code.expose());
    let held = Reference::parse(ReferenceKind::Challenge, token.expose());
    let (Some(link), Some(held)) = (link, held) else {
        return look(ctx, act, token, Some(purpose)).await;
    };
    if (link.user, link.row) != (held.user, held.row) {
        return other_link(ctx, act, token, purpose).await;
    }
    let Ok(seen) = look_by_link(ctx, act, code).await else {
        return other_link(ctx, act, token, purpose).await;
    };
    let digest = vault::digest(held.secret.expose());
    if !vault::same(&digest, &seen.challenge.secret_hash) {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    seen.challenge.judge(purpose, act.now)?;
    seen.go_on(ctx).await
}

/// Refuses a link of another challenge, or one that a newer mail replaced. This costs no try, since nobody
/// can guess a link.
async fn other_link(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Purpose,
) -> Result<Seen> {
    let seen = look(ctx, act, token, Some(purpose)).await?;
    seen.judge_tries(act)?;
    let attempts_remaining = seen.challenge.attempts_remaining(act.policy());
    Err(Refusal::InvalidMfaCode { attempts_remaining }.into())
}

/// Finds the challenge of a mailed link, whatever its purpose, and checks that the link is alive. A link may
/// outlive its challenge, which then lives until the link expires.
///
/// # Errors
/// Refuses an unknown, forged, replaced or expired link, and one whose challenge is over.
pub async fn look_by_link(ctx: &Ctx, act: &Act, token: &Secret<String>) -> Result<Seen> {
    let reference = Reference::parse_pasted(ReferenceKind::MagicLink, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    let (user, row) = (reference.user(), reference.row());
    let found = ctx.read(move |tx| {
        let found = challenges::find_with_user(tx, reference.user(), reference.row())?;
        let digest = vault::digest(reference.secret.expose());
        let kept = |(found, _): &(Challenge, User)| {
            let hash = found.link_hash.as_deref();
            hash.is_some_and(|hash| vault::same(&digest, hash))
        };
        let (mut challenge, user) = found.filter(kept).ok_or(Refusal::MfaTokenInvalid)?;
        let ends = challenge.link_expires_at.unwrap_or(challenge.expires_at);
        challenge.expires_at = challenge.expires_at.max(ends);
        challenge.judge_alive(now)?;
        if challenge.last_sent_at.is_some_and(|at| at.is_to_come(now)) {
            // The clock has gone back since it was mailed. That must not lengthen its life.
            return Err(Refusal::MfaTokenExpired.into());
        }
        Seen::of(tx, challenge, user)
    });
    let found = found.await;
    end_over(ctx, act, user, row, found).await
}

/// Finds the newest live challenge that a session began for this purpose, for APIs whose clients send no
/// reference.
///
/// # Errors
/// Refuses if there is none.
pub async fn look_by_session(
    ctx: &Ctx,
    act: &Act,
    caller: &Caller,
    purpose: Purpose,
    fits: impl Fn(&Challenge) -> bool + Send + 'static,
) -> Result<Seen> {
    let (user_id, session_id, now) = (caller.user.id, caller.session.id, act.now);
    let found = ctx.read(move |tx| {
        let live = challenges::live(tx, user_id, now)?;
        // A challenge whose factor was displaced by another set-up is not found.
        let standing = factors::of_user(tx, user_id)?;
        let stands = |id: FactorId| standing.iter().any(|factor| factor.id == id);
        let challenge = live
            .into_iter()
            .filter(|one| one.factor_id.is_none_or(stands) && one.judge_alive(now).is_ok())
            .find(|one| one.purpose == purpose && one.session_id == Some(session_id) && fits(one));
        match challenge {
            Some(challenge) => {
                let user = users::find(tx, user_id)?.ok_or(Refusal::UserNotFound)?;
                Ok(Found::Live(Box::new(Seen::of(tx, challenge, user)?)))
            }
            None => Ok(Found::Over(challenges::over(tx, user_id, session_id, now)?)),
        }
    });
    match found.await? {
        Found::Live(seen) => Ok(*seen),
        Found::Over(rows) => {
            // They are ended, so that they stay expired if the clock goes back.
            for row in rows {
                end(ctx, act, user_id, row).await;
            }
            Err(Refusal::MfaMethodNotConfigured.into())
        }
    }
}

/// What was found of a session's challenges: the one that is alive, or those that have expired.
enum Found {
    Live(Box<Seen>),
    Over(Vec<ChallengeId>),
}

impl Seen {
    fn of(tx: &mut Tx, challenge: Challenge, user: User) -> Result<Self> {
        let question = Question {
            factors: factors::of_user(tx, user.id)?,
            counters: factors::all_attempts(tx, user.id)?,
            challenge,
            user,
        };
        let enforced = users::enforced(tx, &question.user)?;
        Self::enforced(question, enforced)
    }

    async fn asked(ctx: &Ctx, question: Question) -> Result<Self> {
        let asks_organisation =
            question.user.organisation_id.is_some() && kinds_on(&question.factors).is_empty();
        let enforced = asks_organisation && {
            let user = question.user.clone();
            ctx.read(move |tx| users::enforced(tx, &user)).await?
        };
        Self::enforced(question, enforced)
    }

    /// Puts it together; `enforced` tells whether the user's organisation demands a second factor.
    fn enforced(question: Question, enforced: bool) -> Result<Self> {
        let Question {
            challenge,
            user,
            factors,
            counters,
        } = question;
        if !user.active() {
            return Err(Refusal::UserNotFound.into());
        }
        let counted = Counted::of(challenge.purpose, challenge.kind);
        let same_kind = |counter: &&FactorAttempts| counter.kind == counted;
        let attempts = counters.iter().find(same_kind).copied();
        Ok(Self {
            attempts: attempts.unwrap_or(FactorAttempts::none(user.id, counted)),
            counters,
            demanded: second_steps(challenge.purpose, demanded(&user, &factors, enforced)),
            factors,
            challenge,
            user,
        })
    }

    /// Returns what a wrong answer by this method counts for.
    pub fn counted(&self, method: FactorKind) -> Counted {
        Counted::of(self.challenge.purpose, method)
    }

    /// Whether any method of the user was locked when it was read.
    pub fn has_stopped_methods(&self, act: &Act) -> bool {
        self.counters
            .iter()
            .any(|counter| counter.locked(act.policy()))
    }

    /// Extends the challenge in the database until its link expires.
    ///
    /// # Errors
    /// Refuses a challenge that is over meanwhile.
    pub async fn go_on(self, ctx: &Ctx) -> Result<Self> {
        ctx.write(move |tx| match challenges::go_on(tx, &self.challenge)? {
            true => Ok(self.clone()),
            false => Err(Refusal::MfaTokenInvalid.into()),
        })
        .await
    }

    /// Returns the factors that are on, of the method that the challenge waits for.
    pub fn on(&self) -> Vec<Factor> {
        let answers = |factor: &&Factor| {
            factor.kind == self.challenge.kind && factor.state == FactorState::On
        };
        self.factors.iter().filter(answers).cloned().collect()
    }

    /// Returns the factor that is set up or turned off, if it still exists.
    pub fn about(&self) -> Option<Factor> {
        let id = self.challenge.factor_id?;
        self.factors.iter().find(|factor| factor.id == id).cloned()
    }

    /// Returns the number for this challenge's SMS: of the factor that is set up or turned off, otherwise of
    /// the proved one.
    pub(super) fn phone(&self) -> Option<String> {
        let about = self.about().and_then(|factor| factor.target);
        about.or_else(|| phone_on(&self.factors))
    }

    /// Whether the method has codes that are sent, and one can be sent now.
    pub fn sends(&self, act: &Act) -> bool {
        match self.challenge.kind {
            FactorKind::Sms => sms::can_send(act, self.phone().as_deref()),
            FactorKind::Email
            | FactorKind::Authenticator
            | FactorKind::Passkey
            | FactorKind::RecoveryCode
            | FactorKind::ScratchCode => self.challenge.kind.is_sent(),
        }
    }

    /// Checks that this method may finish the sign-in.
    ///
    /// # Errors
    /// Refuses a method that sign-in does not accept.
    pub fn judge_method(&self, method: FactorKind) -> Result<()> {
        if !self.demanded.contains(&method) {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        Ok(())
    }

    /// Checks that its method can still answer it. A recovery code always can while sign-in asks for a second
    /// step.
    ///
    /// # Errors
    /// Refuses a method that was turned off meanwhile.
    pub fn judge_answerable(&self) -> Result<()> {
        let method = self.challenge.kind;
        let stands = match method {
            FactorKind::RecoveryCode => !self.demanded.is_empty(),
            _factor => self.demanded.contains(&method),
        };
        if !stands {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        Ok(())
    }

    /// Whether the last code sent for it was of this method.
    pub fn has_code_of(&self, method: FactorKind) -> bool {
        // Only mails have a link. When another link replaces it, its expiry stays.
        let mailed = self.challenge.link_expires_at.is_some();
        self.challenge.last_sent_at.is_some() && mailed == (method == FactorKind::Email)
    }

    /// Switches the challenge to this method, without sending anything.
    ///
    /// # Errors
    /// Refuses a challenge that is over, and a method that sign-in does not accept.
    pub async fn waiting_for(self, ctx: &Ctx, method: FactorKind) -> Result<Self> {
        if self.challenge.kind == method {
            return Ok(self);
        }
        self.judge_method(method)?;
        ctx.write(move |tx| {
            if !challenges::switch(tx, &self.challenge, method)? {
                return Err(Refusal::MfaTokenInvalid.into());
            }
            let mut seen = self.clone();
            seen.challenge.kind = method;
            seen.attempts = factors::attempts(tx, seen.user.id, seen.counted(method))?;
            Ok(seen)
        })
        .await
    }

    /// Checks that a bearer sent with the answer is of the session that began the challenge. No other session
    /// may finish it, even of the same user.
    ///
    /// # Errors
    /// Refuses a bearer of another session or another user.
    pub fn judge_caller(&self, caller: Option<&Caller>) -> Result<()> {
        let Some(caller) = caller else {
            return Ok(());
        };
        let begun_by = self.challenge.session_id;
        let same_session = begun_by.is_none_or(|id| id == caller.session.id);
        match caller.user.id == self.user.id && same_session {
            true => Ok(()),
            false => Err(Refusal::MfaTokenInvalid.into()),
        }
    }

    /// Checks who proves a set-up. It must be the user's own session. If an administrator began it, it may be
    /// the user or an administrator with fresh proof; that caller is returned.
    ///
    /// # Errors
    /// Refuses everybody else.
    pub fn judge_beginner(&self, act: &Act, caller: Option<&Caller>) -> Result<Option<Caller>> {
        if self.challenge.session_id.is_some() {
            self.judge_caller(caller)?;
            return Ok(None);
        }
        let caller = caller.ok_or(Refusal::TokenInvalid { sent: false })?;
        if caller.user.id != self.user.id {
            caller.judge_administrator()?;
            fresh::judge_for_others(act, caller)?;
        }
        Ok(Some(caller.clone()))
    }

    /// Returns the session that began the challenge. A set-up or a turning off must not outlive its session.
    ///
    /// # Errors
    /// Refuses if the session has ended.
    pub fn beginner(&self, tx: &mut Tx, act: &Act) -> Result<Session> {
        let found = match self.challenge.session_id {
            Some(id) => sessions::find(tx, self.user.id, id)?,
            None => None,
        };
        let session = found.ok_or(Refusal::MfaTokenInvalid)?;
        match session.judge(act.policy(), act.now) {
            Ok(()) => Ok(session),
            Err(_) => Err(Refusal::MfaTokenInvalid.into()),
        }
    }
}
