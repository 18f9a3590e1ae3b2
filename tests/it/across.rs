//! Rules that hold across all APIs, derived from their documents so that no new operation can be
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};

use contract_tests::contract::{Contract, Operation};
use contract_tests::{Answer, PASSWORD, Person, Server, Value, json, tests};

use super::fitting::{changes_nothing, fitting, took};
use super::held::{Held, without_limits};
use super::veeam::OTHER_PASSWORD;
use super::walk::{bodies, call, call_at, credential, fields};

tests! {
    without_the_second_factor_nothing_is_returned_that_opens_anything,
    a_reference_is_taken_only_where_its_purpose_fits,
    an_unfinished_sign_in_opens_what_finishes_or_abandons_it,
}

/// Returns the operations of all documents whose successes contain a token, with the names of those
/// fields.
fn returning_tokens() -> Vec<(&'static Operation, BTreeSet<String>)> {
    let mut found = Vec::new();
    for source in countersign::api::documents() {
        let document: Value = yaml_serde::from_str(source.strict.yaml).expect("YAML");
        for operation in Contract::get().of(source.name) {
            let method = operation.method.to_lowercase();
            let answers = &document["paths"][&operation.path][&method]["responses"];
            let mut names = BTreeSet::new();
            for (status, answer) in answers.as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    collect_tokens(&document, answer, &mut names);
                }
            }
            if !names.is_empty() {
                found.push((operation, names));
            }
        }
    }
    found
}

fn collect_tokens(document: &Value, value: &Value, names: &mut BTreeSet<String>) {
    if let Some(target) = value["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#'));
        return collect_tokens(
            document,
            target.expect("a reference that leads somewhere"),
            names,
        );
    }
    for (name, property) in value["properties"].as_object().into_iter().flatten() {
        let plain = name.replace('_', "").to_lowercase();
        if (plain.ends_with("token") || plain == "apikey") && property["type"] == "string" {
            names.insert(name.clone());
        }
    }
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .filter(|(name, _)| !name.starts_with("example"));
            members.for_each(|(_, inner)| collect_tokens(document, inner, names));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_tokens(document, item, names)),
        _ => {}
    }
}

/// Tells whether a text ends in a UUID. It is then an id, which is not secret and appears in the
/// log.
fn is_id(text: &str) -> bool {
    let end = text.len().checked_sub(36).and_then(|at| text.get(at..));
    let lengths = |uuid: &str| uuid.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    end.is_some_and(lengths)
}

