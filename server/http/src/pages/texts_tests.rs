//! Every text that a page, a script or the API needs is there, in every language.

use std::collections::BTreeSet;

use yaml_serde::Value;

use super::{Texts, all};

/// What has texts: the templates, the scripts.
const TEMPLATES: [&str; 11] = [
    include_str!("base.html"),
    include_str!("fields.html"),
    include_str!("second.html"),
    include_str!("magic_link.html"),
    include_str!("verify_email.html"),
    include_str!("reset_password.html"),
    include_str!("undo_email.html"),
    include_str!("sign_in.html"),
    include_str!("register.html"),
    include_str!("forgot_password.html"),
    include_str!("account.html"),
];
const SCRIPTS: [&str; 9] = [
    include_str!("ui.js"),
    include_str!("second.js"),
    include_str!("task.js"),
    include_str!("methods.js"),
    include_str!("details.js"),
    include_str!("account.js"),
    include_str!("sign-in.js"),
    include_str!("link.js"),
    include_str!("passkeys.js"),
];

/// The operations that the pages call. Their errors need sentences.
const CALLED: &str = include_str!("../../../../openapi/identity.yaml");

/// The words of what can happen to an account.
const EVENTS: &str = include_str!("../../../model/src/audit.rs");

fn texts() -> Vec<Texts> {
    all().expect("texts")
}

/// Returns what stands between `before` and the next quotation mark, each time.
fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let after = text.split(before).skip(1);
    after.filter_map(|rest| rest.split_once('"').map(|(key, _)| key))
}

fn fields(text: &str) -> BTreeSet<&str> {
    let after = text.split('{').skip(1);
    after
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect()
}

#[test]
fn every_language_has_the_same_texts_with_the_same_fields() {
    let all = texts();
    let first = all.first().expect("a language");
    for other in &all {
        let keys = |texts: &Texts| texts.texts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(first), keys(other), "{}", other.language);
        for (key, text) in &first.texts {
            let said = other.get(key);
            assert!(!said.trim().is_empty(), "{}: {key}", other.language);
            assert_eq!(fields(text), fields(said), "{}: {key}", other.language);
        }
    }
}

#[test]
fn what_templates_and_scripts_say_is_there() {
    for texts in texts() {
        let said = TEMPLATES.iter().flat_map(|one| quoted(one, "say(\""));
        let spoken = SCRIPTS.iter().flat_map(|one| quoted(one, " t(\""));
        let inner = SCRIPTS.iter().flat_map(|one| quoted(one, "(t(\""));
        for key in said.chain(spoken).chain(inner) {
            assert!(texts.texts.contains_key(key), "{}: {key}", texts.language);
        }
    }
}

#[test]
fn every_error_of_the_api_has_a_sentence() {
    let document: Value = yaml_serde::from_str(CALLED).expect("a document");
    let schemas = document["components"]["schemas"]
        .as_mapping()
        .expect("schemas");
    let codes = schemas.iter().filter_map(|(_, schema)| {
        let code = schema.get("properties")?.get("code")?.get("enum")?;
        code.get(0)?.as_str().map(str::to_owned)
    });
    let codes: BTreeSet<String> = codes.collect();
    assert!(codes.len() > 40, "{codes:?}");
    for texts in texts() {
        for code in codes
            .iter()
            .filter(|code| !NOT_CALLED.contains(&code.as_str()))
        {
            let key = format!("error.{code}");
            assert!(texts.texts.contains_key(&key), "{}: {key}", texts.language);
        }
    }
}

/// Errors of operations that no page calls: keys for services, readiness.
const NOT_CALLED: [&str; 5] = [
    "API_KEY_INVALID",
    "API_KEY_LIMIT",
    "API_KEY_NOT_FOUND",
    "INSUFFICIENT_SCOPE",
    "NOT_READY",
];

#[test]
fn every_event_has_a_sentence() {
    let events = EVENTS
        .split("events! {")
        .nth(2)
        .or_else(|| EVENTS.split("\nevents! {").nth(1));
    let words: Vec<&str> = quoted(events.expect("events"), " \"").collect();
    assert!(words.len() > 40, "{words:?}");
    for texts in texts() {
        for word in words.iter().filter(|word| !word.is_empty()) {
            let key = format!("event.{word}");
            assert!(texts.texts.contains_key(&key), "{}: {key}", texts.language);
        }
    }
}
