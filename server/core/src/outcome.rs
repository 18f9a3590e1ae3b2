//! What flows return: plain data that each API turns into its own answer.

use uuid::Uuid;

use crate::model::audit::AuditEvent;
use crate::model::demand::Demand;
use crate::model::factor::FactorAttempts;
use crate::model::kinds::{AnswerKind, FactorKind, OrganisationRole, Purpose, Role, Scope};
use crate::model::session::Caller;
use crate::model::user::User;
use crate::model::{ApiKeyId, AuditId, OrganisationId, Secret, Time, UserId};

mod export;
mod methods;
mod session;

pub use export::{
    AddressChange, Counter, Export, LetterRecord, Membership, SessionRecord, StepRecord,
};
pub use methods::{FactorChange, MethodList, MethodView, MfaOverview};
pub use session::{
    LiftedSession, OpenSession, SessionView, StepUpChallenge, StepUpResult, TokenFlaw,
    TokenJudgement,
};

/// A user, with what every API may show of them.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's id.
    pub id: UserId,
    /// The integer id that some APIs print.
    pub number: i64,
    /// The proved address; for a user without a mailbox, the name they sign in with.
    pub email: String,
    /// Given name, if known.
    pub first_name: Option<String>,
    /// Family name, if known.
    pub last_name: Option<String>,
    /// What they may do beyond their own account.
    pub role: Role,
    /// The methods that sign-in accepts: those that are on, or the mailbox that a policy demands.
    pub methods: Vec<FactorKind>,
    /// Whether sign-in asks for a second step, because a method is on or a policy demands one.
    pub asked: bool,
    /// When the account was created.
    pub created_at: Time,
    /// Whether `email` is a proved address. If not, it is only a name to sign in with.
    pub mailbox: bool,
    /// What an administrator wrote about them.
    pub description: Option<String>,
    /// Their organisation, and their role in it.
    pub organisation: Option<(OrganisationId, OrganisationRole)>,
}

impl Person {
    /// Returns a user as clients may see them, with what sign-in asks of them.
    pub fn new(user: &User, demand: Demand) -> Self {
        Self {
            id: user.id,
            number: user.number,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            role: user.role,
            asked: !demand.is_empty(),
            methods: demand.into_methods(),
            created_at: user.created_at,
            mailbox: user.mailbox,
            description: user.description.clone(),
            organisation: user.organisation_id.zip(user.organisation_role),
        }
    }

    /// Returns the caller as they may see themselves.
    pub fn of(caller: &Caller) -> Self {
        Self::new(&caller.user, caller.demanded())
    }
}

/// A user as the operator sees them in a list.
#[derive(Clone, Debug)]
pub struct UserEntry {
    /// The user.
    pub person: Person,
    /// When the account was disabled, if it is.
    pub disabled_at: Option<Time>,
}

/// A user as the operator sees them alone.
#[derive(Clone, Debug)]
pub struct UserOverview {
    /// The user.
    pub entry: UserEntry,
    /// The counters of wrong codes.
    pub counters: Vec<FactorAttempts>,
    /// The number of open sessions.
    pub sessions: i64,
}

/// A user, and whether they are the server's first administrator.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user.
    pub person: Person,
    /// Whether they are the oldest of all administrators.
    pub first_administrator: bool,
}

impl Account {
    /// Builds the account of `person`. `first_administrator` is the number of the oldest administrator.
    pub fn new(person: Person, first_administrator: Option<i64>) -> Self {
        Self {
            first_administrator: first_administrator == Some(person.number),
            person,
        }
    }
}

/// A page of what happened to an account, newest first.
#[derive(Debug)]
pub struct Activity {
    /// The events.
    pub events: Vec<ActivityEntry>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<AuditId>,
}

/// Something that happened to an account, as its owner may see it.
#[derive(Clone, Debug)]
pub struct ActivityEntry {
    /// The event's id.
    pub id: AuditId,
    /// The event's word.
    pub event: String,
    /// When it happened.
    pub at: Time,
    /// The network address it came from, if known and if the owner caused it.
    pub source: Option<String>,
    /// What else is known about it.
    pub detail: Option<String>,
    /// Whether somebody else than the owner did it.
    pub by_other: bool,
}

impl From<AuditEvent> for ActivityEntry {
    fn from(event: AuditEvent) -> Self {
        let by_other = event.actor_id.is_some_and(|actor| actor != event.user_id);
        Self {
            id: event.id,
            event: event.event,
            at: event.at,
            // Whoever acted on the account is entitled to their address as well.
            source: event.source.filter(|_| !by_other),
            detail: event.detail,
            by_other,
        }
    }
}

/// A member of an organisation, as those who administer it see them.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user's id.
    pub id: UserId,
    /// The proved address; for a user without a mailbox, the name they sign in with.
    pub email: String,
    /// Given name, if known.
    pub first_name: Option<String>,
    /// Family name, if known.
    pub last_name: Option<String>,
    /// Their organisation, and their role in it.
    pub organisation: Option<(OrganisationId, OrganisationRole)>,
    /// Whether `email` is a proved address.
    pub mailbox: bool,
}

impl From<User> for Member {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            organisation: user.organisation_id.zip(user.organisation_role),
            mailbox: user.mailbox,
        }
    }
}

/// The answer to a registration. It is the same whether or not the address already has an account.
#[derive(Debug)]
pub struct NewRegistration {
    /// The registration's id, which becomes the user's id once the address is proved. Not a secret.
    pub id: UserId,
    /// The token to send with the code, where a code was mailed.
    pub registration_token: Secret<String>,
}