/// Collects all texts of an answer that could be tokens, by their place.
fn texts(value: &Value, place: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text)
            if text.len() >= 16 && !text.contains(char::is_whitespace) && !is_id(text) =>
        {
            found.insert(place.to_owned(), text.clone());
        }
        Value::Object(members) => {
            for (name, inner) in members {
                texts(inner, &format!("{place}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, place, found)),
        _ => {}
    }
}

/// Returns a user with an app on, and their session from before, which the app has ended.
async fn with_app(server: &Server, email: &str) -> (Person, Person) {
    let stale = server.registered(email).await;
    let mut person = Person::signed_in(server, email, &stale.login().await.is(200));
    person.enable_authenticator().await;
    (person, stale)
}

/// Returns what somebody can fill in who knows a password and has no second factor.
async fn known_without_the_second_factor(
    alice: &Person,
    stale: &Person,
) -> BTreeMap<&'static str, Value> {
    let server = &alice.server;
    let asked = server.register(&alice.email).await.is(202);
    let passkey = server
        .post("/identity/passkey/options", &json!({}))
        .await
        .is(200);
    BTreeMap::from([
        ("email", json!(alice.email)),
        ("login", json!(alice.email)),
        ("userName", json!(alice.email)),
        ("username", json!(alice.email)),
        ("password", json!(PASSWORD)),
        ("code", json!(alice.wrong_code())),
        ("mfa_code", json!(alice.wrong_code())),
        ("refreshToken", json!(stale.refresh_token)),
        ("refresh_token", json!(stale.refresh_token)),
        ("registrationToken", json!(asked.text("registrationToken"))),
        ("passkeyToken", json!(passkey.text("passkeyToken"))),
        ("credential", credential()),
        ("firstName", json!("Alice")),
        ("name", json!("x")),
        ("scopes", json!(["users:read"])),
    ])
}

/// Calls an operation in all ways that are open without the second factor: with each body, as
/// nobody, in the middle of a sign-in, and with a session that has ended. Returns the answers.
async fn called_without_the_second_factor(
    operation: &Operation,
    alice: &Person,
    stale: &Person,
) -> Vec<Answer> {
    let server = &alice.server;
    let mut answers = Vec::new();
    for bearer in ["none", "pending", "stale"] {
        let mut known = known_without_the_second_factor(alice, stale).await;
        for index in 0..bodies(operation, &known).len() {
            let pending = alice.begin_sign_in().await;
            for name in ["mfaToken", "mfa_token", "token"] {
                known.insert(name, json!(pending));
            }
            // In Netevia's API, `token` is another name of `code`.
            if operation.api == "netevia" {
                known.insert("token", json!(alice.wrong_code()));
            }
            let call = call(server, operation, &bodies(operation, &known)[index]);
            answers.push(match bearer {
                "pending" => call.bearer(&pending).await,
                "stale" => call.bearer(&stale.access_token).await,
                _nobody => call.await,
            });
        }
    }
    answers
}

async fn without_the_second_factor_nothing_is_returned_that_opens_anything() {
    let server = Server::with(|settings| settings.policy.mail_calls_per_source = 100_000).await;
    let operations = returning_tokens();
    assert!(
        operations.len() >= 12,
        "{} operations only",
        operations.len()
    );
    let mut returned = BTreeMap::new();
    for (number, (operation, _)) in operations.iter().enumerate() {
        let name = operation.name();
        let (alice, stale) = with_app(&server, &format!("alice{number}@example.com")).await;
        let mut understood = false;
        for answer in called_without_the_second_factor(operation, &alice, &stale).await {
            assert!(answer.status < 500, "{name}: {}", answer.text);
            understood |= answer["code"] != "VALIDATION";
            if answer.status < 300 {
                texts(&answer.body, &name, &mut returned);
            }
        }
        assert!(understood, "{name} was never called as it must be");
    }
    assert!(returned.len() >= 4, "{returned:?}");
    for (place, text) in &returned {
        opens_nothing(&server, place, text).await;
    }
    // Check that the probes would notice a token that works.
    let bob = server.registered("bob@example.com").await;
    bob.me().await.is(200);
    server.refresh(&bob.refresh_token).await.is(200);
}

/// Asserts that a text is not accepted as a bearer that needs a finished sign-in, and cannot be
/// refreshed into one.
async fn opens_nothing(server: &Server, place: &str, text: &str) {
    let secured = Contract::get().operations.iter();
    for operation in secured.filter(|one| one.is_secured() && !one.security.pending) {
        let answer = call(server, operation, &json!({})).bearer(text).await;
        assert_eq!(answer.status, 401, "{place} opens {}", operation.name());
    }
    for (operation, field) in refreshing() {
        let mut body = json!({ "grant_type": "Refresh_token" });
        if operation.api != "veeam" {
            body = json!({});
        }
        body[&field] = json!(text);
        let answer = call(server, operation, &body).await;
        assert!(
            answer.status >= 400,
            "{place} refreshes at {}",
            operation.name()
        );
    }
}

/// Returns the operations that exchange a refresh token for an access token.
fn refreshing() -> Vec<(&'static Operation, String)> {
    let mut found = Vec::new();
    for (operation, _) in returning_tokens() {
        let names = fields(operation);
        let field = names
            .iter()
            .find(|name| ["refreshToken", "refresh_token"].contains(&name.as_str()));
        found.extend(field.map(|field| (operation, field.clone())));
    }
    assert!(!found.is_empty());
    found
}

async fn an_unfinished_sign_in_opens_what_finishes_or_abandons_it() {
    let server = Server::start().await;
    let (alice, _) = with_app(&server, "alice@example.com").await;
    let pending: Vec<&Operation> = Contract::get()
        .operations
        .iter()
        .filter(|operation| operation.security.pending)
        .collect();
    let paths: Vec<&str> = pending
        .iter()
        .map(|operation| operation.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "/mfa/status",
            "/mfa/methods",
            "/mfa/magic-link/send",
            "/mfa/passkey/auth-options",
            "/mfa/verify-login",
            "/user/logout",
            "/user/profile",
        ]
    );
    for operation in pending {
        let token = alice.begin_sign_in().await;
        let answer = call(&server, operation, &json!({})).bearer(&token).await;
        assert_ne!(answer.status, 401, "{}: {}", operation.name(), answer.text);
    }
}

