//! The life of a challenge: opened, found again, sent for again. `settle` answers it.

use crate::app::Ctx;
use crate::factor::sent_code::Sending;
use crate::flow::settle::Answer;
use crate::flow::{Act, MailOf, demand, fresh, sms};
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::{Caller, Session};
use crate::model::user::User;
use crate::model::{
    ChallengeId, Error, FactorId, Refusal, Result, Secret, SessionId, Time, UserId,
};
use crate::store::{Tx, challenges, factors, sessions, users};
use crate::vault;

/// What a new challenge is made of, drawn before the write.
#[derive(Clone)]
pub struct Draft {
    id: ChallengeId,
    secret: Secret<[u8; 32]>,
    sending: Sending,
}

/// A challenge that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// When it ends.
    pub expires_at: Time,
    /// Whether its code was to be sent and may not be now (P-23, P-25, P-26).
    pub unsent: bool,
}

/// What a new challenge is for.
#[derive(Clone)]
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
    /// The number an SMS goes to.
    pub phone: Option<String>,
    /// The act that is confirmed, for [`Purpose::Action`].
    pub action: Option<String>,
    /// Whether its code is sent at once; else the client asks for it.
    pub sends: bool,
    /// Whether it is opened even where its code may not be sent now, for who has another method.
    pub even_unsent: bool,
    /// What the server keeps of a WebAuthn ceremony.
    pub ceremony: Option<String>,
}

impl Opening {
    /// A challenge of this purpose and method, whose code is sent at once.
    pub const fn new(purpose: Purpose, kind: FactorKind, seconds: u32) -> Self {
        Self {
            purpose,
            kind,
            factor_id: None,
            session_id: None,
            seconds,
            phone: None,
            action: None,
            sends: true,
            even_unsent: false,
            ceremony: None,
        }
    }
}

impl Draft {
    /// Draws the chance of one challenge.
    pub fn new(ctx: &Ctx, act: &Act) -> Self {
        let id = ctx.chance.id(act.now);
        Self {
            id,
            secret: ctx.chance.secret(),
            sending: sending(ctx, act, id),
        }
    }

    /// The `mfaToken` of this challenge.
    pub fn token(&self, user: UserId) -> Secret<String> {
        Reference::new(user, self.id, self.secret.clone()).print(ReferenceKind::Challenge)
    }

    /// Opens the challenge, and sends its code if its method is one that is sent. The oldest of too
    /// many live ones dies (P-16).
    ///
    /// # Errors
    /// Refuses when nothing may be sent now, but for openings that take it.
    pub fn open(&self, tx: &mut Tx, act: &Act, user: &User, opening: &Opening) -> Result<Opened> {
        // With SMS turned off since, its challenge still stands, for a recovery code.
        let can_send = match opening.kind {
            FactorKind::Sms => sms::can_send(act, opening.phone.as_deref()),
            FactorKind::Email
            | FactorKind::Authenticator
            | FactorKind::Passkey
            | FactorKind::RecoveryCode
            | FactorKind::ScratchCode => opening.kind.is_sent(),
        };
        let asked = can_send && opening.sends;
        let sends = asked
            && match count(tx, act, user, opening) {
                Err(Error::Refused(
                    Refusal::TooManyMfaEmails { .. }
                    | Refusal::TooManyMfaSms { .. }
                    | Refusal::TooManyRequests { .. },
                )) if opening.even_unsent => false,
                counted => counted.map(|()| true)?,
            };
        // Counted by one write at a time, or two at once would leave one too many alive.
        users::lock(tx, user.id)?;
        let others = challenges::live(tx, user.id, act.now)?;
        let keep = act.policy().challenges_per_account.saturating_sub(1) as usize;
        for old in others.iter().skip(keep) {
            challenges::spend(tx, user.id, old.id, act.now)?;
        }
        let expires_at = act.now.plus_seconds(i64::from(opening.seconds));
        let links =
            sends && opening.kind == FactorKind::Email && opening.purpose != Purpose::Action;
        let challenge = Challenge {
            user_id: user.id,
            id: self.id,
            secret_hash: vault::digest(self.secret.expose()).to_vec(),
            purpose: opening.purpose,
            kind: opening.kind,
            factor_id: opening.factor_id,
            session_id: opening.session_id,
            code_hash: sends.then(|| self.sending.code_hash(&act.vault)),
            attempts: 0,
            resends: 0,
            last_sent_at: sends.then_some(act.now),
            created_at: act.now,
            expires_at,
            consumed_at: None,
            link_hash: links.then(|| self.sending.link_hash()),
            link_expires_at: links.then(|| link_ends(act)),
            ceremony: opening.ceremony.clone(),
            action: opening.action.clone(),
            source: Some(act.source.to_string()),
        };
        challenges::insert(tx, &challenge)?;
        if sends {
            let phone = opening.phone.as_deref();
            deliver(tx, act, user, &challenge, phone, &self.sending)?;
        }
        Ok(Opened {
            expires_at,
            unsent: asked && !sends,
        })
    }
}

