//! How each method proves a person: what a code is compared with, and the result.

use crate::model::{Secret, typed};

mod answer;
mod email;
mod method;
pub mod passkey;
pub mod recovery;
pub mod sent_code;
pub mod sms;
pub mod totp;

pub use answer::Answer;
pub use method::{
    AnswerRequest, ComparisonInput, Expectation, METHODS, Method, NewCeremony, Nothing,
    Preparation, SetUp, channel, has_own_codes, of,
};

/// A typed code, cleaned of what people put between its characters or paste with it.
#[derive(Clone, Debug)]
pub struct Code(Secret<String>);

impl Code {
    /// Reads what was typed.
    pub fn typed(text: &Secret<String>) -> Self {
        Self(Secret::new(typed::plain(text.expose())))
    }

    /// Returns the cleaned code.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The result of comparing a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The code is right, and is now used.
    Right,
    /// The code is wrong.
    Wrong,
    /// The code is right, but was used before.
    Used {
        /// Seconds until the authenticator shows a code that was not used.
        retry_after: u32,
    },
}

/// Which factors a code fits, one place for each that was compared: for an authenticator the time step, for a sent
/// code 0. `None` where it does not fit.
pub struct Fit(Vec<Option<i64>>);

impl Fit {
    /// The code is right nowhere.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether the code is right, unless it was used before.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }
}
