//! Opens challenges, finds them, and sends their codes. Module `answer` answers them.

mod find;

use crate::app::Ctx;
use crate::factor::sent_code::Sending;
use crate::flow::delivery::Delivery;
use crate::flow::{Act, Question};
use crate::model::challenge::Challenge;
use crate::model::kinds::{AnswerKind, Purpose};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::user::User;
use crate::model::{
    ChallengeId, Error, FactorId, Refusal, Result, Secret, SessionId, Time, UserId,
};
use crate::store::{Tx, challenges, factors, users};
use crate::vault;

pub use find::{
    extend, find, find_by_link, find_by_session, find_of_bearer, find_to_answer,
    find_without_session, switch,
};

/// The id and random bytes of a new challenge, drawn before the write.
#[derive(Clone)]
pub struct Draft {
    id: ChallengeId,
    secret: Secret<[u8; 32]>,
    sending: Sending,
}

/// A challenge that was opened.
#[derive(Clone, Copy, Debug)]
pub struct NewChallenge {
    /// When it expires.
    pub expires_at: Time,
    /// Whether a code should have been sent, but a limit forbids it for now.
    pub unsent: bool,
    /// Whether a code was sent.
    pub sent: bool,
}

/// What a new challenge is for.
#[derive(Clone)]
pub struct Opening {
    /// What it may be used for.
    pub purpose: Purpose,
    /// What it waits for: an answer by this method, or a recovery code.
    pub kind: AnswerKind,
    /// The factor that is set up or turned off, if any.
    pub factor_id: Option<FactorId>,
    /// The session that asks, if any.
    pub session_id: Option<SessionId>,
    /// Its lifetime, in seconds.
    pub seconds: u32,
    /// The phone number for SMS.
    pub phone: Option<String>,
    /// The act to confirm, for [`Purpose::Action`]; for a set-up, a mark if the factor replaces others; for a
    /// new password, its hash.
    pub action: Option<String>,
    /// Whether the code is sent at once. If not, the client asks for it later.
    pub sends: bool,
    /// Whether it is opened even if its code cannot be sent now, because the person has another method.
    pub even_unsent: bool,
    /// The state of a WebAuthn ceremony, as JSON.
    pub ceremony: Option<String>,
}

