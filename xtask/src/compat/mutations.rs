//! Tests of the checker: changes to a released document, one at a time, that it must find, mention,
//! or accept.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::release::Version;
use super::{Report, compare, document, findings};
use crate::documents::parse;
use crate::mutation::{self, Mutation};
use crate::openapi::{METHODS, Operation, SCHEMAS, operations, reachable_schemas};

/// The documents of 0.1.0, which never change.
const RELEASED: [(&str, &str); 4] = [
    (
        "identity",
        include_str!("../../../openapi/released/0.1.0/identity.yaml"),
    ),
    (
        "netevia",
        include_str!("../../../openapi/released/0.1.0/netevia.yaml"),
    ),
    (
        "flashback",
        include_str!("../../../openapi/released/0.1.0/flashback.yaml"),
    ),
    (
        "veeam",
        include_str!("../../../openapi/released/0.1.0/veeam.yaml"),
    ),
];

fn released() -> Vec<Value> {
    let read = |(name, text): &(&str, &str)| parse(name, text).expect("it is YAML");
    RELEASED.iter().map(read).collect()
}

fn identity() -> Value {
    released().swap_remove(0)
}

fn table(section: &str) -> Vec<Mutation> {
    let mutations = mutation::table(include_str!("mutations.txt"), section);
    assert!(!mutations.is_empty(), "{section} is empty");
    mutations
}

fn report(old: &Value, new: &Value) -> Report {
    compare(old, new, Version::parse("0.1.0").expect("it is a version"))
}

fn assert_nothing(old: &Value, new: &Value, name: &str) {
    let found = report(old, new);
    assert_eq!(found.breaks, Vec::<String>::new(), "{name}");
    assert_eq!(found.told, Vec::<String>::new(), "{name}");
}

#[test]
fn a_document_breaks_nothing_of_itself() {
    for document in released() {
        assert_nothing(&document, &document, "unchanged");
    }
}

#[test]
fn what_a_client_sends_stays_taken() {
    let old = identity();
    for mutation in table("sends") {
        mutation.assert_caught(&report(&old, &mutation.applied(&old)).breaks);
    }
}

#[test]
fn what_a_client_reads_stays_answered() {
    let old = identity();
    for mutation in table("reads") {
        mutation.assert_caught(&report(&old, &mutation.applied(&old)).breaks);
    }
}

#[test]
fn an_error_that_goes_is_told_and_breaks_nothing() {
    let old = identity();
    for mutation in table("told") {
        let found = report(&old, &mutation.applied(&old));
        mutation.assert_caught(&found.told);
        assert_eq!(found.breaks, Vec::<String>::new(), "{}", mutation.name);
    }
}

#[test]
fn what_hurts_no_client_is_not_reported() {
    let old = identity();
    for mutation in table("allowed") {
        let found = report(&old, &mutation.applied(&old));
        assert_eq!(found.breaks, Vec::<String>::new(), "{}", mutation.name);
    }
}

#[test]
fn each_operation_that_goes_is_found() {
    for old in released() {
        for operation in operations(&old) {
            let mut new = old.clone();
            let item = new["paths"][operation.path]
                .as_object_mut()
                .expect("a path");
            item.remove(operation.method);
            let gone = format!(
                "{}: the operation is gone, which clients of 0.1.0 call",
                operation.name
            );
            assert_eq!(report(&old, &new).breaks, [gone]);
        }
    }
}

/// Returns the document with only this operation.
fn only(document: &Value, operation: &Operation) -> Value {
    let mut small = json!({ "components": document["components"] });
    small["paths"][operation.path][operation.method] = operation.object.clone();
    small
}

#[test]
fn each_field_that_goes_is_found() {
    for document in released() {
        let mut seen = BTreeSet::new();
        for operation in operations(&document) {
            let old = only(&document, &operation);
            let mut new = old.clone();
            for name in reachable_schemas(&old, &old["paths"]) {
                let fields = old["components"]["schemas"][&name]["properties"].as_object();
                for (field, schema) in fields.into_iter().flatten() {
                    if !seen.insert(format!("{name}.{field}")) {
                        continue;
                    }
                    let fields = &mut new["components"]["schemas"][&name]["properties"];
                    fields.as_object_mut().expect("an object").remove(field);
                    let found = report(&old, &new).breaks;
                    assert!(!found.is_empty(), "{name}.{field} goes unnoticed");
                    new["components"]["schemas"][&name]["properties"][field] = schema.clone();
                }
            }
        }
    }
}

