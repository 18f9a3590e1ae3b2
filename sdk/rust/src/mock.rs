//! The shared part of the mocks of all documents; see `identity::mock`.

use std::marker::PhantomData;

use httpmock::MockServer;
use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::call::Operation;
use crate::client::answer::Received;
use crate::failure::Refusal;

/// Keeps the documents' traits private to this crate: they grow with their operations.
pub(crate) mod sealed {
    /// A server that stands in for the real one.
    pub trait Server {}

    impl Server for httpmock::MockServer {}
}

/// An operation that can be mocked.
pub trait Mocked: Operation {
    /// The status of the success.
    #[doc(hidden)]
    const SUCCESS: u16;
    /// Each code of its errors, with its status.
    #[doc(hidden)]
    const ERRORS: &'static [(&'static str, u16)];
    /// Returns the fields of every error of the document.
    #[doc(hidden)]
    fn envelope(status: u16, code: &str) -> Value;
}

/// Conditions under which a mock answers. Method and path are already set.
pub struct When<O>(httpmock::When, PhantomData<fn() -> O>);

impl<O: Mocked> When<O> {
    /// Requires exactly this body.
    pub fn body(self, body: &O::Body) -> Self
    where
        O::Body: Serialize,
    {
        Self(self.0.json_body_obj(body), PhantomData)
    }

    /// Returns httpmock's own type, for everything else.
    pub fn into_inner(self) -> httpmock::When {
        self.0
    }
}

/// The answer of a mock.
pub struct Then<O>(httpmock::Then, PhantomData<fn() -> O>);

impl<O: Mocked> Then<O> {
    /// Answers with the success of the document.
    pub fn ok(self, answer: &O::Answer) -> Self
    where
        O::Answer: Serialize,
    {
        if O::EMPTY {
            return Self(self.0.status(O::SUCCESS), PhantomData);
        }
        self.json(O::SUCCESS, answer)
    }

    /// Answers with an error of this operation, by its code. The status is the document's. `extras`
    /// are the fields besides the common ones.
    ///
    /// # Panics
    ///
    /// Panics if the operation has no such code, or the error requires another field.
    #[expect(clippy::panic, reason = "made for tests, and says so")]
    pub fn error(
        self,
        code: &str,
        extras: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let operation = O::ABOUT.name;
        let known = O::ERRORS.iter().find(|(known, _)| *known == code);
        let Some((_, status)) = known else {
            panic!("{operation} has no error {code}; see `other_error`")
        };
        let body = body::<O>(*status, code, extras);
        if O::Error::typed(&failure(*status, &body)).is_none() {
            panic!("{code} of {operation} has fields that are missing or wrong in {body}");
        }
        self.json(*status, &body)
    }

    /// Answers with an error whose code is not in the document, as a newer server or a proxy might.
    pub fn other_error(
        self,
        status: u16,
        code: &str,
        extras: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let body = body::<O>(status, code, extras);
        self.json(status, &body)
    }

    /// Answers with any JSON.
    pub fn json(self, status: u16, body: &impl Serialize) -> Self {
        let then = self.0.status(status);
        let then = then.header("content-type", "application/json");
        Self(then.json_body_obj(body), PhantomData)
    }

    /// Returns httpmock's own type, for everything else.
    pub fn into_inner(self) -> httpmock::Then {
        self.0
    }
}

/// Builds the body of an error.
fn body<O: Mocked>(
    status: u16,
    code: &str,
    extras: impl IntoIterator<Item = (&'static str, Value)>,
) -> Value {
    let mut body = O::envelope(status, code);
    for (name, value) in extras {
        body[name] = value;
    }
    body
}

fn failure(status: u16, body: &Value) -> Failure {
    Failure::answered(&Received {
        status: reqwest::StatusCode::from_u16(status).unwrap_or_default(),
        headers: reqwest::header::HeaderMap::new(),
        body: body.to_string().into(),
    })
}

/// Makes an error of an operation as a client gets it, for tests of code that handles one.
///
/// ```
/// use countersign_sdk::identity::{calls::VerifyMfaLogin, types::VerifyMfaLoginError};
///
/// let error = countersign_sdk::mock::error::<VerifyMfaLogin>(400, "INVALID_MFA_CODE", [("attemptsRemaining", 4.into())]);
/// assert!(matches!(error, VerifyMfaLoginError::InvalidMfaCode { attempts_remaining: 4, .. }));
/// ```
#[must_use]
pub fn error<O: Mocked>(
    status: u16,
    code: &str,
    extras: impl IntoIterator<Item = (&'static str, Value)>,
) -> O::Error {
    O::Error::of(failure(status, &body::<O>(status, code, extras)))
}

/// Puts a mock on a server.
pub(crate) fn on<O, F>(server: &MockServer, mock: F) -> httpmock::Mock<'_>
where
    O: Mocked,
    F: FnOnce(When<O>, Then<O>),
{
    server.mock(|when, then| {
        let when = when.method(O::ABOUT.method.as_str());
        let when = if O::ABOUT.path.contains('{') {
            when.path_matches(pattern(O::ABOUT.path).as_str())
        } else {
            when.path(O::ABOUT.path)
        };
        mock(When(when, PhantomData), Then(then, PhantomData));
    })
}

/// Returns a pattern for a path with names in it.
fn pattern(path: &str) -> String {
    let mut pattern = String::from("^");
    for (index, part) in path.split(['{', '}']).enumerate() {
        if index % 2 == 1 {
            pattern.push_str("[^/]+");
        } else {
            pattern.push_str(&part.replace('.', "\\."));
        }
    }
    pattern.push('$');
    pattern
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn a_name_in_a_path_stands_for_one_segment() {
        assert_eq!(pattern("/api/v8.1/users/{id}"), "^/api/v8\\.1/users/[^/]+$");
    }
}
