//! The drift checker's own test: one change at a time, each of which it must find and place.
//!
//! The documents are the real ones, and the changes stand in `mutations.txt`, so that table also shows what the contract
//! would lose unnoticed without the checker.

use serde_json::Value;

use super::{differences, lint};
use crate::documents::documents;

/// A single change to a document.
struct Mutation {
    /// What is changed, in words.
    name: &'static str,
    /// The change: a verb, a place, and a key or a value.
    edit: &'static str,
    /// What one of the sentences must contain.
    says: &'static str,
}

/// The mutations of one section of the table.
fn table(section: &str) -> Vec<Mutation> {
    let head = format!("[{section}]");
    include_str!("mutations.txt")
        .lines()
        .skip_while(|line| *line != head)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut columns = line.split('|').map(str::trim);
            let mut next = || columns.next().expect("three columns");
            Mutation {
                name: next(),
                edit: next(),
                says: next(),
            }
        })
        .collect()
}

impl Mutation {
    fn applied(&self, document: &Value) -> Value {
        let mut changed = document.clone();
        let mut words = self.edit.splitn(3, ' ');
        let verb = words.next().expect("a verb");
        let mut keys: Vec<&str> = words.next().expect("a place").split('.').collect();
        let argument = words.next().unwrap_or_default();
        let value = || serde_json::from_str::<Value>(argument).expect("JSON");
        let last = keys.pop().expect("a key");
        let mut parent = &mut changed;
        for key in keys {
            parent = parent
                .get_mut(key)
                .unwrap_or_else(|| panic!("{}: no {key}", self.name));
        }
        let missing = || -> &mut Vec<Value> { panic!("{}: no {last}", self.name) };
        match verb {
            "set" => parent[last] = value(),
            "push" => parent[last]
                .as_array_mut()
                .unwrap_or_else(missing)
                .push(value()),
            "pop" => {
                parent[last].as_array_mut().unwrap_or_else(missing).pop();
            }
            "copy" => parent[argument] = parent[last].clone(),
            "move" | "take" => {
                let map = parent.as_object_mut().expect("an object");
                let Some(taken) = map.remove(last) else {
                    panic!("{}: no {last}", self.name)
                };
                if verb == "move" {
                    map.insert(argument.to_owned(), taken);
                }
            }
            other => panic!("{}: what is {other}?", self.name),
        }
        assert!(changed != *document, "{}: this changes nothing", self.name);
        changed
    }

    fn assert_caught(&self, found: &[String]) {
        assert!(
            found.iter().any(|sentence| sentence.contains(self.says)),
            "not caught: {}\nexpected: {}\nfound: {found:#?}",
            self.name,
            self.says
        );
    }
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
    assert_eq!(names, ["identity", "netevia", "flashback", "veeam"]);
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
