//! The kinds of values for the settings of text messages.

use std::str::FromStr;

use phonenumber::country;
use url::Url;

use crate::config::kinds::{Kind, is_loopback};
use crate::model::Secret;

/// The sender of a text message. Twilio's Messages resource has a field for each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwilioSender {
    /// For `From`: a number in E.164, a short code or an alphanumeric sender id.
    From(String),
    /// For `MessagingServiceSid`.
    Service(String),
}

/// Countries, separated by commas. Empty means that there are no text messages.
pub(super) struct Countries;

impl Kind for Countries {
    type Value = Vec<country::Id>;
    fn read(&self, text: &str) -> Result<Vec<country::Id>, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| country::Id::from_str(&part.to_ascii_uppercase()))
            .collect::<Result<_, _>>()
            .map_err(|_| self.refused())
    }
    fn allowed(&self) -> String {
        "ISO 3166 country codes separated by commas, such as US,DE".to_owned()
    }
}

/// Parses the URL that codes are sent to: it must be encrypted, or on this machine.
fn endpoint(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback(bare),
        _other => false,
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (safe && plain).then_some(url)
}

const ENDPOINT: &str = "an https address (http on this machine only)";

/// The base URL of an API: no query, and no `/` at its end.
pub(super) struct Base;

impl Kind for Base {
    type Value = String;
    fn read(&self, text: &str) -> Result<String, String> {
        let url = endpoint(text).filter(|url| url.query().is_none());
        let url = url.ok_or_else(|| self.refused())?;
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
    fn allowed(&self) -> String {
        ENDPOINT.to_owned()
    }
    /// A refused URL may contain a password.
    fn secret(&self) -> bool {
        true
    }
}

/// The URL of one operation. Its path or query may contain a secret.
pub(super) struct Hook;

impl Kind for Hook {
    type Value = Option<Secret<String>>;
    fn read(&self, text: &str) -> Result<Option<Secret<String>>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let url = endpoint(text).ok_or_else(|| self.refused())?;
        Ok(Some(Secret::new(url.into())))
    }
    fn allowed(&self) -> String {
        ENDPOINT.to_owned()
    }
    fn secret(&self) -> bool {
        true
    }
}

/// A secret of visible ASCII characters, with this minimum length.
pub(super) struct Visible(pub usize);

impl Kind for Visible {
    type Value = Option<Secret<String>>;
    fn read(&self, text: &str) -> Result<Option<Secret<String>>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let fits =
            (self.0..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Some(Secret::new(text.to_owned())))
            .ok_or_else(|| self.refused())
    }
    fn allowed(&self) -> String {
        format!("{} to 256 visible ASCII characters", self.0)
    }
    fn secret(&self) -> bool {
        true
    }
}

/// Checks a Twilio SID: two letters and 32 hexadecimal digits (Twilio, "String Identifier").
fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The SID of a Twilio account.
pub(super) struct Account;

impl Kind for Account {
    type Value = Option<String>;
    fn read(&self, text: &str) -> Result<Option<String>, String> {
        match text {
            "" => Ok(None),
            sid if is_sid(sid, "AC") => Ok(Some(sid.to_owned())),
            _other => Err(self.refused()),
        }
    }
    fn allowed(&self) -> String {
        "AC and 32 hexadecimal digits".to_owned()
    }
}

/// The sender of text messages.
pub(super) struct Originator;

impl Kind for Originator {
    type Value = Option<TwilioSender>;
    fn read(&self, text: &str) -> Result<Option<TwilioSender>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if is_sid(text, "MG") {
            return Ok(Some(TwilioSender::Service(text.to_owned())));
        }
        let digits = |text: &str, most| {
            (3..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let number = text.strip_prefix('+').is_some_and(|rest| digits(rest, 15));
        // Twilio, "Alphanumeric Sender ID": up to 11 letters, digits and spaces, with at least one
        // letter.
        let name = text.len() <= 11
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ')
            && text.bytes().any(|b| b.is_ascii_alphabetic());
        if number || digits(text, 8) || name {
            Ok(Some(TwilioSender::From(text.to_owned())))
        } else {
            Err(self.refused())
        }
    }
    fn allowed(&self) -> String {
        "a number such as +15005550006, a short code, a sender id, or the SID of a messaging service (MG…)"
            .to_owned()
    }
}
