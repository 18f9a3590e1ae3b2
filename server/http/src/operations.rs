//! Lets an API list its operations once, for both the server that mounts them and the document that
//! describes them.

use actix_web::App;
use actix_web::dev::HttpServiceFactory;
use actix_web::web::ServiceConfig;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::service_config::ServiceConfig as Describing;
use utoipa_actix_web::{AppExt, OpenApiFactory};

/// Receives the operations of an API.
///
/// The server only mounts them. Describing them would take ten megabytes at each start, which the
/// process never returns.
pub enum Operations<'a, 'b> {
    /// The server.
    Mounted(&'a mut ServiceConfig),
    /// A document made from the code.
    Described(&'a mut Describing<'b>),
}

impl Operations<'_, '_> {
    /// Adds one operation.
    pub fn service<F>(&mut self, operation: F) -> &mut Self
    where
        F: HttpServiceFactory + OpenApiFactory + 'static,
    {
        match self {
            Self::Mounted(config) => {
                config.service(operation);
            }
            Self::Described(config) => {
                config.service(operation);
            }
        }
        self
    }
}

/// A function that lists the operations of one API.
pub type Listing = fn(&mut Operations<'_, '_>);

/// Mounts the listed operations.
pub fn mount(listing: Listing) -> impl FnOnce(&mut ServiceConfig) {
    move |config| listing(&mut Operations::Mounted(config))
}

/// Returns the document of the listed operations. It is collected in an application of its own, so
/// that equal names of two APIs do not clash.
pub fn described(listing: Listing) -> OpenApi {
    let app = App::new().into_utoipa_app();
    let app = app.configure(|config| listing(&mut Operations::Described(config)));
    let (_, document) = app.split_for_parts();
    document
}
