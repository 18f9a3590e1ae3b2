//! What the documents say of each request is what the server checks: every field and parameter at its bound and one past it, left out, of another type, unknown.
//!
//! Nothing is listed here. Requests are made from the documents' own examples, one thing is changed in each, and the
//! document's schema says whether the changed request is still a good one.

use std::collections::BTreeSet;

use contract_tests::call::Method;
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Answer, Call, Person, Server, Value, json, tests};

use super::held::without_limits;
use super::veeam;

tests! {
    on_sqlite:
    the_server_refuses_just_those_bodies_that_the_documents_refuse,
    the_server_refuses_just_those_parameters_that_the_documents_refuse,
}

/// What is put into requests where a value is wrong, and must be in no answer.
const VALUE: &str = "uncommon-value-7f3k";

/// A value as long as the usual one: a field whose other values are refused is judged by more than its bounds, such as
/// by what the account has.
const ANOTHER: &str = "is another one";

/// A field that the document lets a client leave out may still be asked for by the value of another one.
const LEFT_OUT: &str = "is left out";

/// One request with one thing changed.
struct Changed {
    /// The member that was changed.
    member: String,
    /// What was changed about it.
    how: String,
    body: Value,
}

/// The values to try for a member that a schema describes.
fn values(schema: &Value, usual: Option<&Value>) -> Vec<(String, Value)> {
    let mut values: Vec<(String, Value)> = [
        json!(null),
        json!(true),
        json!(1.5),
        json!(7),
        json!(VALUE),
        json!({ "a": VALUE }),
        json!([[VALUE]]),
    ]
    .map(|value| (format!("is {value}"), value))
    .into();
    let number = |name: &str| schema[name].as_i64();
    let beside = |bound: i64| [bound - 1, bound, bound + 1];
    for bound in ["minimum", "maximum"].into_iter().filter_map(number) {
        values.extend(beside(bound).map(|value| (format!("is {value}"), json!(value))));
    }
    let usual = usual.and_then(Value::as_str).unwrap_or("x");
    for bound in ["minLength", "maxLength"].into_iter().filter_map(number) {
        for length in beside(bound).into_iter().filter(|&length| length >= 0) {
            let length = usize::try_from(length).expect("not negative");
            values.push((format!("is {length} long"), json!(of_length(usual, length))));
        }
    }
    for one in schema["enum"].as_array().into_iter().flatten() {
        let (text, number) = (one.as_str().unwrap_or_default(), one.as_i64());
        values.push((
            format!("is {one}"),
            number.map_or(json!(text), |number| json!(number)),
        ));
    }
    if let Some(least) = number("minItems") {
        let item = schema["items"]["enum"][0].clone();
        let few = usize::try_from(least)
            .expect("not negative")
            .saturating_sub(1);
        values.push((format!("has {few} items"), json!(vec![item; few])));
    }
    values
}

/// The text cut to a length, or made longer in front: domains, and what follows a dot, stay as they are.
fn of_length(text: &str, length: usize) -> String {
    let have = text.chars().count();
    let filling = "kv7wq".chars().cycle().take(length.saturating_sub(have));
    let cut = text.chars().take(length);
    filling.chain(cut).collect()
}

/// The bodies to try: one change in each.
fn bodies(operation: &Operation, schema: &Value, usual: &Value) -> Vec<Changed> {
    let mut all = vec![];
    let mut add = |member: &str, how: &str, body: Value| {
        let (member, how) = (member.to_owned(), how.to_owned());
        all.push(Changed { member, how, body });
    };
    let mut unknown = usual.clone();
    unknown["unheardOf"] = json!(VALUE);
    add("unheardOf", "is unknown", unknown);
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let mut without = usual.clone();
        without.as_object_mut().expect("an object").remove(name);
        add(name, LEFT_OUT, without);
        let text = usual.get(name).and_then(Value::as_str).unwrap_or("x");
        let another = (
            ANOTHER.to_owned(),
            json!(text.chars().rev().collect::<String>()),
        );
        for (how, value) in [another].into_iter().chain(values(schema, usual.get(name))) {
            // A form has nothing but texts.
            if operation.body_is_form && !value.is_string() {
                continue;
            }
            let mut body = usual.clone();
            body[name] = value;
            add(name, &how, body);
        }
    }
    all
}

/// Somebody who may call everything, and signs in again where a call ended a session.
struct Caller {
    server: Server,
    root: Person,
    made: usize,
}

impl Caller {
    async fn new() -> Self {
        let server = Server::with(without_limits).await;
        let root = server.administrator("root0@example.com").await;
        Self {
            server,
            root,
            made: 0,
        }
    }

    /// Where an operation is called: on the caller's own account, where it is about one.
    async fn path(&self, operation: &Operation) -> String {
        if operation.api != "veeam" || !operation.path.contains("{id}") {
            return operation.sample_path();
        }
        let number = veeam::number(&self.root).await;
        operation.path_with("id", &number.to_string())
    }

