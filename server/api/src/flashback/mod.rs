//! Flashback's API, `/mfa/*`, `/user/*` and `/organization/*`, on top of our users, factors and
//! sessions.

mod account;
mod dto;
mod error;
mod magic_link;
mod methods;
mod organisation;
mod passkey;
mod sessions;
mod setup;

use actix_web::web::{Data, Json};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::http::operations::{Operations, described};
use crate::http::{caller, input, problem};
use crate::{Document, text};
use error::{Error, Flashback};

/// The document and routes of Flashback's API.
pub const DOCUMENT: Document = Document {
    name: "flashback",
    label: "Flashback",
    strict: text!("flashback"),
    lenient: text!("lenient/flashback"),
    code,
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

fn routes(config: &mut Operations<'_, '_>) {
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

/// Builds the document from the mounted handlers, in an application of its own.
fn code() -> OpenApi {
    let mut document = described(routes);
    problem::describe::<Flashback>(&mut document);
    let components = document.components.get_or_insert_default();
    for (name, format) in [("bearerAuth", "JWT"), ("pendingAuth", "Reference")] {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format(format)
            .build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    }
    document
}