/// A session that was begun or refreshed, with its tokens.
#[derive(Debug)]
pub struct SessionTokens {
    /// The signed access token.
    pub access_token: Secret<String>,
    /// The refresh token, good for one exchange.
    pub refresh_token: Secret<String>,
    /// Lifetime of the access token, in seconds.
    pub expires_in: u32,
    /// When the access token was issued.
    pub issued_at: Time,
    /// When the access token expires.
    pub expires_at: Time,
    /// The access token's `jti`.
    pub token_id: Uuid,
    /// Who signed in.
    pub person: Person,
    /// How many codes are left, if the sign-in used a recovery or scratch code.
    pub recovery_codes_remaining: Option<u32>,
}

/// What a right password leads to.
#[derive(Debug)]
pub enum LoginResult {
    /// A session, since sign-in asks for no second factor.
    Session(Box<SessionTokens>),
    /// A challenge for a second factor.
    Challenge(Box<SignInChallenge>),
}

/// A sign-in that waits for a second factor.
#[derive(Debug)]
pub struct SignInChallenge {
    /// The token to send with the code.
    pub mfa_token: Secret<String>,
    /// What the challenge waits for: a method, or a recovery code.
    pub method: AnswerKind,
    /// All methods that sign-in accepts. One of them is enough.
    pub methods: Vec<FactorKind>,
    /// Whether a code should have been sent, but a limit forbids it for now.
    pub unsent: bool,
    /// When the sign-in expires.
    pub expires_at: Time,
    /// Who is signing in.
    pub person: Person,
}

/// What the proof of the mailbox leads to, if a password was forgotten.
#[derive(Debug)]
pub enum ResetResult {
    /// The password is changed, since sign-in asks for no second factor.
    Done,
    /// A challenge for a second factor.
    Challenge(ResetChallenge),
}

/// A new password that waits for a second factor.
#[derive(Debug)]
pub struct ResetChallenge {
    /// The token to send with the code.
    pub mfa_token: Secret<String>,
    /// What the challenge waits for: a method, or a recovery code.
    pub method: AnswerKind,
    /// All methods that sign-in accepts. One of them is enough.
    pub methods: Vec<FactorKind>,
    /// Whether a code should have been sent, but a limit forbids it for now.
    pub unsent: bool,
}

/// A set-up that waits for its proof.
#[derive(Debug)]
pub struct PendingSetup {
    /// The token to send with the proof.
    pub mfa_token: Secret<String>,
    /// What the person needs to give that proof.
    pub needs: SetupNeeds,
    /// Codes that stand in for the factor once it is proved. They are shown only now; mostly empty.
    pub codes: Vec<Secret<String>>,
    /// When the set-up expires.
    pub expires_at: Time,
    /// Whose factor it is.
    pub person: Person,
}

/// What a person needs to prove a factor.
#[derive(Debug)]
pub enum SetupNeeds {
    /// The code that was mailed to the proved address.
    Email,
    /// The code that was sent to this number.
    Sms {
        /// The number, in E.164.
        phone: String,
    },
    /// A secret to enter into an authenticator app.
    Authenticator {
        /// The secret in base32, to be typed.
        secret: Secret<String>,
        /// The secret as an `otpauth://` URI.
        otpauth_url: Secret<String>,
        /// That URI as a QR code: a PNG in a data URI.
        qr_code: Secret<String>,
    },
    /// The options that the browser passes to `navigator.credentials.create` as `publicKey`.
    Passkey {
        /// The options as JSON (WebAuthn §5.4).
        options: serde_json::Value,
    },
}

/// A challenge that waits for a code.
#[derive(Debug)]
pub struct WaitingChallenge {
    /// The token to send with the code.
    pub mfa_token: Secret<String>,
    /// The method that the challenge waits for.
    pub method: FactorKind,
    /// Whether a code was sent.
    pub sent: bool,
}

/// What the page of a mailed link shows.
#[derive(Debug)]
pub struct LinkView {
    /// The code to type on the device that asked for it.
    pub code: Secret<String>,
    /// What the code is for.
    pub purpose: Purpose,
    /// When it was asked for.
    pub asked_at: Time,
    /// The network address that asked, if known.
    pub asked_from: Option<String>,
}

/// A sign-in that waits for a passkey and named no user.
#[derive(Debug)]
pub struct PasskeyChallenge {
    /// The token to send with the credential.
    pub passkey_token: Secret<String>,
    /// The options that the browser needs.
    pub options: serde_json::Value,
}

/// A code that was sent again.
#[derive(Debug)]
pub struct ResentCode {
    /// The same reference as before.
    pub mfa_token: Secret<String>,
    /// The method whose code was sent.
    pub method: FactorKind,
    /// How many more times it may be sent.
    pub resends_remaining: u32,
    /// Seconds until it may be sent again.
    pub retry_after: u32,
}

/// An API key as lists show it, without its secret.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// The key's id.
    pub id: ApiKeyId,
    /// The name its maker gave it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Its first characters, so that people can tell keys apart.
    pub hint: String,
    /// The administrator who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
}

/// A new API key. The key itself is shown only now.
#[derive(Debug)]
pub struct NewKey {
    /// What lists show of it.
    pub view: KeyView,
    /// The key itself.
    pub key: Secret<String>,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The number of items on all pages.
    pub total: i64,
}
