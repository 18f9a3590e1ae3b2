//! The document that is made from the code of this API, for `cargo xtask drift`.

use utoipa::openapi::OpenApi;

use super::error::Veeam;
use super::routes;
use crate::http::operations::{bearer, described};
use crate::http::problem::{DescribesErrors, describe};

impl DescribesErrors for Veeam {}

/// Builds the document from the mounted handlers. They are collected in an application of its own,
/// so that schemas of other APIs with the same names stay apart.
pub(super) fn document() -> OpenApi {
    let mut document = described(|config| routes(config));
    describe::<Veeam>(&mut document);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearerAuth", bearer("JWT"));
    document
}
