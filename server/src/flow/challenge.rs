//! The life of a challenge: opened, looked at, tried, sent for again.

use crate::app::Ctx;
use crate::factor::{Code, Expected, Verdict, sent_code};
use crate::flow::{Act, MailOf};
use crate::model::audit::Event;
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::{Caller, Session};
use crate::model::user::User;
use crate::model::{ChallengeId, FactorId, Refusal, Result, Secret, SessionId, UserId};
use crate::store::{Tx, challenges, factors, sessions, users};
use crate::vault;

/// What a new challenge is made of, drawn before the write.
#[derive(Clone)]
pub struct Draft {
    id: ChallengeId,
    secret: Secret<[u8; 32]>,
    code: Secret<String>,
}

/// What a new challenge is for.
pub struct Opening {
    /// Its purpose.
    pub purpose: Purpose,
    /// The method it waits for.
    pub kind: FactorKind,
    /// The factor it is about, if one.
    pub factor_id: Option<FactorId>,
    /// The session that asks, if one.
    pub session_id: Option<SessionId>,
    /// Its lifetime in seconds (P-18, P-39).
    pub seconds: u32,
}

impl Draft {
    /// Draws the chance of one challenge.
    pub fn new(ctx: &Ctx, act: &Act) -> Self {
        Self {
            id: ctx.chance.id(act.now),
            secret: ctx.chance.secret(),
            code: ctx.chance.code(act.policy().code_digits),
        }
    }

    /// The `mfaToken` of this challenge.
    pub fn token(&self, user: UserId) -> Secret<String> {
        Reference::new(user, self.id, self.secret.clone()).print(ReferenceKind::Challenge)
    }

    /// Opens the challenge, and mails its code if its method is one that is sent. The oldest of too
    /// many live ones dies (P-16).
    ///
    /// # Errors
    /// Refuses when no mail may be sent now.
    pub fn open(&self, tx: &mut Tx, act: &Act, user: &User, opening: &Opening) -> Result<()> {
        let sends = opening.kind.is_sent();
        if sends {
            act.count_mail_call(tx, user.id, MailOf::Owner)?;
            act.count_code_mail(tx, user.id)?;
            act.count_mail(tx, MailOf::Owner)?;
        }
        // Counted by one write at a time, or two at once would leave one too many alive.
        users::lock(tx, user.id)?;
        let others = challenges::live(tx, user.id, act.now)?;
        let keep = act.policy().challenges_per_account.saturating_sub(1) as usize;
        for old in others.iter().skip(keep) {
            challenges::spend(tx, user.id, old.id, act.now)?;
        }
        challenges::insert(
            tx,
            &Challenge {
                user_id: user.id,
                id: self.id,
                secret_hash: vault::digest(self.secret.expose()).to_vec(),
                purpose: opening.purpose,
                kind: opening.kind,
                factor_id: opening.factor_id,
                session_id: opening.session_id,
                code_hash: sends
                    .then(|| sent_code::hash(&act.vault, self.id.as_bytes(), &self.code)),
                attempts: 0,
                resends: 0,
                last_sent_at: sends.then_some(act.now),
                created_at: act.now,
                expires_at: act.now.plus_seconds(i64::from(opening.seconds)),
                consumed_at: None,
                link_hash: None,
                link_expires_at: None,
                ceremony: None,
                action: None,
                source: Some(act.source.to_string()),
            },
        )?;
        if sends {
            mail(tx, act, user, opening.purpose, &self.code)?;
        }
        Ok(())
    }
}

/// Queues the mail that carries a challenge's code.
///
/// # Errors
/// A fault when the database does not answer.
pub fn mail(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    purpose: Purpose,
    code: &Secret<String>,
) -> Result<()> {
    let seconds = act.policy().mail_code_seconds;
    let (code, minutes) = (code.expose().clone(), seconds / 60);
    let link = None;
    let message = match purpose {
        Purpose::Setup => Message::SetupCode {
            code,
            minutes,
            link,
        },
        Purpose::Login => Message::LoginCode {
            code,
            minutes,
            link,
        },
        Purpose::Disable => Message::DisableCode {
            code,
            minutes,
            link,
        },
        Purpose::StepUp => Message::StepUpCode {
            code,
            minutes,
            link,
        },
        Purpose::Action => Message::ActionCode {
            code,
            minutes,
            action: String::new(),
        },
    };
    act.post(tx, user.id, &user.email, message, seconds)
}

