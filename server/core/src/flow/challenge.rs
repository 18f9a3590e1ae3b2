//! Opens challenges, finds them, and sends their codes. Module `answer` answers them.

mod find;

use crate::app::Ctx;
use crate::factor::sent_code::Sending;
use crate::flow::{Act, MailOf, Question, sms};
use crate::model::challenge::Challenge;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::notice::Message;
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
    /// The method whose answer it waits for.
    pub kind: FactorKind,
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
        // The lock lets one write count at a time. Otherwise two at once could leave one challenge too many.
        users::lock(tx, user.id)?;
        let others = challenges::live(tx, user.id, act.now)?;
        let keep = act.policy().challenges_per_account.saturating_sub(1) as usize;
        // Sessions, sign-ins and new passwords have separate counts. Otherwise a stolen session, or whoever
        // knows the password, could end what the owner begins.
        let resets = |purpose: Purpose| purpose == Purpose::PasswordReset;
        let same = |other: &&Challenge| {
            other.session_id == opening.session_id
                && resets(other.purpose) == resets(opening.purpose)
        };
        for old in others.iter().filter(same).skip(keep) {
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
            opened_at: None,
        };
        challenges::insert(tx, &challenge)?;
        if sends {
            let phone = opening.phone.as_deref();
            deliver(tx, act, user, &challenge, phone, &self.sending)?;
        }
        Ok(NewChallenge {
            expires_at,
            unsent: asked && !sends,
            sent: sends,
        })
    }
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

/// Counts a code that is about to be sent, before anything changes. If the limits of the account or the
/// number refuse it, it does not count for the network either.
fn count(tx: &mut Tx, act: &Act, user: &User, opening: &Opening) -> Result<()> {
    let whose = MailOf::of(opening.purpose);
    if opening.kind == FactorKind::Sms {
        let number = opening.phone.as_deref().unwrap_or_default();
        act.judge_sms(tx, user.id, number, whose)?;
        act.count_mail_call(tx, user.id, whose)?;
        return act.count_sms(tx, user.id, number, whose);
    }
    act.judge_code_mail(tx, user.id, whose)?;
    act.count_mail_call(tx, user.id, whose)?;
    // If the server's limit of mails refuses it, it does not count for the account.
    act.count_mail(tx, whose)?;
    act.count_code_mail(tx, user.id, whose)
}

/// Queues the mail or the SMS with a challenge's code.
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
    let link_minutes = act.policy().magic_link_seconds / 60;
    let link = match links(challenge) {
        true => {
            challenges::drop_other_links(tx, challenge)?;
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
            link_minutes,
        },
        Purpose::Login => Message::LoginCode {
            code,
            minutes,
            link,
            link_minutes,
        },
        Purpose::Disable => Message::DisableCode {
            code,
            minutes,
            link,
            link_minutes,
        },
        Purpose::StepUp => Message::StepUpCode {
            code,
            minutes,
            link,
            link_minutes,
        },
        Purpose::PasswordReset => Message::ResetStepCode {
            code,
            minutes,
            link,
            link_minutes,
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

/// Whether a link goes with the code: only in mails, and not for named acts.
fn links(challenge: &Challenge) -> bool {
    challenge.kind == FactorKind::Email && challenge.purpose != Purpose::Action
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
    kind: FactorKind,
    sending: &Sending,
) -> Result<bool> {
    let whose = MailOf::of(question.challenge.purpose);
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
    let number = phone.as_deref().unwrap_or_default();
    match kind {
        FactorKind::Sms => {
            act.judge_sms(tx, question.user.id, number, whose)?;
            act.count_mail_call(tx, question.user.id, whose)?;
        }
        FactorKind::Email
        | FactorKind::Authenticator
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => {
            act.judge_code_mail(tx, question.user.id, whose)?;
            act.count_mail_call(tx, question.user.id, whose)?;
            act.count_mail(tx, whose)?;
        }
    }
    let mut challenge = question.challenge.clone();
    challenge.kind = kind;
    let links = links(&challenge);
    let sent = challenges::Sent {
        kind,
        code_hash: sending.code_hash(&act.vault),
        link_hash: links.then(|| sending.link_hash()),
        link_expires_at: links.then(|| link_ends(act)),
        source: act.source.to_string(),
    };
    if !challenges::send(tx, &question.challenge, &sent, act.now)? {
        return Ok(false);
    }
    match kind {
        FactorKind::Sms => act.count_sms(tx, question.user.id, number, whose)?,
        FactorKind::Email
        | FactorKind::Authenticator
        | FactorKind::Passkey
        | FactorKind::RecoveryCode
        | FactorKind::ScratchCode => act.count_code_mail(tx, question.user.id, whose)?,
    }
    deliver(
        tx,
        act,
        &question.user,
        &challenge,
        phone.as_deref(),
        sending,
    )?;
    Ok(true)
}
