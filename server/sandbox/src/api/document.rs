//! The document that is made from the code of this API, for `cargo xtask drift`.

use utoipa::openapi::OpenApi;

use super::error::Sandboxed;
use super::routes;
use crate::http::operations::described;
use crate::http::problem::{DescribesErrors, describe};

impl DescribesErrors for Sandboxed {}

/// What the mounted handlers say of themselves.
pub(super) fn document() -> OpenApi {
    let mut document = described(|config| routes(config));
    describe::<Sandboxed>(&mut document);
    document
}