/// Renames every schema, and turns every inline union of an answer into a named schema.
fn renamed(document: &Value) -> Value {
    let text = document
        .to_string()
        .replace(SCHEMAS, &format!("{SCHEMAS}New"));
    let mut new: Value = serde_json::from_str(&text).expect("it is JSON");
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    let mut named = serde_json::Map::new();
    for name in schemas.keys() {
        named.insert(
            format!("New{name}"),
            new["components"]["schemas"][name].take(),
        );
    }
    for item in new["paths"].as_object_mut().expect("paths").values_mut() {
        for method in METHODS {
            let Some(answers) = item
                .get_mut(method)
                .and_then(|operation| operation["responses"].as_object_mut())
            else {
                continue;
            };
            for media in answers
                .values_mut()
                .filter_map(|answer| answer.get_mut("content"))
            {
                for content in media
                    .as_object_mut()
                    .into_iter()
                    .flat_map(|media| media.values_mut())
                {
                    let name = format!("Union{}", named.len());
                    let union = std::mem::replace(
                        &mut content["schema"],
                        json!({ "$ref": format!("{SCHEMAS}{name}") }),
                    );
                    named.insert(name, union);
                }
            }
        }
    }
    new["components"]["schemas"] = Value::Object(named);
    new
}

#[test]
fn names_of_schemas_do_not_matter() {
    for old in released() {
        let new = renamed(&old);
        assert_nothing(&old, &new, "renamed");
        assert_nothing(&new, &old, "and back");
    }
}

#[test]
fn names_of_path_parameters_do_not_matter() {
    let old = identity();
    let text = old.to_string().replace("/{factorId}", "/{id}");
    let mut new: Value = serde_json::from_str(&text).expect("it is JSON");
    new["components"]["parameters"]["FactorId"]["name"] = json!("id");
    assert_nothing(&old, &new, "renamed");
}

#[test]
fn a_break_is_announced_by_the_version_or_by_the_changelog() {
    let old = identity();
    let mut new = old.clone();
    new["paths"] = json!({ "/healthz": old["paths"]["/healthz"] });
    let release = Version::parse("0.1.0").expect("it is a version");
    let compared = |version: &str| {
        let mut new = new.clone();
        new["info"]["version"] = json!(version);
        document("identity", &old, Some(&new), release).expect("the versions are in order")
    };
    let same = [compared("0.1.1")];
    let gone = same[0].0.breaks.clone();
    assert!(
        gone.len() > 30 && gone[0].starts_with("identity: "),
        "{gone:#?}"
    );
    assert_eq!(findings(&same, &[]), gone);
    assert_eq!(findings(&same, &gone[1..]), gone[..1]);
    assert_eq!(findings(&same, &gone), Vec::<String>::new());
    assert_eq!(findings(&[compared("0.2.0")], &[]), Vec::<String>::new());
    let stale = findings(&[compared("0.2.0")], &["identity: GET /x".to_owned()]);
    assert_eq!(
        stale,
        ["CHANGELOG.md names what is no break: identity: GET /x"]
    );
}

#[test]
fn a_document_that_goes_is_a_break_and_a_version_never_goes_back() {
    let old = identity();
    let release = Version::parse("0.1.0").expect("it is a version");
    let (report, announced) = document("identity", &old, None, release).expect("it is compared");
    assert!(report.breaks[0].contains("the document is gone") && !announced);
    let mut new = old.clone();
    for version in ["0.0.9", "next"] {
        new["info"]["version"] = json!(version);
        assert!(
            document("identity", &old, Some(&new), release).is_err(),
            "{version}"
        );
        assert!(
            document("identity", &new, Some(&old), release).is_err(),
            "{version}"
        );
    }
}
