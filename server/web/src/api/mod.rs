//! The APIs, each in a folder of its own that holds its wire format. To add one, add its folder,
//! its file in `openapi/` and one line here.

pub mod flashback;
pub mod identity;
pub mod netevia;
pub mod veeam;

#[cfg(test)]
mod tests;

use crate::http::contract::Envelope;
use crate::http::docs::Text;
use crate::http::operations::Listing;

/// The text of a document: its YAML file, and the JSON that the build script writes from it.
macro_rules! text {
    ($stem:literal) => {
        $crate::http::docs::Text {
            yaml: include_str!(concat!("../../../../../openapi/", $stem, ".yaml")),
            json: include_str!(concat!(env!("OUT_DIR"), "/", $stem, ".json")),
        }
    };
}

pub(crate) use text;

/// One API: its hand-written document, its routes, and the document made from its code.
#[derive(Clone, Copy)]
pub struct Document {
    /// The stem of its file: `identity` for `openapi/identity.yaml`.
    pub name: &'static str,
    /// The hand-written document, OpenAPI 3.0.3.
    pub strict: Text,
    /// Its lenient twin, made by `cargo xtask openapi`.
    pub lenient: Text,
    /// Makes the document from the code, OpenAPI 3.1, for `cargo xtask drift`.
    pub code: fn() -> utoipa::openapi::OpenApi,
    /// Mounts its operations.
    pub routes: Listing,
    /// Words the errors that no handler produced.
    pub envelope: Envelope,
}

/// Returns every API. The first one answers for paths that belong to none.
pub const fn documents() -> &'static [Document] {
    &[
        identity::DOCUMENT,
        netevia::DOCUMENT,
        flashback::DOCUMENT,
        veeam::DOCUMENT,
    ]
}
