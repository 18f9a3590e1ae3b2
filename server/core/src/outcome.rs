//! What flows return: plain data that each API turns into its own answer.

use uuid::Uuid;

use crate::model::factor::Factor;
use crate::model::kinds::{Assurance, FactorKind, OrganisationRole, Purpose, Role, Scope};
use crate::model::{ApiKeyId, OrganisationId, Secret, SessionId, Time, UserId};

/// A user as every API may show them.
#[derive(Clone, Debug)]
pub struct Person {
    /// The id.
    pub id: UserId,
    /// The integer that some APIs print.
    pub number: i64,
    /// The address, or the name of who has no mailbox.
    pub email: String,
    /// Given name, if told.
    pub first_name: Option<String>,
    /// Family name, if told.
    pub last_name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The methods that are on.
    pub methods: Vec<FactorKind>,
    /// Whether sign-in asks for a second step: one is on, or a policy demands one.
    pub asked: bool,
    /// When the account was made.
    pub created_at: Time,
    /// Whether `email` is a proved address, or a mere name to sign in by.
    pub mailbox: bool,
    /// What an administrator wrote about them.
    pub description: Option<String>,
    /// Their organisation and what they are in it.
    pub organisation: Option<(OrganisationId, OrganisationRole)>,
}

impl Person {
    /// The same person, whose organisation demands a second factor or does not: the mailbox is asked for
    /// while nothing else is on.
    #[must_use]
    pub fn while_enforced(mut self, enforced: bool) -> Self {
        if enforced && self.mailbox && self.methods.is_empty() {
            self.methods.push(FactorKind::Email);
        }
        self.asked = !self.methods.is_empty();
        self
    }
}

/// A person, and whether they are who the server's first administrator is.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who it is.
    pub person: Person,
    /// Whether no administrator is older.
    pub first_administrator: bool,
}

impl Account {
    /// The account of this person, when this number is the first administrator's.
    pub fn new(person: Person, first_administrator: Option<i64>) -> Self {
        Self {
            first_administrator: first_administrator == Some(person.number),
            person,
        }
    }
}

/// A session as every API may show it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The id.
    pub id: SessionId,
    /// The assurance.
    pub acr: Assurance,
    /// The methods (RFC 8176).
    pub amr: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Time,
    /// When it ends at the latest, however often it is refreshed.
    pub expires_at: Time,
}

/// A registration has begun, or seems so.
#[derive(Debug)]
pub struct Registered {
    /// The registration, and the account's id if the address is proved; not a secret.
    pub id: UserId,
    /// What to send with the code, where a code was mailed.
    pub registration_token: Secret<String>,
}

/// A session began or went on.
#[derive(Debug)]
pub struct SignedIn {
    /// A signed access token.
    pub access_token: Secret<String>,
    /// A refresh token, good for one exchange.
    pub refresh_token: Secret<String>,
    /// Lifetime of the access token in seconds.
    pub expires_in: u32,
    /// When the access token was made.
    pub issued_at: Time,
    /// When the access token stops working.
    pub expires_at: Time,
    /// The access token's `jti`.
    pub token_id: Uuid,
    /// Who signed in.
    pub person: Person,
    /// How many codes are left, if a recovery or scratch code was spent for it.
    pub recovery_codes_remaining: Option<u32>,
}

/// What a right password leads to.
#[derive(Debug)]
pub enum LoggedIn {
    /// No second factor is on.
    Session(Box<SignedIn>),
    /// A second factor is asked for.
    Challenge(Box<MfaRequired>),
}

/// A second factor is asked for.
#[derive(Debug)]
pub struct MfaRequired {
    /// What to send with the code.
    pub mfa_token: Secret<String>,
    /// The method whose code is waited for.
    pub method: FactorKind,
    /// All methods that sign-in asks for, one of which is enough.
    pub methods: Vec<FactorKind>,
    /// Whether its code is one that is sent, and may not be now.
    pub unsent: bool,
    /// When the sign-in has to be finished.
    pub expires_at: Time,
    /// Who is signing in.
    pub person: Person,
}

/// A set-up has begun.
#[derive(Debug)]
pub struct SetupBegun {
    /// What to send with the proof.
    pub mfa_token: Secret<String>,
    /// What the person needs for it.
    pub needs: SetupNeeds,
    /// Codes that stand in for the factor once it is proved, to be shown this once; mostly none.
    pub codes: Vec<Secret<String>>,
    /// When the set-up has to be finished.
    pub expires_at: Time,
    /// Whose.
    pub person: Person,
}

