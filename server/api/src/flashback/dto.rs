//! Types that several operations share: methods, messages, credentials, times.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::flow::methods::Change;
use crate::http::input::present;
use crate::model::kinds::FactorKind;
use crate::model::source::Source;
use crate::model::{Error, Refusal, Time, session};

/// The methods that a second step can use in this API. Its mail is sent by `/mfa/magic-link/send`.
pub const CARRIED: &[FactorKind] = &[
    FactorKind::Authenticator,
    FactorKind::Email,
    FactorKind::Passkey,
];

/// A method, in answers.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MfaType {
    GoogleAuth,
    MagicLink,
    Passkey,
}

impl MfaType {
    /// Returns this API's name for a method; `None` if it has none.
    pub const fn of(kind: FactorKind) -> Option<Self> {
        match kind {
            FactorKind::Authenticator => Some(Self::GoogleAuth),
            FactorKind::Email => Some(Self::MagicLink),
            FactorKind::Passkey => Some(Self::Passkey),
            FactorKind::Sms => None,
        }
    }

    /// Returns those of several methods that this API knows.
    pub fn all_of(kinds: &[FactorKind]) -> Vec<Self> {
        kinds.iter().filter_map(|kind| Self::of(*kind)).collect()
    }
}

/// A method, in requests. Any word can be read, so that an unknown one is refused as an unknown
/// method.
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
            "GOOGLE_AUTH" => Some(FactorKind::Authenticator),
            "MAGIC_LINK" => Some(FactorKind::Email),
            "PASSKEY" => Some(FactorKind::Passkey),
            _unknown => None,
        }))
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaTypeRequest {
    #[schema(value_type = MfaType)]
    mfa_type: Method,
}

impl MfaTypeRequest {
    /// Makes the command that changes a method of the caller's own account, and returns the method.
    ///
    /// # Errors
    /// Refuses a word that is not a method.
    pub fn command(
        self,
        caller: session::Caller,
        source: Source,
    ) -> Result<(Change, FactorKind), Refusal> {
        let method = self.mfa_type.known()?;
        Ok((Change::own(caller, source), method))
    }
}

/// The query of a list without parameters. An unknown filter is refused, since the caller would
/// mistake the whole list for the filtered one.
#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// Says that the operation succeeded.
#[derive(Serialize, ToSchema)]
pub struct MessageResponse {
    success: bool,
    message: &'static str,
}

impl MessageResponse {
    /// Makes the answer from a sentence for the user.
    pub const fn new(message: &'static str) -> Self {
        Self {
            success: true,
            message,
        }
    }
}

/// Returns whole seconds since 1970.
pub fn moment(time: Time) -> u64 {
    u64::try_from(time.seconds()).unwrap_or(0)
}

/// Converts a refusal of a set-up's proof for an API whose clients hold no reference to the set-up.
/// If another call changed the account meanwhile, the set-up reads as gone.
pub fn of_setup(error: Error) -> Error {
    match error {
        Error::Refused(Refusal::AuthenticatorNotConfigured | Refusal::MfaAlreadyEnabled) => {
            Refusal::MfaTokenInvalid.into()
        }
        Error::Refused(Refusal::MfaTokenExpired) => Refusal::MfaMethodNotConfigured.into(),
        Error::Refused(Refusal::UserNotFound) => Refusal::TokenInvalid { sent: true }.into(),
        error => error,
    }
}

/// Converts such a refusal for a client with the mailed link, which is all that is checked.
pub fn of_link(error: Error) -> Error {
    match error {
        Error::Refused(Refusal::MfaAlreadyEnabled | Refusal::InvalidMfaCode { .. }) => {
            Refusal::MfaTokenInvalid.into()
        }
        error => error,
    }
}

#[derive(Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationCredential {
    #[validate(length(min = 1, max = 1500))]
    #[schema(min_length = 1, max_length = 1500)]
    id: String,
    #[validate(length(min = 1, max = 1500))]
    #[schema(min_length = 1, max_length = 1500)]
    raw_id: String,
    #[validate(nested)]
    response: AttestationResponse,
    #[schema(inline)]
    r#type: CredentialType,
}

impl RegistrationCredential {
    /// Returns the challenge that the browser signed, in base64url; `None` if it cannot be read.
    pub fn challenge(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct ClientData {
            challenge: String,
        }
        let text = base64url(&self.response.client_data_json)?;
        let data: ClientData = serde_json::from_slice(&text).ok()?;
        Some(data.challenge)
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
pub enum CredentialType {
    #[serde(rename = "public-key")]
    PublicKey,
}

#[derive(Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    #[validate(length(min = 1, max = 8192))]
    #[schema(min_length = 1, max_length = 8192)]
    client_data_json: String,
    #[validate(length(min = 1, max = 12000))]
    #[schema(min_length = 1, max_length = 12000)]
    attestation_object: String,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[validate(length(max = 10))]
    #[schema(max_items = 10, nullable = false)]
    transports: Option<Vec<String>>,
}

#[derive(Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionCredential {
    #[validate(length(min = 1, max = 1500))]
    #[schema(min_length = 1, max_length = 1500)]
    id: String,
    #[validate(length(min = 1, max = 1500))]
    #[schema(min_length = 1, max_length = 1500)]
    raw_id: String,
    #[validate(nested)]
    response: AssertionResponse,
    #[schema(inline)]
    r#type: CredentialType,
}

#[derive(Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    #[validate(length(min = 1, max = 8192))]
    #[schema(min_length = 1, max_length = 8192)]
    client_data_json: String,
    #[validate(length(min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    authenticator_data: String,
    #[validate(length(min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    signature: String,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[validate(length(max = 200))]
    #[schema(max_length = 200, nullable = false)]
    user_handle: Option<String>,
}

/// Decodes base64 or base64url, padded or not.
pub fn base64url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let plain = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    URL_SAFE_NO_PAD.decode(plain).ok()
}

/// Encodes bytes in base64, as the pages of this API print them.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    STANDARD.encode(bytes)
}
