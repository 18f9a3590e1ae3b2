//! Writes an object: its fields, its constants, and a constructor if a client makes it.

use anyhow::{Context, Result, bail};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Ident, ItemStruct, Meta, Type};

/// An object.
pub struct Struct {
    pub(super) docs: Vec<Attribute>,
    /// Its fields: required ones first, in the document's order.
    pub fields: Vec<Field>,
}

/// A field of an object.
pub struct Field {
    /// Its name in Rust.
    pub name: Ident,
    /// Its name on the wire.
    pub wire: String,
    /// Its documentation.
    pub docs: Vec<Attribute>,
    /// The other attributes that progenitor gives it.
    serde: Vec<Attribute>,
    /// Its type.
    pub kind: Type,
    /// Whether it may be missing.
    pub optional: bool,
}

pub(super) fn docs(attributes: &[Attribute]) -> Vec<Attribute> {
    let docs = attributes.iter().filter(|one| one.path().is_ident("doc"));
    docs.cloned().collect()
}

impl Struct {
    /// Reads the struct that typify made of an object schema. `required` has the names of required
    /// fields, in the document's order.
    ///
    /// # Errors
    ///
    /// Fails if it has an unknown attribute.
    pub fn of(item: ItemStruct, required: &[String]) -> Result<Self> {
        let mut fields: Vec<Field> = item
            .fields
            .into_iter()
            .map(Field::of)
            .collect::<Result<_>>()?;
        fields.sort_by_key(|field| {
            let place = required.iter().position(|name| *name == field.wire);
            (field.optional, place.unwrap_or(usize::MAX))
        });
        Ok(Self {
            docs: docs(&item.attrs),
            fields,
        })
    }

    /// Writes the type. `fixed` are its constants.
    pub fn tokens(&self, name: &Ident, fixed: &[(String, String)]) -> TokenStream {
        let docs = &self.docs;
        let fields = self.fields.iter().map(|field| {
            let Field {
                name,
                docs,
                serde,
                kind,
                ..
            } = field;
            quote! { #(#docs)* #(#serde)* pub #name: #kind }
        });
        // Without constants, serde derives it. serde cannot express constants.
        let (derived, written) = if fixed.is_empty() {
            (quote! { , Serialize }, TokenStream::new())
        } else {
            (TokenStream::new(), self.serialize(name, fixed))
        };
        let default = self.fields.iter().all(|field| field.optional);
        let default = default.then(|| quote! { , Default });
        quote! {
            #(#docs)*
            #[derive(Clone, Debug #default, Deserialize #derived)]
            #[non_exhaustive]
            pub struct #name { #(#fields),* }
            #written
        }
    }

    fn serialize(&self, name: &Ident, fixed: &[(String, String)]) -> TokenStream {
        let constants = fixed.iter().map(|(name, value)| {
            quote! { map.serialize_entry(#name, #value)?; }
        });
        let fields = self.fields.iter().map(|field| {
            let Field {
                name, wire, kind, ..
            } = field;
            let entry = quote! { map.serialize_entry(#wire, &self.#name)?; };
            match (field.optional, is_a(kind, "Option")) {
                (false, _) => entry,
                (true, true) => quote! { if self.#name.is_some() { #entry } },
                (true, false) => quote! { if !self.#name.is_empty() { #entry } },
            }
        });
        quote! {
            impl Serialize for #name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap;
                    let mut map = serializer.serialize_map(None)?;
                    #(#constants)*
                    #(#fields)*
                    map.end()
                }
            }
        }
    }

    /// Writes `new` with the required fields, and a setter for each of the rest.
    pub fn constructor(&self, name: &Ident) -> TokenStream {
        let needed: Vec<_> = self.fields.iter().filter(|field| !field.optional).collect();
        let arguments = needed.iter().map(|field| {
            let (name, taken) = (&field.name, taken(&field.kind));
            quote! { #name: #taken }
        });
        let values = self.fields.iter().map(|field| {
            let name = &field.name;
            if field.optional {
                return quote! { #name: Default::default() };
            }
            let value = converted(&field.kind, name);
            quote! { #name: #value }
        });
        let setters = self
            .fields
            .iter()
            .filter(|field| field.optional)
            .map(Field::setter);
        let prose = if needed.is_empty() {
            "With nothing set; all of it is optional."
        } else {
            "With what is always needed; setters add the rest."
        };
        let prose = if needed.len() == self.fields.len() {
            "With all it has."
        } else {
            prose
        };
        quote! {
            impl #name {
                #[doc = #prose]
                #[must_use]
                pub fn new(#(#arguments),*) -> Self {
                    Self { #(#values),* }
                }
                #(#setters)*
            }
        }
    }
}

impl Field {
    fn of(field: syn::Field) -> Result<Self> {
        let name = field.ident.context("a field without a name")?;
        let mut wire = name.to_string();
        let mut optional = false;
        let mut serde = Vec::new();
        for attribute in &field.attrs {
            if !attribute.path().is_ident("serde") {
                continue;
            }
            let Meta::List(list) = &attribute.meta else {
                bail!("{name} has an attribute that is not known here")
            };
            let said = list.tokens.to_string();
            if said.contains("flatten") {
                bail!("{name} takes what is left, which is not known here");
            }
            optional |= said.contains("default");
            list.parse_nested_meta(|meta| {
                if let Ok(value) = meta.value() {
                    let text: syn::LitStr = value.parse()?;
                    if meta.path.is_ident("rename") {
                        wire = text.value();
                    }
                }
                Ok(())
            })?;
            serde.push(attribute.clone());
        }
        Ok(Self {
            wire,
            optional: optional || is_a(&field.ty, "Option"),
            docs: docs(&field.attrs),
            serde,
            kind: field.ty,
            name,
        })
    }

    fn setter(&self) -> TokenStream {
        let Self {
            name, docs, kind, ..
        } = self;
        let inner = inner(kind, "Option");
        let needed = inner.as_ref().unwrap_or(kind);
        let (taken, value) = (taken(needed), converted(needed, name));
        let value = if inner.is_some() {
            quote! { Some(#value) }
        } else {
            value
        };
        quote! {
            #(#docs)*
            #[must_use]
            pub fn #name(mut self, #name: #taken) -> Self {
                self.#name = #value;
                self
            }
        }
    }
}

/// Returns what a constructor accepts for a type.
fn taken(kind: &Type) -> TokenStream {
    match inner(kind, "Vec") {
        Some(item) => quote! { impl IntoIterator<Item = impl Into<#item>> },
        None if is_plain(kind) => quote! { #kind },
        None => quote! { impl Into<#kind> },
    }
}

/// Converts what a constructor accepted into the type's value.
fn converted(kind: &Type, name: &Ident) -> TokenStream {
    match inner(kind, "Vec") {
        Some(_) => quote! { #name.into_iter().map(Into::into).collect() },
        None if is_plain(kind) => quote! { #name },
        None => quote! { #name.into() },
    }
}

/// Tells whether a type is a number or the like, which nothing else converts to.
fn is_plain(kind: &Type) -> bool {
    let name = kind.to_token_stream().to_string();
    ["bool", "u32", "i32", "u64", "i64", "f64", "Uuid"].contains(&name.as_str())
        || name.starts_with("DateTime")
}

fn is_a(kind: &Type, generic: &str) -> bool {
    inner(kind, generic).is_some()
}

/// Returns `T` of `Option<T>`.
fn inner(kind: &Type, generic: &str) -> Option<Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(inner)) if last.ident == generic => Some(inner.clone()),
        _other => None,
    }
}
