//! Fixtures: with its variables filled in, the first example of each operation of each document succeeds, on the first call and in any order.

use std::collections::{BTreeMap, BTreeSet};

use contract_tests::call::Method;
use contract_tests::{Sandbox, Value, json, tests};

tests! {
    on_sqlite:
    the_example_of_every_operation_succeeds_once_its_fixture_is_made,
    a_fixture_is_for_one_call_and_can_be_made_again,
    an_operation_that_there_is_not_has_none,
}

/// An operation with its untouched example.
struct Example {
    api: &'static str,
    id: String,
    method: Method,
    path: String,
    /// Name, place and example of its parameters.
    parameters: Vec<(String, String, Value)>,
    /// The media type and the first example of its body.
    body: Option<(String, Value)>,
    takes_bearer: bool,
    successes: Vec<u16>,
    /// What the document says that the fixture has values for.
    variables: BTreeSet<String>,
    /// All parameters and properties of all its examples.
    fields: BTreeSet<String>,
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).expect("a component"),
        None => value,
    }
}

/// All operations of all documents.
fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for source in countersign::sandbox::all_documents() {
        let document: Value = yaml_serde::from_str(source.strict.yaml).expect("YAML");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                if operation["responses"].is_object() {
                    found.push(example(source.name, &document, (path, method), operation));
                }
            }
        }
    }
    found
}

fn example(
    api: &'static str,
    document: &Value,
    (path, method): (&str, &str),
    operation: &Value,
) -> Example {
    let listed = operation["parameters"].as_array();
    let parameters = listed.into_iter().flatten().map(|one| {
        let one = resolved(document, one);
        let text = |name: &str| one[name].as_str().expect("a text").to_owned();
        (text("name"), text("in"), one["example"].clone())
    });
    let body = resolved(document, &operation["requestBody"])["content"].as_object();
    let all = body.into_iter().flatten().flat_map(|(_, content)| {
        let named = content["examples"].as_object().into_iter().flatten();
        let named = named.map(|(_, one)| &resolved(document, one)["value"]);
        named.chain([&content["example"]]).flat_map(members)
    });
    let parameters: Vec<(String, String, Value)> = parameters.collect();
    let named = parameters.iter().map(|(name, ..)| name.clone());
    let fields = named.chain(all).collect();
    let body = body.and_then(|content| content.iter().next());
    let body = body.map(|(media, content)| {
        let named = content["examples"].as_object();
        let first = named.and_then(|named| named.values().next());
        let example = match first {
            Some(first) => &resolved(document, first)["value"],
            None => &content["example"],
        };
        (media.clone(), example.clone())
    });
    let security = operation["security"].as_array().into_iter().flatten();
    let statuses = operation["responses"].as_object().expect("answers").keys();
    let statuses = statuses.map(|status| status.parse().expect("a status"));
    Example {
        api,
        id: operation["operationId"].as_str().expect("an id").to_owned(),
        method: method.to_uppercase().parse().expect("a method"),
        path: path.to_owned(),
        parameters,
        body,
        takes_bearer: security
            .flat_map(|one| one.as_object().expect("a scheme").keys())
            .any(|scheme| scheme == "bearerAuth" || scheme == "pendingAuth"),
        successes: statuses.filter(|status| *status < 300).collect(),
        variables: operation["x-variables"]
            .as_array()
            .into_iter()
            .flatten()
            .map(written)
            .collect(),
        fields,
    }
}

fn members(value: &Value) -> Vec<String> {
    let names = value
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys());
    names.cloned().collect()
}

