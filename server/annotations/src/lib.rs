//! Replaces utoipa's annotations in a build that makes no documents: these macros have the same names and produce nothing.
//!
//! Only `xtask` makes documents from the code. Without the feature `documents`, a crate says
//! `extern crate countersign_annotations as utoipa;`, and its annotations stay as they are.

use proc_macro::TokenStream;

/// Replaces `utoipa::ToSchema`.
#[proc_macro_derive(ToSchema, attributes(schema))]
pub fn to_schema(_type: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// Replaces `utoipa::IntoParams`.
#[proc_macro_derive(IntoParams, attributes(into_params, param))]
pub fn into_params(_type: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// Replaces `utoipa::path`.
#[proc_macro_attribute]
pub fn path(_description: TokenStream, operation: TokenStream) -> TokenStream {
    operation
}
