//! Tests that the documents and the code agree on errors, sentence by sentence.

use std::collections::BTreeMap;

use actix_web::body::MessageBody;
use serde_json::Value;

use countersign_api::Document;

use super::all_documents;
use crate::http::problem::Problem;
use crate::http::status::Rejection;

/// Fields of an error that differ for each request.
const OF_ONE_REQUEST: [&str; 2] = ["requestId", "traceId"];

/// Every rejection: one for each row of the table of refusals.
fn rejections() -> impl Iterator<Item = Rejection> {
    let rows = Problem::ALL.iter();
    rows.map(|row| Rejection::from(row.sample()))
}

/// Returns the members of an object that have these names.
fn only(body: &Value, names: &[String]) -> BTreeMap<String, Value> {
    let wanted = names.iter().map(|name| (name.clone(), body[name].clone()));
    wanted.filter(|(_, value)| !value.is_null()).collect()
}

/// Returns the members that every error of a document has, except those that differ for each
/// request.
fn common(contract: &Value) -> Vec<String> {
    let properties = &contract["components"]["schemas"]["ErrorResponse"]["properties"];
    let names = properties.as_object().expect("an ErrorResponse").keys();
    names
        .filter(|name| !OF_ONE_REQUEST.contains(&name.as_str()))
        .cloned()
        .collect()
}

/// Collects all examples of errors in a document: objects with a code and the id of a request.
fn examples<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    let is_error =
        value["code"].is_string() && OF_ONE_REQUEST.iter().any(|name| value[*name].is_string());
    match value {
        Value::Object(_) if is_error => into.push(value),
        Value::Object(members) => {
            // The example of `ErrorResponse` has a newer code, which this server never answers.
            let known = members.iter().filter(|(name, _)| *name != "ErrorResponse");
            known.for_each(|(_, member)| examples(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| examples(item, into)),
        _no_container => {}
    }
}

/// Returns what the server says under each code, in the words of this API.
fn said(document: &Document, names: &[String]) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
    let mut said: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for rejected in rejections() {
        let body = (document.envelope)(rejected).into_body();
        let bytes = body.try_into_bytes().expect("a body that is whole");
        let body: Value = serde_json::from_slice(&bytes).expect("JSON");
        let code = body["code"].as_str().expect("a code").to_owned();
        said.entry(code).or_default().push(only(&body, names));
    }
    said
}

#[test]
fn every_example_of_an_error_is_what_the_server_says() {
    for document in all_documents() {
        let contract: Value = serde_json::from_str(document.strict.json).expect("JSON");
        let names = common(&contract);
        let said = said(document, &names);
        let mut found = Vec::new();
        examples(&contract, &mut found);
        assert!(found.len() > 5, "{}: {}", document.name, found.len());
        for example in found {
            let code = example["code"].as_str().expect("a code");
            let said = said.get(code).map_or(&[][..], Vec::as_slice);
            assert!(
                said.contains(&only(example, &names)),
                "openapi/{}.yaml has {example}, and the server says {said:?}",
                document.name
            );
        }
    }
}
