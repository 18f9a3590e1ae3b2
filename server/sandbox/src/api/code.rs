//! The document that is made from the code of this API, for `cargo xtask drift`.

use utoipa::openapi::OpenApi;

use super::error::Sandboxed;
use super::routes;
use crate::http::operations::described;
use crate::http::problem::{Described, describe};

impl Described for Sandboxed {}

/// What the mounted handlers say of themselves.
pub(super) fn code() -> OpenApi {
    let mut document = described(|config| routes(config));
    describe::<Sandboxed>(&mut document);
    document
}