/// The number of the SMS factor that was proved, if there is one; the one that is on first.
pub fn phone_on(factors: &[Factor]) -> Option<String> {
    let of = |state: FactorState| {
        let texts = |factor: &&Factor| factor.kind == FactorKind::Sms && factor.state == state;
        factors.iter().find(texts)
    };
    of(FactorState::On)
        .or_else(|| of(FactorState::Ready))
        .and_then(|factor| factor.target.clone())
}

/// When a link that is mailed now stops working (P-27).
fn link_ends(act: &Act) -> Time {
    let seconds = act.policy().magic_link_seconds;
    act.now.plus_seconds(i64::from(seconds))
}

/// Draws the code and the link of one letter of a challenge.
pub fn sending(ctx: &Ctx, act: &Act, challenge: ChallengeId) -> Sending {
    let digits = act.policy().code_digits;
    Sending::new(&act.vault, challenge, ctx.chance.secret(), digits)
}

/// Counts a code that is about to be sent, before anything is changed (P-23, P-25, P-26). What is
/// refused by the limits of the account or the number is not counted for its source either.
fn count(tx: &mut Tx, act: &Act, user: &User, opening: &Opening) -> Result<()> {
    let whose = MailOf::of(opening.purpose);
    if opening.kind == FactorKind::Sms {
        let number = opening.phone.as_deref().unwrap_or_default();
        act.judge_sms(tx, user.id, number, whose)?;
        act.count_mail_call(tx, user.id, whose)?;
        return act.count_sms(tx, user.id, number, whose);
    }
    act.judge_code_mail(tx, user.id)?;
    act.count_mail_call(tx, user.id, whose)?;
    act.count_code_mail(tx, user.id)?;
    act.count_mail(tx, whose)
}

/// Queues the letter or the SMS that carries a challenge's code; of links an account has one live.
fn deliver(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    challenge: &Challenge,
    phone: Option<&str>,
    sending: &Sending,
) -> Result<()> {
    let by_sms = challenge.kind == FactorKind::Sms;
    let seconds = match by_sms {
        true => act.policy().sms_code_seconds,
        false => act.policy().mail_code_seconds,
    };
    let (code, minutes) = (sending.code.expose().clone(), seconds / 60);
    let link = match links(challenge) {
        true => {
            challenges::drop_other_links(tx, user.id, challenge.id)?;
            let url = &act.settings.public_url;
            let token = sending.token(user.id);
            Some(format!("{url}/magic-link#{}", token.expose()))
        }
        false => None,
    };
    let message = match challenge.purpose {
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
            action: challenge.action.clone().unwrap_or_default(),
        },
    };
    let to = match by_sms {
        true => phone.unwrap_or_default(),
        false => &user.email,
    };
    act.post(tx, user.id, to, message, seconds)
}

/// Whether a link goes with the code: by mail alone, and not where only a code is asked for.
fn links(challenge: &Challenge) -> bool {
    challenge.kind == FactorKind::Email && challenge.purpose != Purpose::Action
}

