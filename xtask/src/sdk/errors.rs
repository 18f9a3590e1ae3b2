//! Writes the error of each operation: a variant for each code, with the fields that the document
//! gives it.
//!
//! The code is `#[inline]`, as are calls: it is compiled where an operation is used, not with the
//! SDK for all of them.

use anyhow::Result;
use heck::ToPascalCase;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::Lowered;
use super::lists::UNSAID;
use super::objects::Field;
use super::operations::{Operation, Refusal};
use super::types::Types;

/// Writes all errors of a document.
///
/// # Errors
///
/// Fails if the schema of an error is not an object.
pub fn tokens(lowered: &Lowered, types: &Types) -> Result<TokenStream> {
    let mut written = TokenStream::new();
    for operation in &lowered.operations {
        written.extend(one(operation, types)?);
    }
    Ok(written)
}

fn one(operation: &Operation, types: &Types) -> Result<TokenStream> {
    let name = format_ident!("{}", operation.error_name());
    let prose = format!("Why `{}` did not do it.", operation.rust_name());
    let mut variants = Vec::new();
    let mut arms = Vec::new();
    let mut names = Vec::new();
    for refusal in &operation.errors {
        let fields = fields(types, refusal)?;
        let variant = format_ident!("{}", refusal.code.to_pascal_case());
        variants.push(variant_tokens(refusal, &fields));
        let code = &refusal.code;
        let reads = fields.iter().map(
            |Field {
                 name,
                 wire,
                 optional,
                 ..
             }| {
                if *optional {
                    quote! { #name: failure.field(#wire) }
                } else {
                    quote! { #name: failure.field(#wire)? }
                }
            },
        );
        arms.push(quote! {
            #code => Self::#variant { #(#reads,)* failure: failure.clone() }
        });
        names.push(variant);
    }
    Ok(quote! {
        #[doc = #prose]
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum #name {
            #(#variants,)*
            /// Everything else: a code that is newer than this SDK, an answer that cannot be read, no answer, or a request
            /// that was not sent.
            Other(Failure),
        }
        impl Refusal for #name {
            #[inline]
            fn typed(failure: &Failure) -> Option<Self> {
                Some(match failure.code()? {
                    #(#arms,)*
                    _other => return None,
                })
            }
            #[inline]
            fn other(failure: Failure) -> Self {
                Self::Other(failure)
            }
        }
        crate::failure::problem! { #name: #(#names)* }
    })
}

fn variant_tokens(refusal: &Refusal, fields: &[&Field]) -> TokenStream {
    let variant = format_ident!("{}", refusal.code.to_pascal_case());
    let prose = format!(
        "{} `{}`: {}",
        refusal.status, refusal.code, refusal.description
    );
    let fields = fields.iter().map(
        |Field {
             name, docs, kind, ..
         }| {
            quote! { #(#docs)* #name: #kind }
        },
    );
    quote! {
        #[doc = #prose]
        #[non_exhaustive]
        #variant {
            #(#fields,)*
            /// What all errors have.
            failure: Failure,
        }
    }
}

/// Returns the fields of a variant, without those that the code implies.
fn fields<'a>(types: &'a Types, refusal: &Refusal) -> Result<Vec<&'a Field>> {
    let object = types.object(&refusal.schema)?;
    let said = object.fields.iter();
    Ok(said
        .filter(|field| !UNSAID.contains(&field.wire.as_str()))
        .collect())
}
