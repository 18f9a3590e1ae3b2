//! Summarises a hand-written document in one line of figures.

use serde_json::Value;

use super::lint::has_example;
use crate::openapi::{Operation, entries, error_schemas, is_error, operations, resolve};

/// Returns `22 operations, 22 with operationId, …`.
pub fn counts(spec: &Value) -> String {
    let operations = operations(spec);
    let all = operations.len();
    let with =
        |test: &dyn Fn(&Operation) -> bool| operations.iter().filter(|one| test(one)).count();
    let identified = with(&|one| one.object["operationId"].is_string());
    let tagged = with(&|one| {
        one.object["tags"]
            .as_array()
            .is_some_and(|tags| tags.len() == 1)
    });
    let secured = with(&|one| one.object["security"].is_array());
    let exemplified = with(&|one| every_example(spec, one.object));
    let limited = with(&|one| one.object["responses"].get("429").is_some());
    let answers: Vec<(&String, &Value)> = operations
        .iter()
        .flat_map(|one| entries(&one.object["responses"]))
        .collect();
    let failures: Vec<_> = answers
        .iter()
        .filter(|(status, _)| is_error(status))
        .collect();
    let typed = failures
        .iter()
        .filter(|(_, answer)| !error_schemas(spec, resolve(spec, answer)).is_empty())
        .count();
    let schemas = entries(&spec["components"]["schemas"]).count();
    format!(
        "{all} operations: {identified} with operationId, {tagged} with one tag, {secured} with security, \
         {exemplified} with all examples, {limited} declaring 429; {} answers; {typed} of {} error answers typed; \
         {schemas} schemas",
        answers.len(),
        failures.len()
    )
}

fn every_example(spec: &Value, operation: &Value) -> bool {
    let body = resolve(spec, &operation["requestBody"]);
    let answers = entries(&operation["responses"]).map(|(_, answer)| resolve(spec, answer));
    std::iter::once(body)
        .chain(answers)
        .flat_map(|holder| entries(&holder["content"]))
        .all(|(_, media)| has_example(media))
}