/// What a person needs to prove a factor.
#[derive(Debug)]
pub enum SetupNeeds {
    /// The code that is on its way to the proved address.
    Email,
    /// The code that is on its way to this number.
    Sms {
        /// The number, E.164.
        phone: String,
    },
    /// A secret to put into an app.
    Authenticator {
        /// The secret in base32, for typing.
        secret: Secret<String>,
        /// The same as an `otpauth://` URI.
        otpauth_url: Secret<String>,
        /// The URI as a QR code: a PNG as a data URI.
        qr_code: Secret<String>,
    },
    /// The options that the browser's `navigator.credentials.create` takes as `publicKey`.
    Passkey {
        /// As WebAuthn §5.4 writes them.
        options: serde_json::Value,
    },
}

/// A factor was turned on or off.
#[derive(Debug)]
pub struct FactorChanged {
    /// Which method.
    pub method: FactorKind,
    /// The methods that are on now.
    pub methods: Vec<FactorKind>,
    /// When.
    pub at: Time,
}

/// A challenge waits for a code of this method.
#[derive(Debug)]
pub struct Waiting {
    /// What to send with the code.
    pub mfa_token: Secret<String>,
    /// The method.
    pub method: FactorKind,
    /// Whether a code of it was sent.
    pub sent: bool,
}

/// What proving oneself once more leads to.
#[derive(Debug)]
pub enum SteppingUp {
    /// A factor is on: it is asked for.
    Challenge(StepUpRequired),
    /// None is on, and the password was right.
    Lifted(Box<SteppedUp>),
}

/// A factor is asked for once more.
#[derive(Debug)]
pub struct StepUpRequired {
    /// What to send with the proof.
    pub mfa_token: Secret<String>,
    /// The method whose proof is waited for.
    pub method: FactorKind,
    /// All methods that may be asked for.
    pub methods: Vec<FactorKind>,
    /// For a passkey, what the browser needs.
    pub options: Option<serde_json::Value>,
    /// Whether a code was sent.
    pub sent: bool,
}

/// A session gave fresh proof.
#[derive(Debug)]
pub struct SteppedUp {
    /// A new access token of the same session.
    pub access_token: Secret<String>,
    /// Its lifetime in seconds.
    pub expires_in: u32,
    /// The assurance the session reaches now.
    pub acr: Assurance,
    /// When the person proved who they are: now.
    pub auth_time: Time,
    /// How many recovery codes are left, if one was spent.
    pub recovery_codes_remaining: Option<u32>,
}

/// A mailed link was opened: what its page shows.
#[derive(Debug)]
pub struct LinkOpened {
    /// The code to type on the device that asked.
    pub code: Secret<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// When it was asked for.
    pub asked_at: Time,
    /// From where, if that is known.
    pub asked_from: Option<String>,
}

/// The proved methods of an account.
#[derive(Debug)]
pub struct MethodList {
    /// The factors, the oldest first.
    pub factors: Vec<Factor>,
    /// How many recovery codes are unused.
    pub recovery_codes_remaining: u32,
    /// When those were made, if ever.
    pub recovery_codes_made_at: Option<Time>,
    /// The methods that sign-in asks for: what is on, or what a policy demands.
    pub demanded: Vec<FactorKind>,
    /// Whether the user's organisation demands a second factor.
    pub enforced: bool,
}

/// A sign-in by passkey alone has begun.
#[derive(Debug)]
pub struct PasskeyAsked {
    /// What to send with the credential.
    pub passkey_token: Secret<String>,
    /// What the browser needs.
    pub options: serde_json::Value,
}

/// A code was sent again.
#[derive(Debug)]
pub struct Resent {
    /// The same reference as before.
    pub mfa_token: Secret<String>,
    /// The method whose code was sent.
    pub method: FactorKind,
    /// How often it may be sent again.
    pub resends_remaining: u32,
    /// Seconds until then.
    pub retry_after: u32,
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFlaw {
    /// Forged, of another kind, or its session has ended.
    Invalid,
    /// Past its lifetime.
    Expired,
}

/// What a token turned out to be.
#[derive(Debug)]
pub enum Judged {
    /// It opens what its session opens.
    Valid {
        /// Whose it is.
        person: Box<Person>,
        /// Its session.
        session: SessionView,
    },
    /// It opens nothing.
    Flawed(TokenFlaw),
}

/// An API key, without the key.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// Its first characters.
    pub hint: String,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Time,
    /// When it stops working.
    pub expires_at: Time,
}

/// A new API key, shown this once.
#[derive(Debug)]
pub struct KeyMade {
    /// Everything but the key.
    pub view: KeyView,
    /// The key.
    pub key: Secret<String>,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// How many there are over all pages.
    pub total: i64,
}
