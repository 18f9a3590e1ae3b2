//! Turns progenitor's types into those of the SDK: only what is needed, open to additions, and
//! requests with constructors.
//!
//! Constant fields are not part of a type (`constants`). They are still serialised, so that a
//! mock's answer is complete. A union is read by its tag. Everything is `#[non_exhaustive]`, since
//! a newer document may add to it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use heck::ToPascalCase;
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use syn::visit_mut::{VisitMut, visit_path_mut};
use syn::{Attribute, Fields, Item, Path, parse_quote};

use super::constants::Union;
use super::objects::{Struct, docs};
use super::{Lowered, generate, unions};
use crate::openapi::{entries, reachable_schemas};

/// The types of a document, by their names in Rust.
pub struct Types {
    structs: BTreeMap<String, Struct>,
    /// What progenitor made of other schemas.
    others: BTreeMap<String, Item>,
}

impl Types {
    /// Runs progenitor on a document and reads its types.
    ///
    /// # Errors
    ///
    /// Fails if progenitor does not accept the document, or writes something unknown.
    pub fn of(lowered: &Lowered) -> Result<Self> {
        let required: BTreeMap<String, Vec<String>> =
            entries(&lowered.document["components"]["schemas"])
                .map(|(name, schema)| (name.to_pascal_case(), strings(&schema["required"])))
                .collect();
        let emptied: BTreeSet<String> = lowered
            .constants
            .fields
            .keys()
            .map(|name| name.to_pascal_case())
            .collect();
        let mut types = Self {
            structs: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        for mut item in generate::types(lowered)? {
            ShortPaths(&lowered.name).visit_item_mut(&mut item);
            match item {
                Item::Struct(item) if matches!(item.fields, Fields::Named(_)) => {
                    let name = item.ident.to_string();
                    let order = required.get(&name).map_or(&[][..], Vec::as_slice);
                    let read = Struct::of(item, order).with_context(|| name.clone())?;
                    types.structs.insert(name, read);
                }
                // An object with only constants has no fields left.
                Item::Struct(item) if emptied.contains(&item.ident.to_string()) => {
                    let left = Struct {
                        docs: docs(&item.attrs),
                        fields: Vec::new(),
                    };
                    types.structs.insert(item.ident.to_string(), left);
                }
                Item::Struct(ref other) => {
                    types.others.insert(other.ident.to_string(), item);
                }
                Item::Enum(ref other) => {
                    types.others.insert(other.ident.to_string(), item);
                }
                _impls => {}
            }
        }
        Ok(types)
    }

    /// Returns an object by the name of its schema.
    pub fn object(&self, schema: &str) -> Result<&Struct> {
        let found = self.structs.get(&schema.to_pascal_case());
        found.with_context(|| format!("{schema} is no object"))
    }

    /// Writes all types that operations send, answer, or have in their errors.
    ///
    /// # Errors
    ///
    /// Fails if there is one that this step has no code for.
    pub fn tokens(&self, lowered: &Lowered) -> Result<TokenStream> {
        let constants = &lowered.constants;
        let unions: BTreeMap<String, &Union> = constants
            .unions
            .iter()
            .map(|(name, union)| (name.to_pascal_case(), union))
            .collect();
        let fixed: BTreeMap<String, &[(String, String)]> = constants
            .fields
            .iter()
            .map(|(name, fields)| (name.to_pascal_case(), fields.as_slice()))
            .collect();
        let sent = sent(lowered);
        let mut written = TokenStream::new();
        for name in self.needed(lowered, &unions)? {
            let ident = format_ident!("{name}");
            if let Some(union) = unions.get(&name) {
                let docs = docs_of(self.others.get(&name));
                let needed = |member: &str| {
                    let member = self.structs.get(&member.to_pascal_case());
                    let fields = member.map_or(&[][..], |member| &member.fields);
                    fields.iter().filter(|field| !field.optional).count()
                };
                written.extend(unions::tokens(&ident, &docs, union, needed));
            } else if let Some(found) = self.structs.get(&name) {
                let fixed = fixed.get(&name).copied().unwrap_or_default();
                written.extend(found.tokens(&ident, fixed));
                if sent.contains(&name) {
                    written.extend(found.constructor(&ident));
                }
            } else if let Some(other) = self.others.get(&name) {
                written.extend(as_it_is(other));
            }
        }
        for open in &lowered.open {
            written.extend(open.tokens());
        }
        Ok(written)
    }

    /// Returns the names of the types that are reached.
    fn needed(&self, lowered: &Lowered, unions: &BTreeMap<String, &Union>) -> Result<Vec<String>> {
        let mut open: Vec<String> = Vec::new();
        for operation in &lowered.operations {
            open.extend(operation.answer.iter().map(|name| name.to_pascal_case()));
            open.extend(
                operation
                    .body
                    .iter()
                    .map(|body| body.schema.to_pascal_case()),
            );
            for refusal in &operation.errors {
                for field in &self.object(&refusal.schema)?.fields {
                    names_in(field.kind.to_token_stream(), &mut open);
                }
            }
        }
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            let is_ours = unions.contains_key(&name)
                || self.structs.contains_key(&name)
                || self.others.contains_key(&name);
            if !is_ours || !found.insert(name.clone()) {
                continue;
            }
            if let Some(union) = unions.get(&name) {
                open.extend(
                    union
                        .members
                        .iter()
                        .map(|(_, member)| member.to_pascal_case()),
                );
            } else if let Some(read) = self.structs.get(&name) {
                for field in &read.fields {
                    names_in(field.kind.to_token_stream(), &mut open);
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns the types that a client makes.
fn sent(lowered: &Lowered) -> BTreeSet<String> {
    let bodies = lowered
        .operations
        .iter()
        .filter_map(|operation| operation.body.as_ref());
    let references: Vec<Value> = bodies
        .map(|body| serde_json::json!({ "$ref": format!("{}{}", crate::openapi::SCHEMAS, body.schema) }))
        .collect();
    reachable_schemas(&lowered.document, &Value::Array(references))
        .iter()
        .map(|name| name.to_pascal_case())
        .collect()
}

fn names_in(tokens: TokenStream, into: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => into.push(name.to_string()),
            TokenTree::Group(group) => names_in(group.stream(), into),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Writes what is neither object nor union: an alias, or an enum that only requests have.
fn as_it_is(item: &Item) -> TokenStream {
    let mut item = item.clone();
    let attributes = match &mut item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        _other => return TokenStream::new(),
    };
    attributes.retain(|one| !one.path().is_ident("derive"));
    quote! {
        #[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
        #[non_exhaustive]
        #item
    }
}

fn docs_of(item: Option<&Item>) -> Vec<Attribute> {
    match item {
        Some(Item::Enum(item)) => docs(&item.attrs),
        _other => Vec::new(),
    }
}

/// Writes `String` for `::std::string::String`.
struct ShortPaths<'a>(&'a str);

impl VisitMut for ShortPaths<'_> {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_path_mut(self, path);
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|one| one.ident.to_string())
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = matches!(
            names.as_slice(),
            ["std", "string", "String"]
                | ["std", "option", "Option"]
                | ["std", "vec", "Vec"]
                | ["std", "collections", "HashMap"]
                | ["uuid", "Uuid"]
                | ["chrono", "DateTime"]
                | ["chrono", "offset", "Utc"]
                | ["serde_json", "Map" | "Value"]
        ) || matches!(names.as_slice(), ["crate", document, "types", _] if *document == self.0);
        if known && let Some(last) = path.segments.last().cloned() {
            *path = parse_quote! { #last };
        }
    }
}
