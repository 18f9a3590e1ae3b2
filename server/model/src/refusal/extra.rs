//! What an error has beside the fields of all errors: the types of refusals' fields, and how they look on the wire.

use serde_json::{Map, Value, json};

use super::FieldError;
use crate::kinds::Scope;

/// The type of a refusal's field.
pub trait Extra {
    /// How it looks on the wire.
    const SHAPE: Shape;

    /// Returns some value, for documents and tests.
    fn sample() -> Self;

    /// Returns it as clients see it; `None` if they do not.
    fn value(&self) -> Option<Value>;
}

/// How a field looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number that is not negative.
    Count,
    /// A number.
    Number,
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An object whose members are texts.
    Texts(&'static [&'static str]),
    /// Not on the wire.
    Hidden,
}

/// A field of a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the code.
    pub name: &'static str,
    /// How it looks on the wire.
    pub shape: Shape,
}

impl Field {
    /// Tells whether clients see it.
    pub fn is_seen(&self) -> bool {
        self.shape != Shape::Hidden
    }

    /// Returns its name on the wire.
    pub fn wire_name(&self) -> String {
        camel(self.name, false)
    }
}

/// Returns the members of an error, from the names in the code.
pub(super) fn members<const N: usize>(
    fields: [(&'static str, Option<Value>); N],
) -> Map<String, Value> {
    let seen = fields.into_iter();
    seen.filter_map(|(name, value)| Some((camel(name, false), value?)))
        .collect()
}

/// Returns `retryAfter` for `retry_after`, or `RetryAfter`.
pub(super) fn camel(name: &str, mut upper: bool) -> String {
    let mut result = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            _ if upper => {
                result.push(letter.to_ascii_uppercase());
                upper = false;
            }
            _ => result.push(letter),
        }
    }
    result
}

/// Why a code that is right is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was accepted before.
    AlreadyUsed,
}

impl Reason {
    const WORDS: &[&str] = &["already_used"];

    const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyUsed => Self::WORDS[0],
        }
    }
}

/// The state of each part that the server needs: `ok`, or one word that says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// `ok`, `unreachable` or `unwritable`.
    pub database: &'static str,
    /// `ok`, `behind` or `ahead`.
    pub migrations: &'static str,
    /// `ok` or `degraded`.
    pub courier: &'static str,
}

/// Declares how types look on the wire: shape, sample, and value.
macro_rules! extras {
    ($($type:ty: $shape:expr, $sample:expr, |$this:ident| $value:expr;)+) => {$(
        impl Extra for $type {
            const SHAPE: Shape = $shape;

            fn sample() -> Self {
                $sample
            }

            fn value(&self) -> Option<Value> {
                let $this = self;
                $value
            }
        }
    )+};
}

extras! {
    u32: Shape::Count, 0, |count| Some(json!(count));
    i32: Shape::Number, 0, |number| Some(json!(number));
    &'static str: Shape::Text, "", |text| Some(json!(text));
    Scope: Shape::Text, Self::UsersRead, |scope| Some(json!(scope.as_str()));
    Reason: Shape::Word(Self::WORDS), Self::AlreadyUsed, |reason| Some(json!(reason.as_str()));
    Checks: Shape::Texts(&["database", "migrations", "courier"]),
        Self { database: "", migrations: "", courier: "" },
        |checks| Some(json!({
            "database": checks.database,
            "migrations": checks.migrations,
            "courier": checks.courier,
        }));
    // Whether a token was sent: the header WWW-Authenticate says it.
    bool: Shape::Hidden, true, |_hidden| None;
    // What a header says.
    String: Shape::Hidden, String::new(), |_hidden| None;
    // Each API lays the refused fields out in its own way.
    Vec<FieldError>: Shape::Hidden, Self::new(), |_hidden| None;
}