/// A text, or a number as one writes it.
fn written(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Puts each variable where the example has its name.
fn fill(value: &mut Value, variables: &Value) {
    for (name, member) in value.as_object_mut().into_iter().flatten() {
        if let Some(variable) = variables.get(name) {
            *member = variable.clone();
        }
    }
}

/// Makes the fixture and the call: whether it was answered as documented.
async fn call(sandbox: &Sandbox, example: &Example) -> Result<(), String> {
    let Example { api, id, .. } = example;
    let path = format!("/sandbox/fixtures/{id}?api={api}");
    let fixture = sandbox.call(Method::POST, &path).await.is(200);
    assert_eq!(
        (fixture.text("api").as_str(), &fixture.text("operationId")),
        (*api, id)
    );
    let variables = &fixture["variables"];
    let used = members(variables)
        .into_iter()
        .filter(|name| example.fields.contains(name));
    assert_eq!(
        used.collect::<BTreeSet<_>>(),
        example.variables,
        "{api} {id}: x-variables"
    );
    let mut path = example.path.clone();
    let mut query = Vec::new();
    for (name, place, value) in &example.parameters {
        let value = written(variables.get(name).unwrap_or(value));
        match place.as_str() {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            "query" => query.push(format!("{name}={}", value.replace('@', "%40"))),
            place => panic!("{id}: a parameter in {place}"),
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let mut call = sandbox.call(example.method.clone(), &path);
    if let Some((media, body)) = &example.body {
        let mut body = body.clone();
        fill(&mut body, variables);
        call = match media.as_str() {
            "application/json" => call.json(&body),
            _form => {
                let fields = body.as_object().expect("a form").iter();
                let fields: Vec<(&str, String)> = fields
                    .map(|(name, value)| (name.as_str(), written(value)))
                    .collect();
                let fields: Vec<(&str, &str)> = fields
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                call.form(&fields)
            }
        };
    }
    if let Some(bearer) = fixture["bearer"].as_str()
        && example.takes_bearer
    {
        call = call.bearer(bearer);
    }
    let answer = call.await;
    match example.successes.contains(&answer.status) {
        true => Ok(()),
        false => Err(format!("{api} {id}: {} {}", answer.status, answer.text)),
    }
}

async fn the_example_of_every_operation_succeeds_once_its_fixture_is_made() {
    let sandbox = Sandbox::start().await;
    let mut all = examples();
    let mut count: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut failed = Vec::new();
    // Forwards and backwards: no operation needs another one before it.
    for _ in 0..2 {
        for example in &all {
            let counted = count.entry(example.api).or_default();
            counted.1 += 1;
            match call(&sandbox, example).await {
                Ok(()) => counted.0 += 1,
                Err(what) => failed.push(what),
            }
            // It may have set the time, or have begun anew.
            if example.api == "sandbox" {
                sandbox.call(Method::POST, "/sandbox/reset").await.is(200);
            }
        }
        all.reverse();
    }
    println!("examples that succeeded, of all, each called twice: {count:?}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

async fn a_fixture_is_for_one_call_and_can_be_made_again() {
    let sandbox = Sandbox::start().await;
    let path = "/sandbox/fixtures/verifyMfaLogin";
    let mut seen = Vec::new();
    for _ in 0..3 {
        let fixture = sandbox.call(Method::POST, path).await.is(200);
        assert_eq!(fixture["person"]["email"], fixture["variables"]["email"]);
        let mut body = json!({ "mfaToken": "", "code": "" });
        fill(&mut body, &fixture["variables"]);
        let verify = "/identity/mfa/login/verify";
        let done = sandbox.post(verify, &body).await.is(200);
        assert_eq!(done["user"]["email"], fixture["variables"]["email"]);
        sandbox
            .post(verify, &body)
            .await
            .refused(400, "MFA_TOKEN_INVALID");
        seen.push(fixture["variables"]["email"].clone());
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
}

async fn an_operation_that_there_is_not_has_none() {
    let sandbox = Sandbox::start().await;
    for path in [
        "/sandbox/fixtures/fly",
        "/sandbox/fixtures/registerUser?api=veeam",
        "/sandbox/fixtures/login?api=acme",
        "/sandbox/fixtures/login?x=1",
    ] {
        sandbox
            .call(Method::POST, path)
            .await
            .refused(400, "VALIDATION");
    }
}
