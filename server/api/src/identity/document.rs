//! The document that is made from the code of this API, for `cargo xtask drift`.

use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use super::credentials;
use super::error::Identity;
use super::routes;
use crate::http::either::require_one_of;
use crate::http::operations::{bearer, described};
use crate::http::problem::{DescribesErrors, describe};

impl DescribesErrors for Identity {}

/// Builds the document from the mounted handlers. They are collected in an application of its own,
/// so that schemas of other APIs with the same names stay apart.
pub(super) fn document() -> OpenApi {
    let mut document = described(|config| routes(config));
    describe::<Identity>(&mut document);
    let ways: [&[&str]; 2] = [&["token"], &["email", "code"]];
    require_one_of(&mut document, "ResetPasswordRequest", &ways);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearerAuth", bearer("JWT"));
    let key = ApiKey::Header(ApiKeyValue::new(credentials::X_API_KEY));
    components.add_security_scheme("apiKeyAuth", SecurityScheme::ApiKey(key));
    document
}