/// Sends a challenge its first code or a further one: the new one takes the place of the old one.
/// `false` when the challenge changed meanwhile; then nothing is sent and no code is counted.
///
/// # Errors
/// Refuses past P-23, P-25 and P-26, before the old code is touched.
pub fn send(
    tx: &mut Tx,
    act: &Act,
    seen: &Seen,
    kind: FactorKind,
    sending: &Sending,
) -> Result<bool> {
    let whose = MailOf::of(seen.challenge.purpose);
    // What is judged here is counted below: by one write at a time. And a phone that was replaced
    // meanwhile gets nothing.
    users::lock(tx, seen.user.id)?;
    let standing = Seen {
        factors: factors::of_user(tx, seen.user.id)?,
        ..seen.clone()
    };
    let phone = standing.phone();
    let number = phone.as_deref().unwrap_or_default();
    match kind {
        FactorKind::Sms => {
            act.judge_sms(tx, seen.user.id, number, whose)?;
            act.count_mail_call(tx, seen.user.id, whose)?;
        }
        FactorKind::Email
        | FactorKind::Authenticator
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => {
            act.judge_code_mail(tx, seen.user.id)?;
            act.count_mail_call(tx, seen.user.id, whose)?;
            act.count_mail(tx, whose)?;
        }
    }
    let mut challenge = seen.challenge.clone();
    challenge.kind = kind;
    let links = links(&challenge);
    let sent = challenges::Sent {
        kind,
        code_hash: sending.code_hash(&act.vault),
        link_hash: links.then(|| sending.link_hash()),
        link_expires_at: links.then(|| link_ends(act)),
        source: act.source.to_string(),
    };
    if !challenges::send(tx, &seen.challenge, &sent, act.now)? {
        return Ok(false);
    }
    match kind {
        FactorKind::Sms => act.count_sms(tx, seen.user.id, number, whose)?,
        FactorKind::Email
        | FactorKind::Authenticator
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => act.count_code_mail(tx, seen.user.id)?,
    }
    deliver(tx, act, &seen.user, &challenge, phone.as_deref(), sending)?;
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
    /// The methods that sign-in asks for.
    pub demanded: Vec<FactorKind>,
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
        let found = challenges::find(tx, reference.user(), reference.row())?;
        let digest = vault::digest(reference.secret.expose());
        let challenge = found
            .filter(|found| vault::same(&digest, &found.secret_hash))
            .ok_or(Refusal::MfaTokenInvalid)?;
        match purpose {
            Some(purpose) => challenge.judge(purpose, now)?,
            None => challenge.judge_alive(now)?,
        }
        Seen::of(tx, challenge)
    })
    .await
}

