//! Types that several operations share: methods, and the words for their states.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::model::Refusal;
use crate::model::kinds::{AnswerKind, FactorKind};

/// A method of this API, in answers.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MfaMethod {
    Sms,
    Email,
    Authenticator,
}

impl MfaMethod {
    /// Returns this API's name for a method; `None` if it has none.
    pub const fn of(kind: FactorKind) -> Option<Self> {
        match kind {
            FactorKind::Sms => Some(Self::Sms),
            FactorKind::Email => Some(Self::Email),
            FactorKind::Authenticator => Some(Self::Authenticator),
            FactorKind::Passkey => None,
        }
    }
}

/// A method of this API, in requests. Any word can be read, so that an unknown one is refused as an
/// unknown method.
#[derive(Clone, Copy)]
pub struct Method(Option<FactorKind>);

impl Method {
    /// Returns the method.
    ///
    /// # Errors
    /// Refuses a word that is not a method.
    pub fn known(self) -> Result<FactorKind, Refusal> {
        self.0.ok_or(Refusal::InvalidMfaMethod)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match String::deserialize(deserializer)?.as_str() {
            "sms" => Some(FactorKind::Sms),
            "email" => Some(FactorKind::Email),
            "authenticator" => Some(FactorKind::Authenticator),
            _unknown => None,
        }))
    }
}

/// The methods that a sign-in can ask for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInMethod {
    Sms,
    Email,
    Authenticator,
    Passkey,
    RecoveryCode,
}

impl From<FactorKind> for SignInMethod {
    fn from(kind: FactorKind) -> Self {
        match kind {
            FactorKind::Sms => Self::Sms,
            FactorKind::Email => Self::Email,
            FactorKind::Authenticator => Self::Authenticator,
            FactorKind::Passkey => Self::Passkey,
        }
    }
}

impl From<AnswerKind> for SignInMethod {
    fn from(kind: AnswerKind) -> Self {
        match kind {
            AnswerKind::Method(kind) => kind.into(),
            AnswerKind::CodeSet(_) => Self::RecoveryCode,
        }
    }
}

/// Declares a `status` type that has a single word.
macro_rules! only {
    ($($name:ident)+) => {$(
        #[derive(Clone, Copy, Serialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum $name {
            $name,
        }
    )+};
}

only! { Enabled Pending Disabled Success MfaRequired Verified }

#[derive(Clone, Copy, Serialize, ToSchema)]
pub enum TokenType {
    Bearer,
}
