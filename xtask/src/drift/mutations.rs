//! Tests of the drift checker: one change at a time, which it must find and locate.
//!
//! The documents are the real ones. The changes are listed in `mutations.txt`, which also shows
//! what the contract would lose unnoticed without the checker.

use serde_json::Value;

use super::{differences, lint};
use crate::documents::documents;
use crate::mutation::{self, Mutation};

/// Returns the mutations of one section of the table.
fn table(section: &str) -> Vec<Mutation> {
    mutation::table(include_str!("mutations.txt"), section)
}

fn identity() -> (Value, Value) {
    let document = documents()
        .expect("the documents load")
        .into_iter()
        .find(|one| one.name == "identity");
    let document = document.expect("there is the identity API");
    (document.spec, document.code)
}

#[test]
fn unchanged_documents_do_not_differ() {
    let all = documents().expect("the documents load");
    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        ["identity", "netevia", "flashback", "veeam", "sandbox"]
    );
    for document in &all {
        let found = differences(&document.spec, &document.code);
        assert_eq!(found, Vec::<String>::new(), "{}", document.name);
        let broken = lint::findings(&document.spec);
        assert_eq!(broken, Vec::<String>::new(), "{}", document.name);
    }
}

#[test]
fn every_change_of_the_spec_is_caught() {
    let (spec, code) = identity();
    let mutations = table("spec");
    assert!(mutations.len() >= 18, "{} mutations", mutations.len());
    for mutation in mutations {
        mutation.assert_caught(&differences(&mutation.applied(&spec), &code));
    }
}

#[test]
fn every_change_of_the_code_is_caught() {
    let (spec, code) = identity();
    let mutations = table("code");
    assert!(mutations.len() >= 6, "{} mutations", mutations.len());
    for mutation in mutations {
        mutation.assert_caught(&differences(&spec, &mutation.applied(&code)));
    }
}

#[test]
fn prose_examples_and_order_are_no_drift() {
    let (spec, code) = identity();
    for mutation in table("harmless") {
        let found = differences(&mutation.applied(&spec), &code);
        assert_eq!(found, Vec::<String>::new(), "{}", mutation.name);
    }
}

#[test]
fn every_broken_house_rule_is_caught() {
    let (spec, _) = identity();
    assert_eq!(lint::findings(&spec), Vec::<String>::new());
    for mutation in table("house") {
        mutation.assert_caught(&lint::findings(&mutation.applied(&spec)));
    }
}