/// Finds the sign-in of a reference that came as a bearer: it waits as long as its codes or its link
/// are good, whichever ends later, and what is asked of it judges the rest.
///
/// # Errors
/// As [`look`].
pub async fn look_waiting(ctx: &Ctx, act: &Act, token: &Secret<String>) -> Result<Seen> {
    let reference = Reference::parse(ReferenceKind::Challenge, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    ctx.read(move |tx| {
        let found = challenges::find(tx, reference.user(), reference.row())?;
        let digest = vault::digest(reference.secret.expose());
        let kept = |found: &Challenge| vault::same(&digest, &found.secret_hash);
        let mut challenge = found.filter(kept).ok_or(Refusal::MfaTokenInvalid)?;
        if let (Some(_), Some(ends)) = (&challenge.link_hash, challenge.link_expires_at) {
            challenge.expires_at = challenge.expires_at.max(ends);
        }
        challenge.judge(Purpose::Login, now)?;
        Seen::of(tx, challenge)
    })
    .await
}

/// Finds the challenge of an `mfaToken` that is answered with `answer`: with the link of its mail
/// even when its codes are past their time, since a link lives longer (P-27).
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
    let link = Reference::parse(ReferenceKind::MagicLink, code.expose().trim());
    let held = Reference::parse(ReferenceKind::Challenge, token.expose());
    let (Some(link), Some(held)) = (link, held) else {
        return look(ctx, act, token, Some(purpose)).await;
    };
    if (link.user, link.row) != (held.user, held.row) {
        return look(ctx, act, token, Some(purpose)).await;
    }
    let Ok(seen) = look_by_link(ctx, act, code).await else {
        return look(ctx, act, token, Some(purpose)).await;
    };
    let digest = vault::digest(held.secret.expose());
    if !vault::same(&digest, &seen.challenge.secret_hash) {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    seen.challenge.judge(purpose, act.now)?;
    seen.go_on(ctx).await
}

/// Finds the challenge of a mailed link, whatever its purpose, and judges whether the link is alive:
/// it may outlive its challenge, which then goes on until the link's end.
///
/// # Errors
/// Refuses unknown, forged, used and expired ones.
pub async fn look_by_link(ctx: &Ctx, act: &Act, token: &Secret<String>) -> Result<Seen> {
    let reference = Reference::parse(ReferenceKind::MagicLink, token.expose().trim())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    ctx.read(move |tx| {
        let found = challenges::find(tx, reference.user(), reference.row())?;
        let digest = vault::digest(reference.secret.expose());
        let kept = |found: &Challenge| {
            let hash = found.link_hash.as_deref();
            hash.is_some_and(|hash| vault::same(&digest, hash))
        };
        let mut challenge = found.filter(kept).ok_or(Refusal::MfaTokenInvalid)?;
        let ends = challenge.link_expires_at.unwrap_or(challenge.expires_at);
        challenge.expires_at = challenge.expires_at.max(ends);
        challenge.judge_alive(now)?;
        Seen::of(tx, challenge)
    })
    .await
}

/// Finds the newest live challenge that a session began for this purpose: for APIs whose clients
/// send no reference.
///
/// # Errors
/// Refuses when there is none.
pub async fn look_by_session(
    ctx: &Ctx,
    act: &Act,
    caller: &Caller,
    purpose: Purpose,
    fits: impl Fn(&Challenge) -> bool + Send + 'static,
) -> Result<Seen> {
    let (user_id, session_id, now) = (caller.user.id, caller.session.id, act.now);
    ctx.read(move |tx| {
        let live = challenges::live(tx, user_id, now)?;
        // One whose factor another set-up displaced is nothing to be found.
        let standing = factors::of_user(tx, user_id)?;
        let stands = |id: FactorId| standing.iter().any(|factor| factor.id == id);
        let challenge = live
            .into_iter()
            .filter(|one| one.factor_id.is_none_or(stands))
            .find(|one| one.purpose == purpose && one.session_id == Some(session_id) && fits(one))
            .ok_or(Refusal::MfaMethodNotConfigured)?;
        Seen::of(tx, challenge)
    })
    .await
}

impl Seen {
    fn of(tx: &mut Tx, challenge: Challenge) -> Result<Self> {
        let user = users::find(tx, challenge.user_id)?
            .filter(User::active)
            .ok_or(Refusal::UserNotFound)?;
        let factors = factors::of_user(tx, user.id)?;
        Ok(Self {
            attempts: factors::attempts(tx, user.id, challenge.kind)?,
            demanded: demand::methods(tx, &user, &factors)?,
            factors,
            challenge,
            user,
        })
    }

    /// The same challenge, alive until the end that was seen: its link's.
    ///
    /// # Errors
    /// Refuses one that is over meanwhile.
    pub async fn go_on(self, ctx: &Ctx) -> Result<Self> {
        ctx.write(move |tx| match challenges::go_on(tx, &self.challenge)? {
            true => Ok(self.clone()),
            false => Err(Refusal::MfaTokenInvalid.into()),
        })
        .await
    }

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

    /// The number that an SMS of this challenge goes to: of the factor it is about, else of the one on.
    fn phone(&self) -> Option<String> {
        let about = self.about().and_then(|factor| factor.target);
        about.or_else(|| phone_on(&self.factors))
    }

    /// Whether the method it waits for is one whose codes are sent, and can be now.
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

    /// Judges whether sign-in may be finished by this method.
    ///
    /// # Errors
    /// Refuses one that is not asked for.
    pub fn judge_method(&self, method: FactorKind) -> Result<()> {
        if !self.demanded.contains(&method) {
            return Err(Refusal::MfaMethodNotEnabled.into());
        }
        Ok(())
    }

    /// Judges whether its method can still answer it; a recovery code always can.
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

    /// Whether the code sent last for it is one of this method.
    pub fn has_code_of(&self, method: FactorKind) -> bool {
        // Only mails carry a link; one that was used up leaves its date.
        let mailed = self.challenge.link_expires_at.is_some();
        self.challenge.last_sent_at.is_some() && mailed == (method == FactorKind::Email)
    }

    /// The same challenge, waiting for this method from now on; nothing is sent.
    ///
    /// # Errors
    /// Refuses a challenge that is over, and a method that is not asked for.
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
            seen.attempts = factors::attempts(tx, seen.user.id, method)?;
            Ok(seen)
        })
        .await
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

    /// Judges who proves a set-up: its own user; or, where an administrator began it for them, that user
    /// or an administrator with fresh proof, who is returned.
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
            fresh::judge(act, caller)?;
        }
        Ok(Some(caller.clone()))
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
}
