//! What the SDK's shared front needs to know about each operation, read from the document.

use anyhow::{Context, Result, bail};
use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;

use super::lists::ONE_TIME;
use crate::openapi::{self, entries, flat, resolve};

/// One operation as the front sees it.
pub struct Operation {
    /// The operation's name in Rust, as the hooks get it: `verify_mfa_login`.
    id: String,
    /// What opens it, in the document's order: variants of the front's `Credential`.
    opened_by: Vec<&'static str>,
    /// Whether its request carries something that works once.
    one_time: bool,
}

/// All operations of a document, by name.
///
/// # Errors
///
/// When an operation has no operationId.
pub fn collect(owner: &str, document: &Value) -> Result<Vec<Operation>> {
    let mut found = Vec::new();
    for openapi::Operation { name, object, .. } in openapi::operations(document) {
        let id = object["operationId"]
            .as_str()
            .with_context(|| format!("{name} has no operationId"))?;
        found.push(Operation {
            id: id.to_snake_case(),
            opened_by: opened_by(document, object)
                .with_context(|| format!("the security of {name}"))?,
            one_time: one_time(owner, document, object),
        });
    }
    found.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(found)
}

/// `Bearer`, `ApiKey` or `Nothing` for each way in that the operation names.
fn opened_by(document: &Value, operation: &Value) -> Result<Vec<&'static str>> {
    let requirements = operation["security"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if requirements.is_empty() {
        return Ok(vec!["Nothing"]);
    }
    let mut found = Vec::new();
    for requirement in requirements {
        let schemes: Vec<&Value> = entries(requirement)
            .map(|(scheme, _)| &document["components"]["securitySchemes"][scheme])
            .collect();
        found.push(match schemes.as_slice() {
            [] => "Nothing",
            [scheme] if scheme["type"] == "http" && scheme["scheme"] == "bearer" => "Bearer",
            [scheme] if scheme["type"] == "apiKey" => "ApiKey",
            _others => bail!("the SDK has no front for {requirement}"),
        });
    }
    Ok(found)
}

fn one_time(owner: &str, document: &Value, operation: &Value) -> bool {
    entries(&resolve(document, &operation["requestBody"])["content"])
        .flat_map(|(_, media)| flat(document, &media["schema"]).0)
        .any(|(name, _)| {
            let works_once = |(document, field): &&(&str, &str)| {
                (document.is_empty() || *document == owner) && *field == name
            };
            ONE_TIME.iter().find(works_once).is_some()
        })
}

/// The table that the generated client carries for the front.
pub fn table(operations: &[Operation]) -> TokenStream {
    let rows = operations.iter().map(|Operation { id, opened_by, one_time }| {
        let opened_by = opened_by.iter().map(|name| {
            let name = format_ident!("{name}");
            quote! { crate::front::Credential::#name }
        });
        quote! {
            crate::front::Operation { id: #id, opened_by: &[#(#opened_by),*], one_time: #one_time }
        }
    });
    quote! {
        /// What the shared front needs to know about each operation of this document.
        pub(crate) const OPERATIONS: &[crate::front::Operation] = &[#(#rows),*];
    }
}