/// Sends a challenge its first mail or a further one: the new code takes the place of the old one.
/// `false` when the challenge changed meanwhile; then nothing is sent and no code mail is counted.
///
/// # Errors
/// Refuses past P-23 and P-25, before the old code is touched.
pub fn send(tx: &mut Tx, act: &Act, seen: &Seen, code: &Secret<String>) -> Result<bool> {
    act.count_mail_call(tx, seen.user.id, MailOf::Owner)?;
    act.judge_code_mail(tx, seen.user.id)?;
    act.count_mail(tx, MailOf::Owner)?;
    let sent = challenges::Sent {
        kind: FactorKind::Email,
        code_hash: sent_code::hash(&act.vault, seen.challenge.id.as_bytes(), code),
    };
    if !challenges::send(tx, &seen.challenge, &sent, act.now)? {
        return Ok(false);
    }
    act.count_code_mail(tx, seen.user.id)?;
    mail(tx, act, &seen.user, seen.challenge.purpose, code)?;
    Ok(true)
}

/// A challenge as it was found, with all that is needed to judge it.
#[derive(Clone)]
pub struct Seen {
    /// The challenge.
    pub challenge: Challenge,
    /// Whose it is.
    pub user: User,
    /// Their factors.
    pub factors: Vec<Factor>,
    /// The counter of the method it waits for.
    pub attempts: FactorAttempts,
}

