//! Describes what is wrong with an input, field by field, in our own sentences.

use std::borrow::Cow;

use actix_web::web;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::de::SliceRead;
use serde_json::error::Category;
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use super::Input;
use crate::model::refusal::FieldError;
use crate::model::{Refusal, Secret, typed};

mod nul;

const NO_JSON: &str = "The body must be one JSON object.";
const NO_PATH: &str = "The path cannot be read.";
const MISSING: &str = "This field is required.";
const UNKNOWN: &str = "This field is unknown. Leave it out.";
const TWICE: &str = "This field must be given only once.";
const NO_STRING: &str = "This field must be a string.";
const NO_INTEGER: &str = "This field must be an integer.";
const NO_BOOLEAN: &str = "This field must be true or false.";
const NO_LIST: &str = "This field must be a list.";
const NO_OBJECT: &str = "This field must be an object.";
const NO_WORD: &str = "This is not one of the allowed values.";
const OUTSIDE: &str = "This number is outside the allowed range.";
const EMPTY: &str = "This field must not be empty.";
const EMPTY_LIST: &str = "Give at least one value.";
const NUL: &str = "This field must not contain the character U+0000.";
const CONTROL: &str = "This field must not contain control characters, or characters that hide or reverse text. Type it again.";
const BLANK: &str = "This field must contain a visible character.";
const UNREADABLE: &str = "This field cannot be read. Check it against the API description.";

/// The longest name of an unknown field that is repeated to the caller, in characters.
const NAME_MAX: usize = 64;

/// Refuses a body that is not a JSON object.
pub(super) fn no_json() -> Refusal {
    Refusal::field("body", NO_JSON)
}

/// Refuses a path whose parameter has another type.
pub(super) fn no_path() -> Refusal {
    Refusal::field("path", NO_PATH)
}

/// Reads and checks a JSON object.
pub(super) fn decode<T: Input>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut json = object(bytes)?;
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(unread)?;
    json.end().map_err(|_| no_json())?;
    checked(value, camel_case)
}

/// Begins to read a JSON object.
fn object(bytes: &[u8]) -> Result<serde_json::Deserializer<SliceRead<'_>>, Refusal> {
    let bytes = without_mark(bytes);
    // serde would accept a list for a struct, with the members in order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(no_json());
    }
    if let Some(field) = nul::in_json(bytes) {
        return Err(Refusal::field(&shortened(&field), NUL));
    }
    Ok(serde_json::Deserializer::from_slice(bytes))
}

/// Returns the refusal of a body that serde cannot read.
fn unread(error: serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    match error.inner().classify() {
        Category::Data => described(error.path(), &error.inner().to_string()),
        Category::Syntax | Category::Eof | Category::Io => no_json(),
    }
}

/// Returns the body without a byte-order mark at its beginning (RFC 8259 §8.1).
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads and checks a query string.
pub(super) fn decode_query<T: Input>(query: &str) -> Result<T, Refusal> {
    checked(pairs("query", query)?, camel_case)
}

/// Reads and checks a form.
pub(super) fn decode_form<T: Input>(bytes: &[u8]) -> Result<T, Refusal> {
    let fields = url::form_urlencoded::parse(without_mark(bytes))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_lowercase(), value));
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    // The form may contain a password.
    let form = Secret::new(form.extend_pairs(fields).finish());
    checked(pairs("body", form.expose())?, str::to_owned)
}

/// Reads url-encoded text. `whole` names it in errors: a query or a body.
fn pairs<T: Input>(whole: &str, text: &str) -> Result<T, Refusal> {
    if let Some(field) = nul::in_pairs(text) {
        return Err(Refusal::field(&shortened(&field), NUL));
    }
    match web::Query::<Tracked<T>>::from_query(text).map(web::Query::into_inner) {
        Ok(Tracked(read)) => read,
        Err(_) => Err(Refusal::field(whole, UNREADABLE)),
    }
}

/// Keeps the path of an error, which the query reader would drop.
struct Tracked<T>(Result<T, Refusal>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Tracked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = serde_path_to_error::deserialize(deserializer);
        Ok(Self(read.map_err(|error| {
            described(error.path(), &error.inner().to_string())
        })))
    }
}

/// Turns serde's message into a field and a sentence. The message repeats values, so only names of
/// fields are taken from it. serde's messages begin with fixed words (`serde::de::Error`).
fn described(path: &serde_path_to_error::Path, message: &str) -> Refusal {
    let quoted = || message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("missing field") {
        return Refusal::field(&joined(path, quoted()), MISSING);
    }
    if message.starts_with("duplicate field") {
        return Refusal::field(&joined(path, quoted()), TWICE);
    }
    let field = shortened(&path.to_string());
    if message.starts_with("unknown field") {
        return Refusal::field(&field, UNKNOWN);
    }
    if message.starts_with("unknown variant") {
        return Refusal::field(&field, NO_WORD);
    }
    if message.starts_with("invalid value") || message.starts_with("number too") {
        return Refusal::field(&field, OUTSIDE);
    }
    if message.starts_with("invalid digit") || message.starts_with("cannot parse integer") {
        return Refusal::field(&field, NO_INTEGER);
    }
    let expected = message.rsplit(", expected ").next().unwrap_or_default();
    Refusal::field(&field, wrong_type(expected))
}

