//! Sessions, their proof and their tokens, as flows return them.

use crate::model::kinds::{Assurance, FactorKind};
use crate::model::session::Session;
use crate::model::{Secret, SessionId, Time};
use crate::outcome::Person;

/// A session, with what every API may show of it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session's id.
    pub id: SessionId,
    /// How strongly the person was authenticated (the `acr` claim).
    pub acr: Assurance,
    /// The authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Time,
    /// When the session ends at the latest, however often it is refreshed.
    pub expires_at: Time,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id,
            acr: session.acr,
            amr: session.amr.split(' ').map(str::to_owned).collect(),
            auth_time: session.auth_time,
            expires_at: session.expires_at,
        }
    }
}

/// An open session, as its owner may see it in a list.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// What every API may show of it.
    pub view: SessionView,
    /// Whether it is the session of the caller.
    pub current: bool,
    /// When it was signed in.
    pub created_at: Time,
    /// When it was last used, to the minute.
    pub last_used_at: Time,
    /// The network address that signed in, if known.
    pub source: Option<String>,
    /// What the program that signed in called itself, if anything.
    pub program: Option<String>,
}

/// What a request to step up leads to.
#[derive(Debug)]
pub enum StepUpResult {
    /// A challenge, since a factor is on.
    Challenge(StepUpChallenge),
    /// Fresh proof at once: no factor is on, and the password was right.
    Lifted(Box<LiftedSession>),
}

/// A step-up that waits for a second factor.
#[derive(Debug)]
pub struct StepUpChallenge {
    /// The token to send with the proof.
    pub mfa_token: Secret<String>,
    /// The method that the challenge waits for.
    pub method: FactorKind,
    /// All methods that may be used.
    pub methods: Vec<FactorKind>,
    /// For a passkey, the options that the browser needs.
    pub options: Option<serde_json::Value>,
    /// Whether a code was sent.
    pub sent: bool,
}

/// A session that gave fresh proof.
#[derive(Debug)]
pub struct LiftedSession {
    /// A new access token of the same session.
    pub access_token: Secret<String>,
    /// Lifetime of the access token, in seconds.
    pub expires_in: u32,
    /// The assurance that the session has now.
    pub acr: Assurance,
    /// When the person proved who they are: now.
    pub auth_time: Time,
    /// How many recovery codes are left, if one was used.
    pub recovery_codes_remaining: Option<u32>,
}

/// Why a token is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFlaw {
    /// The token is forged or of another kind, or its session has ended.
    Invalid,
    /// The token has expired.
    Expired,
}

/// What an access token turned out to be.
#[derive(Debug)]
pub enum TokenJudgement {
    /// The token is valid.
    Valid {
        /// Whose token it is.
        person: Box<Person>,
        /// The session it belongs to.
        session: SessionView,
    },
    /// The token is not valid.
    Flawed(TokenFlaw),
}
