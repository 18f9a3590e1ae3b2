//! Describes in words where a break is.

use serde_json::Value;

/// A part of a request or answer, such as `` the field `user.email` of the answer 200 ``.
#[derive(Clone)]
pub struct Place {
    subject: String,
    path: String,
}

impl Place {
    /// A whole body, parameter or header.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            path: String::new(),
        }
    }

    /// One of several shapes, identified by a field with a single value.
    pub fn shaped(&self, field: &str, value: &Value) -> Self {
        let mut place = self.clone();
        place.subject = format!("{} where `{field}` is {}", self.subject, shown(value));
        place
    }

    /// A field of this part.
    pub fn field(&self, name: &str) -> Self {
        let mut place = self.clone();
        if !place.path.is_empty() {
            place.path.push('.');
        }
        place.path.push_str(name);
        place
    }

    /// The members of this list.
    pub fn members(&self) -> Self {
        let mut place = self.clone();
        place.path.push_str("[]");
        place
    }

    /// Returns the place for use in a sentence.
    pub fn words(&self) -> String {
        if self.path.is_empty() {
            self.subject.clone()
        } else {
            format!("the field `{}` of {}", self.path, self.subject)
        }
    }
}

/// Formats a value for a sentence: a word as it is, anything else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(word) => format!("`{word}`"),
        other => format!("`{other}`"),
    }
}
