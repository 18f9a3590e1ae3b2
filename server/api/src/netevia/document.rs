//! The document that is made from the code of this API, for `cargo xtask drift`.

use utoipa::openapi::OpenApi;

use super::error::Netevia;
use super::routes;
use crate::http::either::require_either;
use crate::http::operations::{bearer, described};
use crate::http::problem::{DescribesErrors, describe};

impl DescribesErrors for Netevia {}

/// Builds the document from the mounted handlers, in an application of its own.
pub(super) fn document() -> OpenApi {
    let mut document = described(|config| routes(config));
    describe::<Netevia>(&mut document);
    require_either(
        &mut document,
        "AuthRequest",
        &["login", "email", "userName"],
    );
    require_either(&mut document, "CompleteAuthRequest", &["code", "token"]);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearerAuth", bearer("JWT"));
    document
}
