//! The APIs, each in a folder of its own that holds its wire format. To add one, add its folder,
//! its file in `openapi/` and one line here.

pub mod flashback;
pub mod identity;
pub mod netevia;
pub mod veeam;

#[cfg(not(feature = "documents"))]
extern crate countersign_annotations as utoipa;

use actix_web::web::ServiceConfig;
use countersign_core::{app, flow, outcome};
use countersign_http as http;
use countersign_model as model;
use http::contract::Envelope;
use http::docs::Text;

/// The text of a document: its YAML file, and the JSON that the build script writes from it.
macro_rules! text {
    ($stem:literal) => {
        $crate::http::docs::Text {
            yaml: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../openapi/",
                $stem,
                ".yaml"
            )),
            json: include_str!(concat!(env!("OUT_DIR"), "/", $stem, ".json")),
        }
    };
}

pub(crate) use text;

/// The sandbox's document, and its lenient twin. Its crate serves it; only this crate's build script reads documents.
pub const SANDBOX: [Text; 2] = [text!("sandbox"), text!("lenient/sandbox")];

/// One API: its hand-written document, its routes, and the document made from its code.
#[derive(Clone, Copy)]
pub struct Document {
    /// The stem of its file: `identity` for `openapi/identity.yaml`.
    pub name: &'static str,
    /// What Swagger UI's selector calls it.
    pub label: &'static str,
    /// The hand-written document, OpenAPI 3.0.3.
    pub strict: Text,
    /// Its lenient twin, made by `cargo xtask openapi`.
    pub lenient: Text,
    /// Makes the document from the code, OpenAPI 3.1, for `cargo xtask drift`.
    #[cfg(feature = "documents")]
    pub code: fn() -> utoipa::openapi::OpenApi,
    /// Mounts its operations.
    pub routes: fn(&mut ServiceConfig),
    /// Words the errors that no handler produced.
    pub envelope: Envelope,
}

/// Returns every API that each server serves. The first one answers for paths that belong to none.
pub const fn documents() -> &'static [Document] {
    &[
        identity::DOCUMENT,
        netevia::DOCUMENT,
        flashback::DOCUMENT,
        veeam::DOCUMENT,
    ]
}
