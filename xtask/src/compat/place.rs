//! Where a break is, in words.

use serde_json::Value;

/// A part of what an operation takes or answers: `` the field `user.email` of the answer 200 ``.
#[derive(Clone)]
pub struct Place {
    subject: String,
    path: String,
}

impl Place {
    /// The whole of a body, a parameter or a header.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            path: String::new(),
        }
    }

    /// One of several shapes, told apart by a field of one value.
    pub fn shaped(&self, field: &str, value: &Value) -> Self {
        let mut place = self.clone();
        place.subject = format!("{} where `{field}` is {}", self.subject, shown(value));
        place
    }

    /// A field of it.
    pub fn field(&self, name: &str) -> Self {
        let mut place = self.clone();
        if !place.path.is_empty() {
            place.path.push('.');
        }
        place.path.push_str(name);
        place
    }

    /// The members of a list.
    pub fn members(&self) -> Self {
        let mut place = self.clone();
        place.path.push_str("[]");
        place
    }

    /// The place in a sentence.
    pub fn words(&self) -> String {
        if self.path.is_empty() {
            self.subject.clone()
        } else {
            format!("the field `{}` of {}", self.path, self.subject)
        }
    }
}

/// A value in a sentence: a word as it is, anything else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(word) => format!("`{word}`"),
        other => format!("`{other}`"),
    }
}
