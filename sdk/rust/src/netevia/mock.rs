//! A typed stand-in for the server in an integrator's own tests, built on httpmock; see
//! `countersign_sdk::identity::mock`.

#[rustfmt::skip]
#[path = "../generated/netevia_mock.rs"]
mod generated;

pub use crate::mock::{Mocked, Then, When, error};
pub use generated::*;
pub use httpmock;

use serde_json::{Value, json};

/// The fields of every error of the document.
fn envelope(_status: u16, code: &str) -> Value {
    json!({
        "status": "error",
        "message": "A sentence for the user.",
        "code": code,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
    })
}
