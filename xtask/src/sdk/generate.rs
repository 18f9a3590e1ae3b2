//! Runs progenitor on a lowered document.

use anyhow::{Context, Result};
use openapiv3::OpenAPI;
use progenitor_impl::{
    GenerationSettings, Generator, HooksMode, InterfaceStyle, TagStyle, TypeImpl,
};
use quote::quote;

use super::{Lowered, finish, secrets};

/// The client and its types, as source text.
///
/// # Errors
///
/// When progenitor does not take the document.
pub fn client(lowered: &Lowered) -> Result<String> {
    let tokens = generator(lowered).generate_tokens(&document(lowered)?)?;
    finish::client(lowered, tokens)
}

/// The httpmock helpers, as source text.
///
/// # Errors
///
/// When progenitor does not take the document.
pub fn mock(lowered: &Lowered) -> Result<String> {
    let path = format!("crate::{}", lowered.name);
    let tokens = generator(lowered).httpmock(&document(lowered)?, &path)?;
    finish::mock(lowered, tokens)
}

fn document(lowered: &Lowered) -> Result<OpenAPI> {
    serde_json::from_value(lowered.document.clone())
        .context("the lowered document is no OpenAPI 3.0")
}

fn generator(lowered: &Lowered) -> Generator {
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_tag(TagStyle::Merged)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote! { crate::front::Front });
    let (component, replacement) = secrets::SECRET;
    settings.with_replacement(component, replacement, std::iter::empty());
    for open in &lowered.open {
        let name = open.rust_name();
        let path = format!("crate::{}::types::{name}", lowered.name);
        settings.with_replacement(
            &name,
            path,
            [TypeImpl::FromStr, TypeImpl::Display].into_iter(),
        );
    }
    Generator::new(&settings)
}
