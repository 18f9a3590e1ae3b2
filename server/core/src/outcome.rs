//! What flows return: plain data that each API turns into its own answer.

use uuid::Uuid;

use crate::model::audit::AuditEvent;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::kinds::{
    AnswerKind, Assurance, FactorKind, FactorState, OrganisationRole, Purpose, Role, Scope,
};
use crate::model::session::Session;
use crate::model::user::User;
use crate::model::{ApiKeyId, AuditId, FactorId, OrganisationId, Secret, SessionId, Time, UserId};

mod export;

pub use export::{
    AddressChange, Counter, Export, LetterRecord, Membership, SessionRecord, StepRecord,
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
    /// Adds the mailbox to `methods` if the organisation demands a second factor and no method is on.
    #[must_use]
    pub fn while_enforced(mut self, enforced: bool) -> Self {
        if enforced && self.mailbox && self.methods.is_empty() {
            self.methods.push(FactorKind::Email);
        }
        self.asked = !self.methods.is_empty();
        self
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

/// A user with their methods, before or after the second step of their sign-in.
#[derive(Clone, Debug)]
pub struct MfaOverview {
    /// The user. Sign-in begins with the first of their methods.
    pub person: Person,
    /// The methods they have proved, whether or not sign-in asks for them.
    pub proved: Vec<FactorKind>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
    /// Whether they are signed in. If not, the second step is still to come.
    pub signed_in: bool,
}

/// The answer to a registration. It is the same whether or not the address already has an account.
#[derive(Debug)]
pub struct Registered {
    /// The registration's id, which becomes the user's id once the address is proved. Not a secret.
    pub id: UserId,
    /// The token to send with the code, where a code was mailed.
    pub registration_token: Secret<String>,
}

/// A session that was begun or refreshed, with its tokens.
#[derive(Debug)]
pub struct SignedIn {
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
pub enum LoggedIn {
    /// A session, since sign-in asks for no second factor.
    Session(Box<SignedIn>),
    /// A challenge for a second factor.
    Challenge(Box<MfaRequired>),
}

/// A sign-in that waits for a second factor.
#[derive(Debug)]
pub struct MfaRequired {
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
pub enum Resetting {
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
pub struct SetupBegun {
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

/// A method that was turned on or off.
#[derive(Debug)]
pub struct FactorChanged {
    /// The method.
    pub method: FactorKind,
    /// The methods that are on now.
    pub methods: Vec<FactorKind>,
    /// When it changed.
    pub at: Time,
}

/// A challenge that waits for a code.
#[derive(Debug)]
pub struct Waiting {
    /// The token to send with the code.
    pub mfa_token: Secret<String>,
    /// The method that the challenge waits for.
    pub method: FactorKind,
    /// Whether a code was sent.
    pub sent: bool,
}

/// What a request to step up leads to.
#[derive(Debug)]
pub enum SteppingUp {
    /// A challenge, since a factor is on.
    Challenge(StepUpRequired),
    /// Fresh proof at once: no factor is on, and the password was right.
    Lifted(Box<SteppedUp>),
}

/// A step-up that waits for a second factor.
#[derive(Debug)]
pub struct StepUpRequired {
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
pub struct SteppedUp {
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

/// What the page of a mailed link shows.
#[derive(Debug)]
pub struct LinkOpened {
    /// The code to type on the device that asked for it.
    pub code: Secret<String>,
    /// What the code is for.
    pub purpose: Purpose,
    /// When it was asked for.
    pub asked_at: Time,
    /// The network address that asked, if known.
    pub asked_from: Option<String>,
}

/// A factor, as its owner may see it.
#[derive(Clone, Debug)]
pub struct MethodView {
    /// The factor's id.
    pub id: FactorId,
    /// Its method.
    pub method: FactorKind,
    /// The name its owner gave it, if any.
    pub name: Option<String>,
    /// Whether it is pending, ready or on.
    pub state: FactorState,
    /// Whether sign-in starts with it.
    pub primary: bool,
    /// When its set-up began.
    pub created_at: Time,
    /// When it was turned on.
    pub enabled_at: Option<Time>,
    /// When it last proved its owner.
    pub last_used_at: Option<Time>,
    /// The phone number for SMS, in E.164.
    pub phone: Option<String>,
}

impl From<Factor> for MethodView {
    fn from(factor: Factor) -> Self {
        Self {
            id: factor.id,
            method: factor.kind,
            name: factor.name,
            state: factor.state,
            primary: factor.is_primary,
            created_at: factor.created_at,
            enabled_at: factor.enabled_at,
            last_used_at: factor.last_used_at,
            phone: factor.target,
        }
    }
}

/// The proved methods of an account.
#[derive(Debug)]
pub struct MethodList {
    /// The factors, oldest first.
    pub factors: Vec<MethodView>,
    /// How many recovery codes are unused.
    pub recovery_codes_remaining: u32,
    /// When the recovery codes were made, if there are any.
    pub recovery_codes_made_at: Option<Time>,
    /// The methods that sign-in accepts: those that are on, or the mailbox that a policy demands.
    pub demanded: Vec<FactorKind>,
    /// Whether the user's organisation demands a second factor.
    pub enforced: bool,
}

/// A sign-in that waits for a passkey and named no user.
#[derive(Debug)]
pub struct PasskeyAsked {
    /// The token to send with the credential.
    pub passkey_token: Secret<String>,
    /// The options that the browser needs.
    pub options: serde_json::Value,
}

/// A code that was sent again.
#[derive(Debug)]
pub struct Resent {
    /// The same reference as before.
    pub mfa_token: Secret<String>,
    /// The method whose code was sent.
    pub method: FactorKind,
    /// How many more times it may be sent.
    pub resends_remaining: u32,
    /// Seconds until it may be sent again.
    pub retry_after: u32,
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
pub struct KeyMade {
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
