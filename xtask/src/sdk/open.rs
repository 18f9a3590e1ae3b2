//! Makes the enums in answers open: an old SDK must be able to read a value that a newer server has
//! added.
//!
//! The document keeps the plain `enum`. Here each enum that an answer can contain becomes a named
//! component, and progenitor replaces it by an enum with a last variant `Other(String)` (written by
//! `finish`). A required enum with one value is a constant that tells the members of a `oneOf`
//! apart, and stays closed.

use anyhow::{Result, bail};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};

use heck::ToPascalCase;

use super::lists::{Listed, OPEN};
use crate::openapi::{SCHEMAS, entries, operations, reachable_schemas, resolve};

/// An enum that becomes open.
pub struct OpenEnum {
    /// The component's name.
    pub name: String,
    /// Its description.
    description: String,
    /// The values known today.
    values: Vec<String>,
}

/// Gives every enum in an answer its name from the list.
///
/// # Errors
///
/// Fails if a place of the list is not an enum, two places of one name differ, or an answer
/// contains an enum that is not listed.
pub fn lift(name: &str, document: &mut Value) -> Result<Vec<OpenEnum>> {
    let listed: Vec<_> = OPEN.iter().filter(|(owner, _, _)| *owner == name).collect();
    lift_listed(&listed, document)
}

fn lift_listed(listed: &[&Listed], document: &mut Value) -> Result<Vec<OpenEnum>> {
    let mut found = Vec::new();
    for (_, component, places) in listed {
        for place in *places {
            lift_one(document, component, place)?;
        }
        let schema = &document["components"]["schemas"][component];
        let Some(values) = strings(schema) else {
            bail!("{component} of the list of open enums is no enum")
        };
        let description = schema["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        found.push(OpenEnum {
            name: (*component).to_owned(),
            description,
            values,
        });
    }
    let unlisted = unlisted(document, &found);
    if !unlisted.is_empty() {
        bail!(
            "an answer carries an enum that is not in the list of open enums: {} (add it to xtask/src/sdk/lists.rs)",
            unlisted.join(", ")
        );
    }
    Ok(found)
}

/// Moves the enum at a place into a component, or checks that it equals the one moved before.
fn lift_one(document: &mut Value, component: &str, place: &str) -> Result<()> {
    let Some((schema, property)) = place.split_once('.') else {
        bail!("{place} is no place of an enum")
    };
    let mut found = &mut document["components"]["schemas"][schema]["properties"][property];
    if found["type"] == "array" {
        found = &mut found["items"];
    }
    if strings(found).is_none() {
        bail!("{place} of the list of open enums is no enum in the document");
    }
    let mut lifted = found.take();
    *found = json!({ "$ref": format!("{SCHEMAS}{component}") });
    if let Some(description) = lifted.get("description") {
        *found = json!({ "description": description, "allOf": [found] });
    }
    let known = &mut document["components"]["schemas"][component];
    if known.is_null() {
        lifted["description"] = json!(format!("One of the values of `{property}`."));
        *known = lifted;
    } else if known["enum"] != lifted["enum"] {
        bail!("{place} has other values than the other places of {component}");
    }
    Ok(())
}

