//! Lets an API list its operations once, for the server that mounts them and for the document that
//! describes them.

#[cfg(not(feature = "documents"))]
use actix_web::dev::HttpServiceFactory;
use actix_web::web::ServiceConfig;

#[cfg(feature = "documents")]
pub use documents::{Operation, bearer, described};

/// Receives the operations of an API.
pub trait Operations {
    /// Adds one operation.
    fn service(&mut self, operation: impl Operation) -> &mut Self;
}

/// One operation: a handler. In a build that makes documents, it also describes itself.
#[cfg(not(feature = "documents"))]
pub trait Operation: HttpServiceFactory + 'static {}

#[cfg(not(feature = "documents"))]
impl<T: HttpServiceFactory + 'static> Operation for T {}

impl Operations for ServiceConfig {
    fn service(&mut self, operation: impl Operation) -> &mut Self {
        self.service(operation)
    }
}

#[cfg(feature = "documents")]
mod documents {
    use actix_web::App;
    use actix_web::dev::HttpServiceFactory;
    use utoipa::openapi::OpenApi;
    use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
    use utoipa_actix_web::service_config::ServiceConfig;
    use utoipa_actix_web::{AppExt, OpenApiFactory};

    use super::Operations;

    /// One operation: a handler that also describes itself.
    pub trait Operation: HttpServiceFactory + OpenApiFactory + 'static {}

    impl<T: HttpServiceFactory + OpenApiFactory + 'static> Operation for T {}

    impl Operations for ServiceConfig<'_> {
        fn service(&mut self, operation: impl Operation) -> &mut Self {
            self.service(operation)
        }
    }

    /// Returns the document of the listed operations. It is collected in an application of its own,
    /// so that equal names of two APIs do not clash.
    pub fn described(listing: impl FnOnce(&mut ServiceConfig<'_>)) -> OpenApi {
        let app = App::new().into_utoipa_app().configure(listing);
        let (_, document) = app.split_for_parts();
        document
    }

    /// Returns the security scheme of a bearer token in this format (RFC 6750).
    pub fn bearer(format: &str) -> SecurityScheme {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(scheme.bearer_format(format).build())
    }
}
