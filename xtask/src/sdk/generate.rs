//! Runs progenitor on a lowered document. Of its output, the SDK uses the types.

use anyhow::{Context, Result};
use openapiv3::OpenAPI;
use progenitor_impl::{GenerationSettings, Generator, InterfaceStyle, TagStyle, TypeImpl};
use syn::{File, Item};

use super::{Lowered, secrets};

/// Returns the items of the module `types`.
///
/// # Errors
///
/// Fails if progenitor does not accept the document.
pub fn types(lowered: &Lowered) -> Result<Vec<Item>> {
    let document: OpenAPI = serde_json::from_value(lowered.document.clone())
        .context("the lowered document is no OpenAPI 3.0")?;
    let tokens = generator(lowered).generate_tokens(&document)?;
    let file: File = syn::parse2(tokens).context("progenitor's client is no Rust")?;
    for item in file.items {
        if let Item::Mod(module) = item
            && module.ident == "types"
            && let Some((_, items)) = module.content
        {
            return Ok(items);
        }
    }
    anyhow::bail!("progenitor has written no types")
}

fn generator(lowered: &Lowered) -> Generator {
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_tag(TagStyle::Merged);
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
