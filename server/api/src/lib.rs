//! The APIs, each in a folder of its own: how it speaks. A further one is its folder, its file in `openapi/` and one line here.

pub mod flashback;
pub mod identity;
pub mod netevia;
pub mod veeam;

#[cfg(test)]
mod tests;

use countersign_core::{app, flow, outcome};
use countersign_http as http;
use countersign_model as model;
use http::contract::Envelope;
use http::docs::Text;
use http::operations::Listing;

/// The texts of a document: its file's, and the same as JSON, which the build script writes.
macro_rules! text {
    ($stem:literal) => {
        $crate::http::docs::Text {
            yaml: include_str!(concat!("../../../../openapi/", $stem, ".yaml")),
            json: include_str!(concat!(env!("OUT_DIR"), "/", $stem, ".json")),
        }
    };
}

pub(crate) use text;

/// One API: its document as written by hand, and how the code mounts and describes it.
#[derive(Clone, Copy)]
pub struct Document {
    /// The stem of its file: `identity` for `openapi/identity.yaml`.
    pub name: &'static str,
    /// The hand-written document, OpenAPI 3.0.3.
    pub strict: Text,
    /// Its lenient twin, which `cargo xtask openapi` makes.
    pub lenient: Text,
    /// The document that the code yields, OpenAPI 3.1, for `cargo xtask drift`.
    pub code: fn() -> utoipa::openapi::OpenApi,
    /// Mounts its operations.
    pub routes: Listing,
    /// How it words what no handler sees.
    pub envelope: Envelope,
}

/// Every API. The first one answers for paths that belong to none.
pub const fn documents() -> &'static [Document] {
    &[
        identity::DOCUMENT,
        netevia::DOCUMENT,
        flashback::DOCUMENT,
        veeam::DOCUMENT,
    ]
}
