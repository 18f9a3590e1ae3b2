//! The sandbox's own API, `/sandbox/*`: what a test needs of the server and no user ever gets.

mod about;
mod clock;
mod codes;
#[cfg(feature = "documents")]
mod document;
mod error;
mod errors;
mod fixtures;
mod messages;
mod passkeys;

use actix_web::web::{Data, Json};

use countersign_api::{self as apis, Document};

use crate::http::contract::Envelope;
use crate::http::operations::Operations;
use crate::http::{input, problem};
use error::{Error, Sandboxed};

/// How it words what no operation sees.
pub const ENVELOPE: Envelope = problem::envelope::<Sandboxed>;

/// The sandbox's API. No server but the sandbox mounts it.
pub const DOCUMENT: Document = Document {
    name: "sandbox",
    label: "Sandbox",
    strict: countersign_api::SANDBOX[0],
    lenient: countersign_api::SANDBOX[1],
    #[cfg(feature = "documents")]
    code: document::document,
    routes,
    envelope: ENVELOPE,
};

/// Returns every API that there is: those that each server serves, and the sandbox's own.
pub const fn all_documents() -> &'static [Document] {
    &[
        apis::identity::DOCUMENT,
        apis::netevia::DOCUMENT,
        apis::flashback::DOCUMENT,
        apis::veeam::DOCUMENT,
        DOCUMENT,
    ]
}

type Box = Data<crate::Sandbox>;
type Body<T> = input::Body<T, Error>;
type Query<T> = input::Query<T, Error>;
type Answer<T> = Result<Json<T>, Error>;

fn routes(config: &mut impl Operations) {
    config
        .service(about::get_sandbox)
        .service(about::list_people)
        .service(messages::list_messages)
        .service(codes::show_authenticator_code)
        .service(passkeys::make_passkey)
        .service(passkeys::use_passkey)
        .service(clock::get_clock)
        .service(clock::set_clock)
        .service(clock::advance_clock)
        .service(fixtures::make_fixture)
        .service(errors::list_operations)
        .service(errors::force_error)
        .service(errors::list_forced_errors)
        .service(errors::forget_forced_errors)
        .service(about::reset_sandbox);
}