async fn a_reference_is_taken_only_where_its_purpose_fits() {
    let server = Server::with(without_limits).await;
    let references = [
        "mfaToken",
        "mfa_token",
        "passkeyToken",
        "refreshToken",
        "refresh_token",
        "registrationToken",
        "token",
    ];
    let mut held = Held::make(&server, 0).await;
    let (mut made, mut spent) = (1, false);
    let mut missed = BTreeSet::new();
    // What Flashback's sign-out takes besides its bearer is not read.
    let all = Contract::get().operations.iter();
    for operation in all.filter(|operation| operation.name() != "flashback logout") {
        let fields = fields(operation);
        let named = fields
            .iter()
            .filter(|name| references.contains(&name.as_str()));
        for field in named {
            let fits = fitting(operation, field);
            let fits = fits.unwrap_or_else(|| panic!("{}.{field}: what fits?", operation.name()));
            if spent {
                held = Held::make(&server, made).await;
                made += 1;
                spent = false;
            }
            // References that fit come last, since accepting one changes what can be tried.
            let mut kinds: Vec<_> = held.kinds.iter().collect();
            kinds.sort_by_key(|(kind, _)| fits.contains(kind));
            for (kind, reference) in kinds {
                let place = format!("{}.{field} of {kind}", operation.name());
                let mut taken = false;
                for answer in offered(&server, operation, field, &held, reference).await {
                    assert!(answer.status < 500, "{place}: {}", answer.text);
                    spent |= !changes_nothing(operation, &answer);
                    taken |= took(&answer, fits);
                }
                assert!(!taken || fits.contains(kind), "{place} is taken");
                if fits.contains(kind) && !taken {
                    missed.insert(place);
                }
            }
        }
    }
    assert!(missed.is_empty(), "not taken where they fit: {missed:#?}");
}

/// Sends a reference in a field of an operation, as everybody who may call it and in all ways.
/// Returns the answers.
async fn offered(
    server: &Server,
    operation: &Operation,
    field: &str,
    held: &Held,
    reference: &str,
) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (holder, bearer) in held.callers(operation) {
        let mut known: BTreeMap<&str, Value> = BTreeMap::from([
            ("code", json!("000000")),
            ("mfa_code", json!("000000")),
            ("credential", credential()),
        ]);
        // `token` is then the other name of `code`, sent with the reference that it answers.
        if operation.name() == "netevia completeAuthentication" && field == "token" {
            known.remove("code");
            known.insert("mfaToken", json!(holder.pending));
        }
        if operation.id == "resetPassword" {
            known.insert("password", json!(OTHER_PASSWORD));
            known.insert("newPassword", json!(OTHER_PASSWORD));
        }
        known.insert(field, json!(reference));
        let path = holder.path(operation);
        for body in bodies(operation, &known) {
            let call = call_at(server, operation, &path, &body);
            answers.push(match bearer {
                Some(bearer) => call.bearer(bearer).await,
                None => call.await,
            });
        }
    }
    if operation.security.key {
        let body = json!({ field: reference });
        let call = call(server, operation, &body);
        answers.push(call.key(&held.kinds["api key"]).await);
    }
    answers
}
