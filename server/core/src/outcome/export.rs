//! Everything that is kept about a user, as the user may see it: without hashes and sealed values.

use crate::model::challenge::Challenge;
use crate::model::email_change::{EmailChange, EmailUndo};
use crate::model::factor::FactorAttempts;
use crate::model::kinds::{AnswerKind, FactorKind, OrganisationRole, Purpose};
use crate::model::session::Session;
use crate::model::user::PasswordReset;
use crate::model::{OrganisationId, Time};
use crate::outcome::{ActivityEntry, KeyView, MethodView, Person, SessionView};

/// Everything that is kept about a user.
#[derive(Debug)]
pub struct Export {
    /// When it was read.
    pub at: Time,
    /// The user.
    pub person: Person,
    /// The user's place in their organisation.
    pub membership: Option<Membership>,
    /// How often the password was changed.
    pub password_changes: i64,
    /// The newest request for a new address, one that is over as well, and then the changes that can or could
    /// be undone, newest first.
    pub address_changes: Vec<AddressChange>,
    /// The factors, whatever their state.
    pub methods: Vec<MethodView>,
    /// How many recovery codes are unused.
    pub recovery_codes: u32,
    /// When the recovery codes were made, if there are any.
    pub recovery_codes_made_at: Option<Time>,
    /// The sessions, ended ones as well.
    pub sessions: Vec<SessionRecord>,
    /// The API keys that the user made.
    pub keys: Vec<KeyView>,
    /// The steps that waited for an answer, those that are over as well, and then the newest mail for a new
    /// password.
    pub steps: Vec<StepRecord>,
    /// The letters, without what they said.
    pub letters: Vec<LetterRecord>,
    /// What limits have counted, and then the wrong codes.
    pub counters: Vec<Counter>,
    /// What happened.
    pub events: Vec<ActivityEntry>,
}

/// A user's place in their organisation.
#[derive(Debug)]
pub struct Membership {
    /// The organisation's id.
    pub id: OrganisationId,
    /// The organisation's name.
    pub name: String,
    /// The user's role in it.
    pub role: OrganisationRole,
}

/// A change of the address, or a request for one.
#[derive(Debug)]
pub struct AddressChange {
    /// The address before the change; `None` for a request.
    pub old: Option<String>,
    /// The address after it.
    pub new: String,
    /// When it was asked for, or made.
    pub created_at: Time,
    /// When the code expires, or the link that undoes it.
    pub expires_at: Time,
    /// When the code or the link was used, or ended early.
    pub ended_at: Option<Time>,
}

impl From<EmailChange> for AddressChange {
    fn from(request: EmailChange) -> Self {
        Self {
            old: None,
            new: request.address,
            created_at: request.created_at,
            expires_at: request.expires_at,
            ended_at: request.consumed_at,
        }
    }
}

impl From<EmailUndo> for AddressChange {
    fn from(undo: EmailUndo) -> Self {
        Self {
            old: Some(undo.old_address),
            new: undo.new_address,
            created_at: undo.created_at,
            expires_at: undo.expires_at,
            ended_at: undo.consumed_at,
        }
    }
}

/// A session, open or ended.
#[derive(Debug)]
pub struct SessionRecord {
    /// What every API may show of it.
    pub view: SessionView,
    /// When it was signed in.
    pub created_at: Time,
    /// When it was last used, to the minute.
    pub last_used_at: Time,
    /// When it was ended early.
    pub ended_at: Option<Time>,
    /// The network address that signed in, if known.
    pub source: Option<String>,
    /// What the program that signed in called itself, if anything.
    pub program: Option<String>,
}

impl From<Session> for SessionRecord {
    fn from(session: Session) -> Self {
        Self {
            view: SessionView::from(&session),
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            ended_at: session.ended_at,
            source: session.source,
            program: session.program,
        }
    }
}

/// A step that waited for an answer.
#[derive(Debug)]
pub struct StepRecord {
    /// What the answer was for.
    pub purpose: Purpose,
    /// What it waited for.
    pub method: AnswerKind,
    /// When it began.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When it was answered, or ended early.
    pub ended_at: Option<Time>,
    /// The network address that began it, if known and if the user did.
    pub source: Option<String>,
}

impl From<Challenge> for StepRecord {
    fn from(challenge: Challenge) -> Self {
        // A set-up without a session was begun by an administrator.
        let of_administrator =
            challenge.purpose == Purpose::Setup && challenge.session_id.is_none();
        Self {
            purpose: challenge.purpose,
            method: challenge.kind,
            created_at: challenge.created_at,
            expires_at: challenge.expires_at,
            ended_at: challenge.consumed_at,
            source: challenge.source.filter(|_| !of_administrator),
        }
    }
}

impl From<PasswordReset> for StepRecord {
    fn from(reset: PasswordReset) -> Self {
        Self {
            purpose: Purpose::PasswordReset,
            method: FactorKind::Email.into(),
            created_at: reset.created_at,
            expires_at: reset.expires_at,
            ended_at: reset.consumed_at,
            source: None,
        }
    }
}

/// A letter, without what it said.
#[derive(Debug)]
pub struct LetterRecord {
    /// What it was about.
    pub kind: String,
    /// Whether it waits, was sent or was given up.
    pub state: String,
    /// When it was queued.
    pub created_at: Time,
    /// When it was sent or given up.
    pub ended_at: Option<Time>,
}

impl From<(String, String, Time, Option<Time>)> for LetterRecord {
    fn from((kind, state, created_at, ended_at): (String, String, Time, Option<Time>)) -> Self {
        Self {
            kind,
            state,
            created_at,
            ended_at,
        }
    }
}

/// What a limit has counted.
#[derive(Debug)]
pub struct Counter {
    /// The limit's name.
    pub name: String,
    /// How much of it is used.
    pub used: u32,
    /// When it ends to count, or when the next try is accepted.
    pub until: Time,
}

impl From<(String, i32, Time)> for Counter {
    fn from((name, used, until): (String, i32, Time)) -> Self {
        Self {
            name,
            used: used.unsigned_abs(),
            until,
        }
    }
}

impl From<FactorAttempts> for Counter {
    fn from(attempts: FactorAttempts) -> Self {
        let name = format!("wrong_codes {}", attempts.kind.as_str());
        Self::from((name, attempts.failures, attempts.next_try_at))
    }
}