fn wrong_type(expected: &str) -> &'static str {
    let starts = |words: &[&str]| words.iter().any(|word| expected.starts_with(word));
    if starts(&["a string", "string"]) {
        NO_STRING
    } else if starts(&[
        "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize",
    ]) {
        NO_INTEGER
    } else if starts(&["a boolean"]) {
        NO_BOOLEAN
    } else if starts(&["a sequence"]) {
        NO_LIST
    } else if starts(&["struct", "a map"]) {
        NO_OBJECT
    } else {
        UNREADABLE
    }
}

/// Returns the full name of a field of the object at `path`.
fn joined(path: &serde_path_to_error::Path, name: &str) -> String {
    if path.iter().len() == 0 {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Returns the field as the caller wrote it, cut to the longest possible name.
fn shortened(field: &str) -> String {
    match field {
        "." => "body".to_owned(),
        field => field.chars().take(NAME_MAX).collect(),
    }
}

/// Validates a value. `wire` gives the name that a field has on the wire.
fn checked<T: Input>(value: T, wire: fn(&str) -> String) -> Result<T, Refusal> {
    match value.validate() {
        Ok(()) => Ok(value),
        Err(found) => Err(invalid(&found, wire)),
    }
}

/// Returns the refusal of a value that fails its checks.
fn invalid(found: &ValidationErrors, wire: fn(&str) -> String) -> Refusal {
    let mut errors = Vec::new();
    collect("", found, wire, &mut errors);
    errors.sort_by(|one, other| one.field.cmp(&other.field));
    Refusal::Validation { errors }
}

fn collect(
    prefix: &str,
    found: &ValidationErrors,
    wire: fn(&str) -> String,
    errors: &mut Vec<FieldError>,
) {
    for (name, kind) in found.errors() {
        let field = format!("{prefix}{}", wire(name));
        match kind {
            ValidationErrorsKind::Field(list) => {
                // The first error is enough: for an empty field, the others say nothing new.
                errors.extend(list.first().map(|error| FieldError {
                    field,
                    message: sentence(error),
                }));
            }
            ValidationErrorsKind::Struct(inner) => {
                collect(&format!("{field}."), inner, wire, errors);
            }
            ValidationErrorsKind::List(list) => {
                for (index, inner) in list {
                    collect(&format!("{field}[{index}]."), inner, wire, errors);
                }
            }
        }
    }
}

fn sentence(error: &ValidationError) -> Cow<'static, str> {
    if let Some(message) = &error.message {
        return message.clone();
    }
    match error.code.as_ref() {
        "range" => bounds(error, "This number must be", ""),
        "length" => length(error),
        _unforeseen => Cow::Borrowed(UNREADABLE),
    }
}

fn length(error: &ValidationError) -> Cow<'static, str> {
    match error.params.get("value") {
        Some(Value::String(text)) if text.is_empty() => Cow::Borrowed(EMPTY),
        Some(Value::Array(list)) if list.is_empty() => Cow::Borrowed(EMPTY_LIST),
        Some(Value::Array(_)) => bounds(error, "This list must have", " values"),
        _text => bounds(error, "This field must have", " characters"),
    }
}

/// Says which numbers are allowed, by what the check was declared with.
fn bounds(error: &ValidationError, begin: &str, unit: &str) -> Cow<'static, str> {
    let bound = |name| error.params.get(name).filter(|bound| !bound.is_null());
    match (bound("min"), bound("max")) {
        (Some(min), Some(max)) => format!("{begin} between {min} and {max}{unit}."),
        (Some(min), None) => format!("{begin} at least {min}{unit}."),
        (None, Some(max)) => format!("{begin} at most {max}{unit}."),
        (None, None) => return Cow::Borrowed(UNREADABLE),
    }
    .into()
}

/// Returns the JSON name of a field: every API writes `firstName` for `first_name`. A field that begins with an underscore is
/// the exception: what follows is its name as the API writes it.
fn camel_case(name: &str) -> String {
    if let Some(written) = name.strip_prefix('_') {
        return written.to_owned();
    }
    let mut result = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            result.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            result.push(letter);
        }
    }
    result
}

/// Checks a name that people will see in lists and mails (ASVS 1.3.11 and 16.4.1). Refuses control
/// characters, characters that reorder the text around them or are invisible, and a name without
/// any visible character.
///
/// # Errors
/// Returns the sentence for the flaw.
pub fn name(text: &str) -> Result<(), ValidationError> {
    harmless_name(text)?;
    if !typed::shows(text) && !text.is_empty() {
        return Err(ValidationError::new("blank").with_message(Cow::Borrowed(BLANK)));
    }
    Ok(())
}

/// Checks a name as [`name`] does. Here a name without any visible character counts as left out.
///
/// # Errors
/// Returns the sentence for the flaw.
pub fn harmless_name(text: &str) -> Result<(), ValidationError> {
    if text.chars().any(typed::is_harmful) {
        return Err(ValidationError::new("control").with_message(Cow::Borrowed(CONTROL)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