impl Opening {
    /// A challenge of this purpose and method whose code is sent at once.
    pub const fn new(purpose: Purpose, kind: AnswerKind, seconds: u32) -> Self {
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
    /// Draws the id and the random bytes of one challenge.
    pub fn new(ctx: &Ctx, act: &Act) -> Self {
        let id = ctx.chance.id(act.now);
        Self {
            id,
            secret: ctx.chance.secret(),
            sending: sending(ctx, act, id),
        }
    }

    /// Returns the `mfaToken` of this challenge.
    pub fn token(&self, user: UserId) -> Secret<String> {
        Reference::new(user, self.id, self.secret.clone()).print(ReferenceKind::Challenge)
    }

    /// Opens the challenge, and sends its code if the method has one that is sent. If there are too many live
    /// challenges, the oldest ends.
    ///
    /// # Errors
    /// Refuses if a code cannot be sent now, unless `even_unsent` allows that.
    pub fn open(
        &self,
        tx: &mut Tx,
        act: &Act,
        user: &User,
        opening: &Opening,
    ) -> Result<NewChallenge> {
        // If SMS was switched off meanwhile, the challenge still opens, since a recovery code can answer it.
        let phone = opening.phone.as_deref();
        let delivery =
            Delivery::of(act, opening.kind, opening.purpose, user, phone).filter(|_| opening.sends);
        let sent = match &delivery {
            Some(delivery) => sends(tx, act, delivery, opening.even_unsent)?,
            None => false,
        };
        end_oldest(tx, act, user.id, opening)?;
        let links = sent
            && delivery
                .as_ref()
                .is_some_and(|delivery| delivery.has_link(opening.purpose));
        let challenge = Challenge {
            code_hash: sent.then(|| self.sending.code_hash(&act.vault)),
            last_sent_at: sent.then_some(act.now),
            link_hash: links.then(|| self.sending.link_hash()),
            link_expires_at: links.then(|| link_ends(act)),
            ..self.unsent(act, user.id, opening)
        };
        challenges::insert(tx, &challenge)?;
        if let Some(delivery) = delivery.as_ref().filter(|_| sent) {
            delivery.post(tx, act, &challenge, &self.sending)?;
        }
        Ok(NewChallenge {
            expires_at: challenge.expires_at,
            unsent: delivery.is_some() && !sent,
            sent,
        })
    }

    /// Returns the row of a challenge for which nothing was sent yet.
    fn unsent(&self, act: &Act, user_id: UserId, opening: &Opening) -> Challenge {
        Challenge {
            user_id,
            id: self.id,
            secret_hash: vault::digest(self.secret.expose()).to_vec(),
            purpose: opening.purpose,
            kind: opening.kind,
            factor_id: opening.factor_id,
            session_id: opening.session_id,
            code_hash: None,
            attempts: 0,
            resends: 0,
            last_sent_at: None,
            created_at: act.now,
            expires_at: act.now.plus_seconds(i64::from(opening.seconds)),
            consumed_at: None,
            link_hash: None,
            link_expires_at: None,
            ceremony: opening.ceremony.clone(),
            action: opening.action.clone(),
            source: Some(act.source.to_string()),
            opened_at: None,
        }
    }
}

/// Counts the code that is about to be sent. Returns `false` if a limit forbids it, and it may be left out.
fn sends(tx: &mut Tx, act: &Act, delivery: &Delivery<'_>, even_unsent: bool) -> Result<bool> {
    let judged = delivery.judge(tx, act);
    match judged.and_then(|()| delivery.count(tx, act)) {
        Err(Error::Refused(
            Refusal::TooManyMfaEmails { .. }
            | Refusal::TooManyMfaSms { .. }
            | Refusal::TooManyRequests { .. },
        )) if even_unsent => Ok(false),
        counted => counted.map(|()| true),
    }
}

/// Ends the oldest live challenge if there are too many.
fn end_oldest(tx: &mut Tx, act: &Act, user_id: UserId, opening: &Opening) -> Result<()> {
    // The lock lets one write count at a time. Otherwise two at once could leave one challenge too many.
    users::lock(tx, user_id)?;
    let others = challenges::live(tx, user_id, act.now)?;
    let keep = act.policy().challenges_per_account.saturating_sub(1) as usize;
    // Sessions, sign-ins and new passwords have separate counts. Otherwise a stolen session, or whoever
    // knows the password, could end what the owner begins.
    let resets = |purpose: Purpose| purpose == Purpose::PasswordReset;
    let same = |other: &&Challenge| {
        other.session_id == opening.session_id && resets(other.purpose) == resets(opening.purpose)
    };
    for old in others.iter().filter(same).skip(keep) {
        challenges::spend(tx, user_id, old.id, act.now)?;
    }
    Ok(())
}

/// Returns when a link that is mailed now expires.
fn link_ends(act: &Act) -> Time {
    let seconds = act.policy().magic_link_seconds;
    act.now.plus_seconds(i64::from(seconds))
}

/// Draws the code and the link of one mail or text message.
pub fn sending(ctx: &Ctx, act: &Act, challenge: ChallengeId) -> Sending {
    let digits = act.policy().code_digits;
    Sending::new(&act.vault, challenge, ctx.chance.secret(), digits)
}

/// Sends a challenge's first code or a further one. A new code replaces the old one. Returns `false` if the
/// challenge changed meanwhile. Then nothing is sent, and no code is counted.
///
/// # Errors
/// Refuses if a limit of mailed codes, of the network or of text messages is used up. The old code still
/// works then.
pub fn send(
    tx: &mut Tx,
    act: &Act,
    question: &Question,
    kind: AnswerKind,
    sending: &Sending,
) -> Result<bool> {
    // Limits are checked here and counted below, so one write at a time may do this. The lock also makes sure
    // that a phone number that was replaced meanwhile gets nothing.
    users::lock(tx, question.user.id)?;
    // If a code was sent meanwhile, nothing is sent now, and nothing is counted for the network or the
    // server.
    let found = challenges::find(tx, question.user.id, question.challenge.id)?;
    if !found.is_some_and(|found| found.waits_as(&question.challenge)) {
        return Ok(false);
    }
    let standing = Question {
        factors: factors::of_user(tx, question.user.id)?,
        ..question.clone()
    };
    let phone = standing.phone();
    let purpose = question.challenge.purpose;
    let delivery = Delivery::of(act, kind, purpose, &question.user, phone.as_deref())
        .ok_or(Refusal::MfaMethodUnavailable)?;
    delivery.judge(tx, act)?;
    let links = delivery.has_link(purpose);
    let sent = challenges::NewCode {
        kind,
        code_hash: sending.code_hash(&act.vault),
        link_hash: links.then(|| sending.link_hash()),
        link_expires_at: links.then(|| link_ends(act)),
        source: act.source.to_string(),
    };
    if !challenges::send(tx, &question.challenge, &sent, act.now)? {
        return Ok(false);
    }
    delivery.count(tx, act)?;
    delivery.post(tx, act, &question.challenge, sending)?;
    Ok(true)
}
