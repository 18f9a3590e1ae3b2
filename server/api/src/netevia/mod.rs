//! Netevia's API, `/settings/MfaSignIn`, `/api/auth/v2*`, `/api/CodeVerification/*` and
//! `/netevia/disablemfa/*`, on top of our users, factors and sessions.

mod administration;
mod auth;
mod codes;
mod dto;
mod error;
mod settings;

use actix_web::web::{Data, Json};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::http::either::require_either;
use crate::http::operations::{Operations, described};
use crate::http::{caller, input, problem};
use crate::{Document, text};
use error::{Error, Netevia};

/// The document and routes of Netevia's API.
pub const DOCUMENT: Document = Document {
    name: "netevia",
    label: "Netevia",
    strict: text!("netevia"),
    lenient: text!("lenient/netevia"),
    code,
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

fn routes(config: &mut Operations<'_, '_>) {
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

/// Builds the document from the mounted handlers, in an application of its own.
fn code() -> OpenApi {
    let mut document = described(routes);
    problem::describe::<Netevia>(&mut document);
    require_either(
        &mut document,
        "AuthRequest",
        &["login", "email", "userName"],
    );
    require_either(&mut document, "CompleteAuthRequest", &["code", "token"]);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearerAuth", SecurityScheme::Http(bearer));
    document
}
