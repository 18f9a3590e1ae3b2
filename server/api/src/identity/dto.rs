//! Types that several operations share: methods, users, sessions, tokens, pages.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::flow::List;
use crate::http::output::exposed;
use crate::model::kinds::{self, AnswerKind, Assurance, FactorKind};
use crate::model::{FactorId, Refusal, Secret};
use crate::outcome::{Person, SessionTokens, SessionView};

/// The message of an answer after a code was mailed.
pub const CODE_SENT: &str = "Email verification code sent. Please check your inbox.";

/// A method, in answers.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MfaMethod {
    Email,
    Authenticator,
    Sms,
    /// Only in requests, as another name for the mailbox.
    #[expect(
        dead_code,
        reason = "part of the contract, read by `Method`, never answered"
    )]
    MagicLink,
    Passkey,
    RecoveryCode,
}

impl From<FactorKind> for MfaMethod {
    fn from(kind: FactorKind) -> Self {
        match kind {
            FactorKind::Email => Self::Email,
            FactorKind::Authenticator => Self::Authenticator,
            FactorKind::Sms => Self::Sms,
            FactorKind::Passkey => Self::Passkey,
        }
    }
}

impl From<AnswerKind> for MfaMethod {
    fn from(kind: AnswerKind) -> Self {
        match kind {
            AnswerKind::Method(kind) => kind.into(),
            AnswerKind::CodeSet(_) => Self::RecoveryCode,
        }
    }
}

/// Converts methods for an answer.
pub fn methods(kinds: &[FactorKind]) -> Vec<MfaMethod> {
    kinds.iter().map(|kind| MfaMethod::from(*kind)).collect()
}

/// A method, in requests. Any word can be read, so that an unknown one is refused as an unknown
/// method.
pub struct Method(Option<FactorKind>);

impl Method {
    /// Returns the method.
    ///
    /// # Errors
    /// Refuses a word that is not a method, and the names of code sets, which are not factors.
    pub fn known(self) -> Result<FactorKind, Refusal> {
        self.0.ok_or(Refusal::InvalidMfaMethod)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        // The mailbox is one factor. Its mails carry both a code and a link.
        Ok(Self(match word.as_str() {
            "magic_link" => Some(FactorKind::Email),
            word => FactorKind::parse(word),
        }))
    }
}

/// Parses the id of a factor, as requests write it.
///
/// # Errors
/// Refuses anything else, under the name of the field.
pub fn factor_id(field: &str, written: &str) -> Result<FactorId, Refusal> {
    let uuid = written
        .strip_prefix("factor-")
        .filter(|id| id.len() == uuid::fmt::Hyphenated::LENGTH)
        .and_then(|id| Uuid::try_parse(id).ok());
    uuid.map(FactorId::new)
        .ok_or_else(|| Refusal::field(field, "This is not the id of an MFA method."))
}

/// Returns the sentence that asks for a code of this method. `sent` says whether one could be sent.
pub fn asks_for(kind: impl Into<AnswerKind>, sent: bool) -> &'static str {
    match kind.into() {
        AnswerKind::Method(kind) => asks_for_method(kind, sent),
        AnswerKind::CodeSet(_) => "Enter one of your recovery codes.",
    }
}

const fn asks_for_method(kind: FactorKind, sent: bool) -> &'static str {
    match kind {
        FactorKind::Email | FactorKind::Sms if !sent => {
            "No code can be sent for this method now. Use another method or a recovery code."
        }
        FactorKind::Email => CODE_SENT,
        FactorKind::Authenticator => "Enter the current code from your authenticator app.",
        FactorKind::Sms => "Verification code sent by SMS. Please check your phone.",
        FactorKind::Passkey => "Confirm with your passkey.",
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Administrator,
}

impl From<kinds::Role> for Role {
    fn from(role: kinds::Role) -> Self {
        match role {
            kinds::Role::User => Self::User,
            kinds::Role::Administrator => Self::Administrator,
        }
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: String,
    pub number: i64,
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_name: Option<String>,
    #[schema(inline)]
    pub role: Role,
    pub mfa_enabled: bool,
    pub mfa_methods: Vec<MfaMethod>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self {
            id: format!("user-{}", person.id),
            number: person.number,
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            role: person.role.into(),
            mfa_enabled: person.asked,
            mfa_methods: methods(&person.methods),
            created_at: person.created_at.to_string(),
        }
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acr {
    Aal1,
    TwoStep,
    Aal2,
}

/// A session, and how it was signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    id: String,
    #[schema(inline)]
    acr: Acr,
    amr: Vec<String>,
    #[schema(format = DateTime)]
    auth_time: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<Assurance> for Acr {
    fn from(acr: Assurance) -> Self {
        match acr {
            Assurance::Aal1 => Self::Aal1,
            Assurance::TwoStep => Self::TwoStep,
            Assurance::Aal2 => Self::Aal2,
        }
    }
}

impl From<SessionView> for SessionInfo {
    fn from(session: SessionView) -> Self {
        Self {
            id: format!("session-{}", session.id),
            acr: session.acr.into(),
            amr: session.amr,
            auth_time: session.auth_time.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
pub enum TokenType {
    Bearer,
}

/// The `status` of an answer with a session.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    SignedIn,
}

/// The `status` of an answer that asks for a second factor.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeStatus {
    MfaRequired,
}

/// The `status` of an answer with a session that has fresh proof.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepUpStatus {
    SteppedUp,
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenResponse {
    #[schema(inline)]
    status: SessionStatus,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    #[schema(inline)]
    token_type: TokenType,
    expires_in: u32,
    user: User,
}

impl From<SessionTokens> for TokenResponse {
    fn from(signed_in: SessionTokens) -> Self {
        Self {
            status: SessionStatus::SignedIn,
            access_token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            token_type: TokenType::Bearer,
            expires_in: signed_in.expires_in,
            user: signed_in.person.into(),
        }
    }
}

/// The part of a list that is asked for.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[validate(range(min = 1, max = 100))]
    #[param(format = Int32, minimum = 1, maximum = 100, default = 30)]
    limit: Option<i64>,
    #[validate(range(min = 0, max = 1_000_000))]
    #[param(format = Int32, minimum = 0, maximum = 1_000_000, default = 0)]
    offset: Option<i64>,
}

impl Paging {
    /// Makes the command that lists the part which is asked for.
    pub fn command<W>(self, by: W) -> List<W> {
        List {
            by,
            limit: self.limit.unwrap_or(30),
            offset: self.offset.unwrap_or(0),
        }
    }
}

/// The empty query of a list that is always complete. A request for a part is refused, not answered
/// with the whole.
#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct WholeList {}

/// Returns the number of entries on all pages.
pub fn total(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
