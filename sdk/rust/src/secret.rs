//! A secret text: a password, a code, a token. It is sent and stored, but never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A password, code, token or key.
///
/// On the wire it is a plain string. `Debug` shows `[secret]`, there is no `Display`, and the
/// memory is wiped when the value is dropped.
///
/// ```
/// use countersign_sdk::Secret;
///
/// let password = Secret::from("correct horse battery staple");
/// assert_eq!(format!("{password:?}"), "[secret]");
/// assert_eq!(password.expose(), "correct horse battery staple");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns the text. Keep it out of logs, error messages and URLs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<&String> for Secret {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Secret> for Secret {
    fn from(secret: &Secret) -> Self {
        secret.clone()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_a_plain_string_on_the_wire_and_hidden_elsewhere() {
        let secret: Secret = serde_json::from_str("\"123456\"").expect("a string");
        assert_eq!(
            serde_json::to_string(&secret).expect("it is written"),
            "\"123456\""
        );
        assert_eq!(format!("{:?}", Some(&secret)), "Some([secret])");
        assert_eq!(
            format!("{:#?}", [secret]).replace(char::is_whitespace, ""),
            "[[secret],]"
        );
    }
}
