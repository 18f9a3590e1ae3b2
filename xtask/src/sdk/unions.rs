//! Writes a union: an enum that is read by its tag, or by its fields if the server is older than
//! the tag.

use heck::ToPascalCase;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Ident};

use super::constants::Union;

/// Writes a union. `needed` says how many fields a member requires. Without a tag, members that
/// require most are tried first, since another member may have their fields as optional ones.
pub fn tokens(
    name: &Ident,
    docs: &[Attribute],
    union: &Union,
    needed: impl Fn(&str) -> usize,
) -> TokenStream {
    let tag = &union.tag;
    let mut variants = Vec::new();
    let mut members = Vec::new();
    for (value, member) in &union.members {
        variants.push(format_ident!("{}", value.to_pascal_case()));
        members.push(format_ident!("{}", member.to_pascal_case()));
    }
    let values: Vec<_> = union.members.iter().map(|(value, _)| value).collect();
    let mut untagged: Vec<(usize, &Ident)> = union
        .members
        .iter()
        .zip(&variants)
        .map(|((_, member), variant)| (needed(member), variant))
        .collect();
    untagged.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let untagged = untagged.iter().map(|(_, variant)| variant);
    let notes = values.iter().map(|value| format!("`{tag}` is `{value}`."));
    let unknown = format!("`{tag}` has a value that is not known");
    quote! {
        #(#docs)*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum #name { #(#[doc = #notes] #variants(#members)),* }
        #(impl From<#members> for #name {
            fn from(value: #members) -> Self {
                Self::#variants(value)
            }
        })*
        impl Serialize for #name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { #(Self::#variants(value) => value.serialize(serializer)),* }
            }
        }
        impl<'de> Deserialize<'de> for #name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                let read = match value[#tag].as_str() {
                    #(Some(#values) => serde_json::from_value(value).map(Self::#variants),)*
                    Some(_) => return Err(serde::de::Error::custom(#unknown)),
                    None => {
                        #(if let Ok(read) = serde_json::from_value(value.clone()) {
                            return Ok(Self::#untagged(read));
                        })*
                        return Err(serde::de::Error::custom(#unknown));
                    }
                };
                read.map_err(serde::de::Error::custom)
            }
        }
    }
}