/// Finds the challenge of an `mfaToken`, and judges whether it is alive and for this purpose.
///
/// # Errors
/// Refuses unknown, forged, used, expired and foreign ones, before anything is touched.
pub async fn look(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Option<Purpose>,
) -> Result<Seen> {
    let reference = Reference::parse(ReferenceKind::Challenge, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    ctx.read(move |tx| {
        let user_id = reference.user();
        let challenge = challenges::find(tx, user_id, reference.row())?
            .filter(|found| {
                vault::same(
                    &vault::digest(reference.secret.expose()),
                    &found.secret_hash,
                )
            })
            .ok_or(Refusal::MfaTokenInvalid)?;
        match purpose {
            Some(purpose) => challenge.judge(purpose, now)?,
            None => challenge.judge_alive(now)?,
        }
        let user = users::find(tx, user_id)?
            .filter(User::active)
            .ok_or(Refusal::UserNotFound)?;
        Ok(Seen {
            factors: factors::of_user(tx, user_id)?,
            attempts: factors::attempts(tx, user_id, challenge.kind)?,
            challenge,
            user,
        })
    })
    .await
}

impl Seen {
    /// The factors on of the method that the challenge waits for.
    pub fn on(&self) -> Vec<Factor> {
        let answers = |factor: &&Factor| {
            factor.kind == self.challenge.kind && factor.state == FactorState::On
        };
        self.factors.iter().filter(answers).cloned().collect()
    }

    /// The factor that the challenge is about, if it still stands.
    pub fn about(&self) -> Option<Factor> {
        let id = self.challenge.factor_id?;
        self.factors.iter().find(|factor| factor.id == id).cloned()
    }

    /// Judges whether a bearer that came along is the one who began the challenge (App. B).
    ///
    /// # Errors
    /// Refuses somebody else's.
    pub fn judge_caller(&self, caller: Option<&Caller>) -> Result<()> {
        match caller {
            Some(caller) if caller.user.id != self.user.id => Err(Refusal::MfaTokenInvalid.into()),
            _ => Ok(()),
        }
    }

    /// The session that began the challenge, if it still stands: what began a set-up or a turning off
    /// must not outlive its session.
    ///
    /// # Errors
    /// Refuses when it has ended since.
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

    /// Refuses when the challenge has no try left.
    ///
    /// # Errors
    /// Refuses with the seconds until a new challenge would be let in.
    pub fn judge_tries(&self, act: &Act) -> Result<()> {
        if self.challenge.attempts_remaining(act.policy()) == 0 {
            return Err(exhausted(act, &self.attempts).into());
        }
        Ok(())
    }

    /// Takes a try, of the challenge first and of the method's counter then, compares, and uses the
    /// challenge up when the code fits.
    ///
    /// # Errors
    /// Refuses a wrong code, a used one, and one too many; what was taken stays taken.
    pub fn answer(&self, tx: &mut Tx, act: &Act, expected: &Expected, code: &Code) -> Result<()> {
        let policy = act.policy();
        let user_id = self.user.id;
        let Some(taken) =
            challenges::reserve(tx, &self.challenge, policy.tries_per_challenge, act.now)?
        else {
            return Err(self.over(tx, act)?.into());
        };
        let counter = self.take_try(tx, act)?;
        let attempts_remaining = policy
            .tries_per_challenge
            .saturating_sub(taken.unsigned_abs());
        let method = self.challenge.kind.as_str();
        let refusal = match expected.compare(tx, code, policy, act.now)? {
            Verdict::Right => {
                return if challenges::spend(tx, user_id, self.challenge.id, act.now)? {
                    Ok(())
                } else {
                    Err(Refusal::MfaTokenInvalid.into())
                };
            }
            Verdict::Wrong => {
                act.audit(tx, user_id, Event::CodeWrong, Some(method))?;
                Refusal::InvalidMfaCode { attempts_remaining }
            }
            Verdict::Used { retry_after } => {
                act.audit(tx, user_id, Event::CodeReused, Some(method))?;
                Refusal::UsedMfaCode {
                    attempts_remaining,
                    retry_after,
                }
            }
        };
        self.tell_of_failures(tx, act, attempts_remaining, &counter)?;
        Err(refusal.into())
    }

    /// Takes a try of the method's counter (P-13…P-15), or refuses.
    fn take_try(&self, tx: &mut Tx, act: &Act) -> Result<FactorAttempts> {
        let mut seen = self.attempts;
        loop {
            if let Err(refusal) = seen.judge(act.policy(), act.now) {
                return act.refuse_limited(tx, self.user.id, refusal);
            }
            let after = seen.after_try(act.policy(), act.now);
            if factors::reserve(tx, &seen, &after)? {
                return Ok(after);
            }
            seen = factors::attempts(tx, self.user.id, self.challenge.kind)?;
        }
    }

    /// Why no try could be taken: somebody used the challenge, its tries or its time up meanwhile.
    fn over(&self, tx: &mut Tx, act: &Act) -> Result<Refusal> {
        let now_there = challenges::find(tx, self.user.id, self.challenge.id)?;
        let Some(challenge) = now_there.filter(|found| found.kind == self.challenge.kind) else {
            return Ok(Refusal::MfaTokenInvalid);
        };
        if let Err(refusal) = challenge.judge_alive(act.now) {
            return Ok(refusal);
        }
        act.audit(
            tx,
            self.user.id,
            Event::Limited,
            Some("TOO_MANY_MFA_ATTEMPTS"),
        )?;
        Ok(exhausted(
            act,
            &factors::attempts(tx, self.user.id, challenge.kind)?,
        ))
    }

    /// A right password followed by wrong codes is told to the user (N-078), and so is a stop (P-15).
    fn tell_of_failures(
        &self,
        tx: &mut Tx,
        act: &Act,
        remaining: u32,
        counter: &FactorAttempts,
    ) -> Result<()> {
        let method = self.challenge.kind.as_str().to_owned();
        if counter.locked(act.policy()) {
            act.audit(tx, self.user.id, Event::FactorLocked, Some(&method))?;
            return act.notify(tx, &self.user, Message::FactorLocked { method });
        }
        if remaining == 0 && self.challenge.purpose == Purpose::Login {
            return act.notify(tx, &self.user, Message::WrongCodes { method });
        }
        Ok(())
    }
}

/// A challenge without tries: a new one is let in at once, or when the method's wait is over.
fn exhausted(act: &Act, attempts: &FactorAttempts) -> Refusal {
    let wait = attempts.next_try_at.seconds_after(act.now);
    Refusal::TooManyMfaAttempts {
        retry_after: wait.clamp(1, act.policy().wait_max_seconds),
    }
}
