//! The API that mirrors Veeam Backup for Azure's REST API: `/api/oauth2/token`, `/api/v1/users*`, `/api/v8.1/users*`,
//! and `/system/about` beside both.

#[cfg(feature = "documents")]
mod document;
mod dto;
mod error;
mod mfa;
mod system;
mod token;
mod users;
mod v8_1;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

use crate::http::operations::Operations;
use crate::http::{caller, input, problem};
use crate::{Document, text};
use error::{Error, Veeam};

/// The document and routes of the Veeam API.
pub const DOCUMENT: Document = Document {
    name: "veeam",
    label: "Veeam",
    strict: text!("veeam"),
    lenient: text!("lenient/veeam"),
    #[cfg(feature = "documents")]
    code: document::document,
    routes,
    envelope: problem::envelope::<Veeam>,
};

type App = Data<crate::app::App>;
type Body<T> = input::Body<T, Error>;
type OptionalBody<T> = input::OptionalBody<T, Error>;
type Form<T> = input::Form<T, Error>;
type Query<T> = input::Query<T, Error>;
type Caller = caller::Caller<Error>;
type Answer<T> = Result<Utf8Json<T>, Error>;

/// An answer with the `Content-Type` that the published pages give.
struct Utf8Json<T>(T);

impl<T: Serialize> Responder for Utf8Json<T> {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("application/json; charset=utf-8")
            .json(self.0)
    }
}

fn routes(config: &mut impl Operations) {
    config
        .service(token::request_token)
        .service(token::logout)
        .service(users::list_users)
        .service(users::add_user)
        .service(users::get_user)
        .service(users::update_user)
        .service(users::delete_user)
        .service(mfa::enable_mfa)
        .service(mfa::accept_mfa)
        .service(mfa::disable_mfa)
        .service(system::get_about)
        .service(system::get_about_v81);
    v8_1::routes(config);
}