    /// An account that nothing happened to.
    async fn renew(&mut self) {
        self.made += 1;
        let email = format!("root{}@example.com", self.made);
        self.root = self.server.administrator(&email).await;
    }

    async fn call(&mut self, operation: &Operation, body: Option<&Value>) -> Answer {
        let path = self.path(operation).await;
        let answer = self.once(operation, &path, body).await;
        if answer.status != 401 || operation.security.open {
            return answer;
        }
        self.renew().await;
        let path = self.path(operation).await;
        self.once(operation, &path, body).await
    }

    async fn once(&mut self, operation: &Operation, path: &str, body: Option<&Value>) -> Answer {
        let method: Method = operation.method.parse().expect("a method");
        let security = operation.security;
        let call = self.server.call(method, path);
        let call = match body {
            None => call,
            Some(body) if operation.body_is_form => form(call, body),
            Some(body) => call.json(body),
        };
        if security.open {
            return call.await;
        }
        if security.bearer {
            return call.bearer(&self.root.access_token).await;
        }
        let pending = self.pending().await;
        call.bearer(&pending).await
    }

    /// A sign-in that waits for its second step.
    async fn pending(&mut self) -> String {
        if self.root.authenticator.is_none() {
            self.root.enable_authenticator().await;
        }
        let body = json!({ "email": self.root.email, "password": contract_tests::PASSWORD });
        let answer = self.server.post("/user/login", &body).await.is(200);
        answer.text("accessToken")
    }
}

fn form(call: Call, body: &Value) -> Call {
    let members = body.as_object().into_iter().flatten();
    let pairs: Vec<(&str, &str)> = members
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    call.form(&pairs)
}

/// Whether an answer says that this member cannot be accepted.
fn names(answer: &Answer, member: &str) -> bool {
    answer["code"] == "VALIDATION" && answer["errors"].to_string().contains(member)
}

async fn the_server_refuses_just_those_bodies_that_the_documents_refuse() {
    let mut caller = Caller::new().await;
    let (mut tried, mut wrong) = (0, BTreeSet::new());
    for operation in &Contract::get().operations {
        let Some(request) = &operation.request else {
            continue;
        };
        caller.renew().await;
        let mut judged_further = BTreeSet::new();
        let usual = caller.call(operation, Some(&request.example)).await;
        for changed in bodies(operation, &request.schema, &request.example) {
            let answer = caller.call(operation, Some(&changed.body)).await;
            let good = request.accepts(&changed.body);
            if good && changed.how == ANOTHER && names(&answer, &changed.member) {
                judged_further.insert(changed.member.clone());
            }
            let told = format!(
                "{} where {} {}: {} {}",
                operation.name(),
                changed.member,
                changed.how,
                answer.status,
                answer.text
            );
            if answer.status >= 400 && answer.text.contains(VALUE) {
                wrong.insert(format!("repeats the value: {told}"));
            }
            let by_bounds = !judged_further.contains(&changed.member) && changed.how != LEFT_OUT;
            if good && by_bounds && names(&answer, &changed.member) {
                wrong.insert(format!("refused, though the document accepts it: {told}"));
            }
            // Some fields have a code of their own, which the usual value does not get.
            let is_refused = names(&answer, &changed.member) || usual["code"] != answer["code"];
            if !good && (answer.status != 400 || !is_refused) {
                wrong.insert(format!("accepted, though the document refuses it: {told}"));
            }
            tried += 1;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        Vec::from_iter(wrong).join("\n")
    );
    assert!(tried > 1_500, "{tried} bodies only");
}

async fn the_server_refuses_just_those_parameters_that_the_documents_refuse() {
    let mut caller = Caller::new().await;
    let (mut tried, mut wrong) = (0, BTreeSet::new());
    for operation in &Contract::get().operations {
        caller.renew().await;
        for parameter in &operation.parameters {
            let values = values(&parameter.schema, None).into_iter();
            let texts = values.filter_map(|(how, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (!text.is_empty()).then_some((how, text))
            });
            for (how, text) in texts {
                let encoded: String =
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                let path = match parameter.place.as_str() {
                    "path" => operation.path_with(&parameter.name, &encoded),
                    "query" => format!("{}?{}={encoded}", operation.sample_path(), parameter.name),
                    _ => continue,
                };
                let body = operation.request.as_ref().map(|request| &request.example);
                let mut answer = caller.once(operation, &path, body).await;
                if answer.status == 401 && !operation.security.open {
                    caller.renew().await;
                    answer = caller.once(operation, &path, body).await;
                }
                let good = parameter.accepts(&text);
                let told = format!(
                    "{} where {} {how}: {} {}",
                    operation.name(),
                    parameter.name,
                    answer.status,
                    answer.text
                );
                if good && names(&answer, &parameter.name) {
                    wrong.insert(format!("refused, though the document accepts it: {told}"));
                }
                if !good && ![400, 404].contains(&answer.status) {
                    wrong.insert(format!("accepted, though the document refuses it: {told}"));
                }
                tried += 1;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        Vec::from_iter(wrong).join("\n")
    );
    assert!(tried > 150, "{tried} parameters only");
}
