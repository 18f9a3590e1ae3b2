//! A stand-in for the server in an integrator's own tests: httpmock, typed by the document; see
//! `countersign_sdk::identity::mock`.

#[rustfmt::skip]
#[path = "../generated/sandbox_mock.rs"]
mod generated;

pub use crate::mock::{Mocked, Then, When, error};
pub use generated::*;
pub use httpmock;

use serde_json::{Value, json};

/// What each error of the document has.
fn envelope(status: u16, code: &str) -> Value {
    json!({
        "code": code,
        "message": "A sentence for the user.",
        "statusCode": status,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
    })
}
