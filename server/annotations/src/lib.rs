//! Takes the place of utoipa's annotations in a server that makes no documents: they are read, and nothing is made of them.
//!
//! Only `cargo xtask drift` makes documents from the code. In the server, what the annotations expand to would be a
//! quarter of what the compiler has to do for the four APIs. A crate that is built without its feature `documents` says
//! `extern crate countersign_annotations as utoipa;` and changes nothing else.

use proc_macro::TokenStream;

/// In the place of `utoipa::ToSchema`.
#[proc_macro_derive(ToSchema, attributes(schema))]
pub fn to_schema(_type: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// In the place of `utoipa::IntoParams`.
#[proc_macro_derive(IntoParams, attributes(into_params, param))]
pub fn into_params(_type: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// In the place of `utoipa::path`.
#[proc_macro_attribute]
pub fn path(_description: TokenStream, operation: TokenStream) -> TokenStream {
    operation
}
