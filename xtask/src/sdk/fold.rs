//! Gives each operation one error type: the union of all its error schemas.
//!
//! progenitor allows one error type per operation, and the document has a schema of its own for each error. So all
//! error answers of an operation are pointed at a component `<OperationId>Error`, a `oneOf` of the distinct schemas, read in
//! order, since each fixes its `code`. `ErrorResponse`, whose `code` is open, stands last and takes what this SDK does
//! not know yet. An `application/problem+json` answer becomes `application/json`: else progenitor makes it an untyped stream.

use anyhow::{Context, Result, bail};
use heck::ToPascalCase;
use serde_json::{Map, Value, json};

use crate::openapi::{
    SCHEMAS, entries, error_schemas, is_error, operations, reachable_schemas, resolve,
};

/// The open error that reads a `code` which no other member knows.
const OPEN_ERROR: &str = "ErrorResponse";

/// Folds the errors of every operation, in place.
///
/// # Errors
///
/// When a component of the union's name exists already, or the document has no [`OPEN_ERROR`].
pub fn fold(document: &mut Value) -> Result<()> {
    let original = document.clone();
    let open = &original["components"]["schemas"][OPEN_ERROR];
    if !open.is_object() {
        bail!("there is no component {OPEN_ERROR}, which reads errors of an unknown code");
    }
    for operation in operations(&original) {
        let id = operation.object["operationId"]
            .as_str()
            .with_context(|| format!("{} has no operationId", operation.name))?;
        let (union, answers) = folded(&original, id, &operation.object["responses"]);
        let name = union_name(id);
        if original["components"]["schemas"].get(&name).is_some() {
            bail!("the component {name} stands where the union of the errors of {id} belongs");
        }
        document["paths"][operation.path][operation.method]["responses"] = Value::Object(answers);
        document["components"]["schemas"][name] = union;
    }
    drop_unions(document);
    // What a newer error has beyond the fields of all is kept for whoever knows it; a plain `true` would drop it.
    document["components"]["schemas"][OPEN_ERROR]["additionalProperties"] = json!({});
    Ok(())
}

/// Takes the unions of single statuses out, which nothing refers to any more.
fn drop_unions(document: &mut Value) {
    let folded = document.clone();
    let answered = reachable_schemas(&folded, &folded["paths"]);
    let of_errors = |schema: &Value| {
        let members = schema["oneOf"].as_array();
        members.is_some_and(|_| schema["discriminator"]["propertyName"] == "code")
    };
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, schema| answered.contains(name) || !of_errors(schema));
    }
}

/// `setupMfa` → `SetupMfaError`.
fn union_name(operation_id: &str) -> String {
    format!("{}Error", operation_id.to_pascal_case())
}

/// The union of an operation's errors, and its answers with every error pointing to that union.
fn folded(document: &Value, id: &str, answers: &Value) -> (Value, Map<String, Value>) {
    let mut members: Vec<Value> = Vec::new();
    let mut result = Map::new();
    let reference = json!({ "$ref": format!("{SCHEMAS}{}", union_name(id)) });
    for (status, answer) in entries(answers) {
        let mut answer = resolve(document, answer).clone();
        if is_error(status) {
            for schema in error_schemas(document, &answer) {
                if !members.contains(&schema) {
                    members.push(schema);
                }
            }
            answer["content"] = json!({ "application/json": { "schema": reference } });
        }
        result.insert(status.clone(), answer);
    }
    let open = json!({ "$ref": format!("{SCHEMAS}{OPEN_ERROR}") });
    members.retain(|member| *member != open);
    members.push(open);
    let union = json!({
        "description": format!("Every error that `{id}` can answer; the last variant reads a code that this SDK does not know."),
        "oneOf": members,
    });
    (union, result)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::fold;

    fn body(schema: &Value) -> Value {
        json!({ "description": "x", "content": { "application/json": { "schema": schema } } })
    }

    fn reference(name: &str) -> Value {
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    #[test]
    fn all_errors_of_an_operation_become_one_union_with_the_open_error_last() {
        let mut document = json!({
            "paths": { "/a": { "post": { "operationId": "doIt", "responses": {
                "200": body(&reference("Done")),
                "400": body(&reference("DoItError400")),
                "429": { "$ref": "#/components/responses/Busy" },
                "503": { "description": "x", "content": { "application/problem+json": { "schema": reference("C") } } },
            } } } },
            "components": {
                "responses": { "Busy": body(&reference("A")) },
                "schemas": { "ErrorResponse": {}, "A": {}, "B": {}, "C": {}, "Done": {}, "DoItError400": {
                    "oneOf": [reference("A"), reference("B")], "discriminator": { "propertyName": "code" } } },
            },
        });
        fold(&mut document).expect("it folds");
        let union = &document["components"]["schemas"]["DoItError"];
        let members = json!([
            reference("A"),
            reference("B"),
            reference("C"),
            reference("ErrorResponse")
        ]);
        assert_eq!(union["oneOf"], members);
        let answers = &document["paths"]["/a"]["post"]["responses"];
        for status in ["400", "429", "503"] {
            assert_eq!(
                answers[status]["content"],
                body(&reference("DoItError"))["content"],
                "{status}"
            );
        }
        assert_eq!(answers["200"], body(&reference("Done")));
        let unions = &document["components"]["schemas"]["DoItError400"];
        assert!(unions.is_null(), "nothing answers it any more");
        assert_eq!(
            document["components"]["schemas"]["ErrorResponse"]["additionalProperties"],
            json!({})
        );
    }

    #[test]
    fn a_single_error_gets_the_open_one_beside_it() {
        let mut document = json!({
            "paths": { "/a": { "get": { "operationId": "look", "responses": { "500": body(&reference("A")) } } } },
            "components": { "schemas": { "ErrorResponse": {}, "A": {} } },
        });
        fold(&mut document).expect("it folds");
        let members = json!([reference("A"), reference("ErrorResponse")]);
        assert_eq!(
            document["components"]["schemas"]["LookError"]["oneOf"],
            members
        );
    }

    #[test]
    fn a_taken_name_is_refused() {
        let mut document = json!({
            "paths": { "/a": { "get": { "operationId": "look", "responses": {} } } },
            "components": { "schemas": { "ErrorResponse": {}, "LookError": {} } },
        });
        assert!(fold(&mut document).is_err());
    }
}
