//! Netevia's API, `/settings/MfaSignIn`, `/api/auth/v2*`, `/api/CodeVerification/*` and
//! `/netevia/disablemfa/*`, on top of our users, factors and sessions.

mod administration;
mod auth;
mod codes;
#[cfg(feature = "documents")]
mod document;
mod dto;
mod error;
mod settings;

use actix_web::web::{Data, Json};

use crate::http::operations::Operations;
use crate::http::{caller, input, problem};
use crate::{Document, text};
use error::{Error, Netevia};

/// The document and routes of Netevia's API.
pub const DOCUMENT: Document = Document {
    name: "netevia",
    label: "Netevia",
    strict: text!("netevia"),
    lenient: text!("lenient/netevia"),
    #[cfg(feature = "documents")]
    code: document::document,
    routes,
    envelope: problem::envelope::<Netevia>,
};

type App = Data<crate::app::App>;
type Body<T> = input::Body<T, Error>;
type OptionalBody<T> = input::OptionalBody<T, Error>;
type Path<T> = input::Path<T, Error>;
type Caller = caller::Caller<Error>;
type MaybeCaller = caller::MaybeCaller<Error>;
type Answer<T> = Result<Json<T>, Error>;

fn routes(config: &mut impl Operations) {
    config
        .service(settings::enable_mfa_sign_in)
        .service(settings::disable_mfa_sign_in)
        .service(auth::authenticate)
        .service(auth::complete_authentication)
        .service(codes::send_verification_code)
        .service(codes::check_verification_code)
        .service(administration::disable_mfa_of_profile)
        .service(administration::disable_mfa_of_authorized_user);
}
