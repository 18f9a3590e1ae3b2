//! A stand-in for the server in an integrator's own tests: httpmock, typed by the document; see
//! `countersign_sdk::identity::mock`.

#[rustfmt::skip]
#[path = "../generated/netevia_mock.rs"]
mod generated;

pub use generated::*;
pub use httpmock;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An operation's error by its code; `extras` are the fields that it has beyond what all have. If one is missing, or the
/// code is not of this operation, it becomes the last variant, as it would in a real answer.
///
/// # Panics
///
/// When `E` is no operation's error.
#[must_use]
#[expect(clippy::expect_used, reason = "made for tests, and says so")]
pub fn error<E: DeserializeOwned>(
    code: &str,
    extras: impl IntoIterator<Item = (&'static str, Value)>,
) -> E {
    let mut body = json!({
        "status": "error",
        "message": "A sentence for the user.",
        "code": code,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
    });
    for (name, value) in extras {
        body[name] = value;
    }
    serde_json::from_value(body).expect("every operation's error reads an open code")
}
