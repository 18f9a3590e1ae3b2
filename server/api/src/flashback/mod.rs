//! Flashback's API, `/mfa/*`, `/user/*` and `/organization/*`, on top of our users, factors and
//! sessions.

mod account;
#[cfg(feature = "documents")]
mod document;
mod dto;
mod error;
mod magic_link;
mod methods;
mod organisation;
mod passkey;
mod sessions;
mod setup;

use actix_web::web::{Data, Json};

use crate::http::operations::Operations;
use crate::http::{caller, input, problem};
use crate::{Document, text};
use error::{Error, Flashback};

/// The document and routes of Flashback's API.
pub const DOCUMENT: Document = Document {
    name: "flashback",
    label: "Flashback",
    strict: text!("flashback"),
    lenient: text!("lenient/flashback"),
    #[cfg(feature = "documents")]
    code: document::document,
    routes,
    envelope: problem::envelope::<Flashback>,
};

type App = Data<crate::app::App>;
type Body<T> = input::Body<T, Error>;
type Path<T> = input::Path<T, Error>;
type Query<T> = input::Query<T, Error>;
type OptionalBody<T> = input::OptionalBody<T, Error>;
type Caller = caller::Caller<Error>;
type Pending = caller::Pending<Error>;
type CallerOrPending = caller::CallerOrPending<Error>;
type Answer<T> = Result<Json<T>, Error>;

fn routes(config: &mut impl Operations) {
    config
        .service(methods::get_mfa_status)
        .service(methods::get_mfa_methods)
        .service(methods::enable_mfa)
        .service(methods::disable_mfa)
        .service(methods::set_primary_mfa)
        .service(methods::reset_mfa)
        .service(setup::setup_mfa)
        .service(setup::verify_mfa_setup)
        .service(organisation::enforce_organization_mfa)
        .service(organisation::list_organization_users)
        .service(magic_link::send_magic_link)
        .service(magic_link::activate_magic_link)
        .service(passkey::get_passkey_auth_options)
        .service(passkey::complete_passkey_registration)
        .service(passkey::complete_passkey_registration_alias)
        .service(sessions::verify_mfa_login)
        .service(sessions::login)
        .service(sessions::refresh)
        .service(sessions::logout)
        .service(account::register_user)
        .service(account::resend_verification)
        .service(account::pre_verify_email)
        .service(account::verify_email)
        .service(account::request_password_reset)
        .service(account::reset_password)
        .service(account::get_profile);
}
