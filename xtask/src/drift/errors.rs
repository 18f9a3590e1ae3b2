//! House rules for error answers: typed, named, identified by `code`, with the headers that a
//! client acts on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::openapi::{
    Operation, SCHEMAS, entries, error_schemas, flat, is_error, operations, resolve,
};

/// The document's common error, as which a client reads an unknown code.
const COMMON: &str = "ErrorResponse";

/// Checks that all errors of the document have one media type and all fields of the common error.
pub fn envelope(spec: &Value, found: &mut Vec<String>) {
    let common = &spec["components"]["schemas"][COMMON];
    if !common.is_object() {
        found.push(format!("there is no schema {COMMON}"));
        return;
    }
    let mut media: BTreeMap<&String, String> = BTreeMap::new();
    let mut named = BTreeSet::new();
    for operation in operations(spec) {
        let answers =
            entries(&operation.object["responses"]).filter(|(status, _)| is_error(status));
        for (_, answer) in answers {
            let answer = resolve(spec, answer);
            for (one, _) in entries(&answer["content"]) {
                media.entry(one).or_insert_with(|| operation.name.clone());
            }
            let schemas = error_schemas(spec, answer);
            named.extend(
                schemas
                    .iter()
                    .filter_map(|schema| schema["$ref"].as_str())
                    .map(str::to_owned),
            );
        }
    }
    if media.len() > 1 {
        let places = media
            .iter()
            .map(|(one, operation)| format!("{one} ({operation})"));
        let places: Vec<String> = places.collect();
        found.push(format!(
            "errors have several media types: {}",
            places.join(", ")
        ));
    }
    for target in named {
        let Some(name) = target.strip_prefix(SCHEMAS) else {
            continue;
        };
        let (properties, required) = flat(spec, &spec["components"]["schemas"][name]);
        for (field, _) in entries(&common["properties"]) {
            if !properties.iter().any(|(has, _)| has == field) {
                found.push(format!(
                    "schema {name} lacks {field}, which every error has"
                ));
            }
        }
        for field in common["required"].as_array().into_iter().flatten() {
            if !required.contains(field) {
                let field = field.as_str().unwrap_or_default();
                found.push(format!(
                    "schema {name} does not require {field}, as every error does"
                ));
            }
        }
    }
}

/// Checks all error answers of one operation.
pub fn findings(spec: &Value, operation: &Operation, found: &mut Vec<String>) {
    for (status, answer) in entries(&operation.object["responses"]) {
        if !is_error(status) {
            continue;
        }
        let place = format!("{}, answer {status}", operation.name);
        let answer = resolve(spec, answer);
        headers(&place, status, answer, found);
        let schemas = error_schemas(spec, answer);
        if schemas.is_empty() {
            found.push(format!(
                "{place} is not typed (no JSON content with a schema)"
            ));
        }
        for schema in schemas {
            named(spec, &place, &schema, found);
        }
    }
}

fn headers(place: &str, status: &str, answer: &Value, found: &mut Vec<String>) {
    let needed = match status {
        "401" => "WWW-Authenticate",
        "429" | "503" => "Retry-After",
        _other => return,
    };
    if !entries(&answer["headers"]).any(|(name, _)| name.eq_ignore_ascii_case(needed)) {
        found.push(format!("{place} does not declare {needed}"));
    }
}

/// Checks that the body is a named component with a required `code`, whose only value follows from
/// its name.
fn named(spec: &Value, place: &str, schema: &Value, found: &mut Vec<String>) {
    let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix(SCHEMAS))
    else {
        found.push(format!("{place} has a body that is no named schema"));
        return;
    };
    let (properties, required) = flat(spec, &spec["components"]["schemas"][name]);
    let expected = code_of(name);
    if !required.contains(&json!("code")) {
        found.push(format!("{place}: {name} does not require code"));
    }
    let values = properties
        .iter()
        .rev()
        .find(|(key, property)| key == "code" && property.get("enum").is_some());
    if values.is_none_or(|(_, property)| property["enum"] != json!([expected])) {
        found.push(format!("{place}: {name} does not fix code to {expected}"));
    }
}

/// Converts `MFATokenExpiredErrorResponse` to `MFA_TOKEN_EXPIRED`. A run of capitals is one word.
pub fn code_of(schema: &str) -> String {
    let stem = schema.strip_suffix("ErrorResponse").unwrap_or(schema);
    let letters: Vec<char> = stem.chars().collect();
    let mut code = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let after_small = index > 0 && !letters[index - 1].is_uppercase();
        let before_small = index > 0
            && letters
                .get(index + 1)
                .is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_small || before_small) {
            code.push('_');
        }
        code.extend(letter.to_uppercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::code_of;

    #[test]
    fn codes_follow_the_schema_name_with_acronyms_as_words() {
        for (schema, code) in [
            ("ValidationErrorResponse", "VALIDATION"),
            ("MFAAlreadyEnabledErrorResponse", "MFA_ALREADY_ENABLED"),
            ("InvalidMFACodeErrorResponse", "INVALID_MFA_CODE"),
            ("APIKeyInvalidErrorResponse", "API_KEY_INVALID"),
            ("TooManyMFAEmailsErrorResponse", "TOO_MANY_MFA_EMAILS"),
            ("ResendOnlyForEmailErrorResponse", "RESEND_ONLY_FOR_EMAIL"),
        ] {
            assert_eq!(code_of(schema), code);
        }
    }
}