fn strings(schema: &Value) -> Option<Vec<String>> {
    let values = schema["enum"].as_array()?;
    values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// Returns enums that an answer can contain, and that are neither constants nor listed.
fn unlisted(document: &Value, listed: &[OpenEnum]) -> Vec<String> {
    let answers: Vec<Value> = operations(document)
        .iter()
        .flat_map(|operation| entries(&operation.object["responses"]))
        .map(|(_, answer)| resolve(document, answer)["content"].clone())
        .collect();
    let mut found = Vec::new();
    for name in reachable_schemas(document, &Value::Array(answers)) {
        if !listed.iter().any(|one| one.name == name) {
            enums(
                &document["components"]["schemas"][&name],
                &name,
                false,
                &mut found,
            );
        }
    }
    found
}

fn enums(schema: &Value, place: &str, required: bool, found: &mut Vec<String>) {
    if let Some(values) = schema["enum"].as_array()
        && !(required && values.len() == 1)
    {
        found.push(place.to_owned());
    }
    for (name, property) in entries(&schema["properties"]) {
        let needed = schema["required"]
            .as_array()
            .is_some_and(|list| list.contains(&json!(name)));
        enums(property, &format!("{place}.{name}"), needed, found);
    }
    if schema["items"].is_object() {
        enums(&schema["items"], place, false, found);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for member in schema[key].as_array().into_iter().flatten() {
            enums(member, place, required, found);
        }
    }
}

impl OpenEnum {
    /// Returns the name in Rust, as typify would write it.
    pub fn rust_name(&self) -> String {
        self.name.to_pascal_case()
    }

    /// Writes the enum and its methods.
    pub fn tokens(&self) -> TokenStream {
        let name = format_ident!("{}", self.rust_name());
        let prose = format!(
            "{} Open: a newer server may answer values that this list does not have.",
            self.description
        );
        let values = &self.values;
        let variants: Vec<_> = values
            .iter()
            .map(|value| format_ident!("{}", value.to_pascal_case()))
            .collect();
        let notes = values.iter().map(|value| format!(" `{value}`"));
        quote! {
            #[doc = #prose]
            #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
            #[non_exhaustive]
            pub enum #name {
                #(#[doc = #notes] #variants,)*
                /// A value that was not known when this SDK was made.
                Other(String),
            }
            impl #name {
                /// The value as it stands on the wire.
                pub fn as_str(&self) -> &str {
                    match self {
                        #(Self::#variants => #values,)*
                        Self::Other(value) => value,
                    }
                }
            }
            impl ::std::convert::From<&str> for #name {
                fn from(value: &str) -> Self {
                    match value {
                        #(#values => Self::#variants,)*
                        other => Self::Other(other.to_string()),
                    }
                }
            }
            impl ::std::convert::From<String> for #name {
                fn from(value: String) -> Self {
                    Self::from(value.as_str())
                }
            }
            impl ::std::str::FromStr for #name {
                type Err = ::std::convert::Infallible;
                fn from_str(value: &str) -> ::std::result::Result<Self, Self::Err> {
                    Ok(Self::from(value))
                }
            }
            impl ::std::fmt::Display for #name {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.write_str(self.as_str())
                }
            }
            impl ::serde::Serialize for #name {
                fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
            impl<'de> ::serde::Deserialize<'de> for #name {
                fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                    <String as ::serde::Deserialize>::deserialize(deserializer).map(Self::from)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::lift_listed;

    fn document() -> Value {
        json!({
            "paths": { "/a": { "get": { "responses": { "200": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/User" } } } } } } } },
            "components": { "schemas": { "User": { "required": ["role", "kind"], "properties": {
                "role": { "type": "string", "enum": ["user", "administrator"], "description": "What they may." },
                "kind": { "type": "string", "enum": ["user"] },
            } } } },
        })
    }

    #[test]
    fn a_listed_enum_becomes_a_component_and_a_constant_stays() {
        let mut document = document();
        let found =
            lift_listed(&[&("x", "Role", &["User.role"])], &mut document).expect("it lifts");
        assert_eq!(found.len(), 1);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Role"]["enum"], json!(["user", "administrator"]));
        let reference = json!({ "$ref": "#/components/schemas/Role" });
        let role = json!({ "description": "What they may.", "allOf": [reference] });
        assert_eq!(schemas["User"]["properties"]["role"], role);
        assert_eq!(
            schemas["User"]["properties"]["kind"]["enum"],
            json!(["user"])
        );
    }

    #[test]
    fn an_unlisted_enum_in_an_answer_is_refused_by_its_place() {
        let error = lift_listed(&[], &mut document())
            .err()
            .expect("it is refused");
        assert!(error.to_string().contains("User.role"), "{error}");
    }

    #[test]
    fn an_optional_constant_is_no_constant() {
        let mut document = document();
        document["components"]["schemas"]["User"]["required"] = json!(["role"]);
        let error = lift_listed(&[&("x", "Role", &["User.role"])], &mut document).err();
        assert!(
            error
                .expect("it is refused")
                .to_string()
                .contains("User.kind")
        );
    }
}
