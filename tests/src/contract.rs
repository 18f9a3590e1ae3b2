//! The contract as the tests read it: the operations of all documents, what each declares, and the
//! check that every answer must pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use crate::coverage::{self, Triple};
use crate::schema::{Schema, translated};

mod envelope;
mod request;
#[cfg(test)]
mod tests;

pub use envelope::check_error;
pub use request::{Parameter, Request};

/// The API that answers for paths that belong to none.
const FIRST: &str = "identity";

/// Members of answers that are secrets: who knows them can act as the user.
pub const SECRET_MEMBERS: [&str; 20] = [
    "accessToken",
    "access_token",
    "apiKey",
    "backupCodes",
    "fullAccessToken",
    "mfaToken",
    "mfa_token",
    "otpauthUri",
    "otpauthUrl",
    "passkeyToken",
    "qrCode",
    "qrString",
    "recoveryCodes",
    "refreshToken",
    "refresh_token",
    "registrationToken",
    "scratchCodes",
    "secret",
    "secretKey",
    "token",
];

/// The whole contract: all documents.
pub struct Contract {
    /// All operations: the documents in the server's order, each in the order of its paths.
    pub operations: Vec<Operation>,
    /// The operations that only the sandbox serves.
    pub of_the_sandbox: Vec<Operation>,
    /// Path prefixes, each with the prefix that is served in its place.
    pub also_served: BTreeMap<String, String>,
}

/// One operation.
pub struct Operation {
    /// The document that it belongs to: `identity`.
    pub api: &'static str,
    /// Its `operationId`, unique within its document.
    pub id: String,
    /// Its method, in capitals.
    pub method: String,
    /// Its path, with `{parameters}`.
    pub path: String,
    /// Which credentials it takes.
    pub security: Security,
    /// The schema of its request body, with references followed one step.
    pub body: Option<Value>,
    /// Its request body as a whole, if it takes one.
    pub request: Option<Request>,
    /// What its path and query may carry.
    pub parameters: Vec<Parameter>,
    /// Whether the body is a form instead of JSON.
    pub body_is_form: bool,
    /// Whether the body may be left out.
    pub body_is_optional: bool,
    answers: BTreeMap<u16, Declared>,
}

/// The credentials that an operation accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Accepts a bearer.
    pub bearer: bool,
    /// Accepts an API key.
    pub key: bool,
    /// Accepts the reference of an unfinished sign-in, sent as a bearer.
    pub pending: bool,
    /// Accepts calls without credentials.
    pub open: bool,
}

/// What is declared for one status.
struct Declared {
    schema: Option<Schema>,
    media: String,
    codes: BTreeSet<String>,
    /// Headers that each answer has.
    headers: Vec<String>,
    /// Whether it may tell what is left of a limit.
    tells_limits: bool,
}

impl Contract {
    /// Returns all documents of the server.
    pub fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(Self::read)
    }

    fn read() -> Self {
        let (mut operations, mut also_served) = (Vec::new(), BTreeMap::new());
        for source in countersign::sandbox::all_documents() {
            let document: Value =
                yaml_serde::from_str(source.strict.yaml).expect("the contract is YAML");
            let components = Arc::new(translated(&document["components"]));
            let others = members(&document["x-also-served"]);
            also_served.extend(others.map(|(asked, served)| {
                let served = served.as_str().expect("the beginning of a path");
                (asked.to_owned(), served.to_owned())
            }));
            for (path, methods) in members(&document["paths"]) {
                for (method, operation) in
                    members(methods).filter(|(_, one)| one.get("responses").is_some())
                {
                    operations.push(Operation::read(
                        source.name,
                        &document,
                        &components,
                        (path, method),
                        operation,
                    ));
                }
            }
        }
        let (of_the_sandbox, operations) = operations
            .into_iter()
            .partition(|one: &Operation| one.api == "sandbox");
        Self {
            operations,
            of_the_sandbox,
            also_served,
        }
    }

    /// Returns the path that is served in place of this one, or the path itself.
    fn served_for(&self, path: &str) -> String {
        let replaced = self.also_served.iter().find_map(|(asked, served)| {
            let rest = path.strip_prefix(asked.as_str())?;
            rest.starts_with('/').then(|| format!("{served}{rest}"))
        });
        replaced.unwrap_or_else(|| path.to_owned())
    }

    /// Returns the operations of all servers and of the sandbox.
    fn all(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().chain(&self.of_the_sandbox)
    }

    /// Returns the operations of one document.
    pub fn of(&self, api: &str) -> impl Iterator<Item = &Operation> {
        self.all().filter(move |operation| operation.api == api)
    }

    /// Returns the operation with this id in a document.
    ///
    /// # Panics
    /// Panics if there is none.
    pub fn operation(&self, api: &str, id: &str) -> &Operation {
        let found = self.of(api).find(|operation| operation.id == id);
        found.unwrap_or_else(|| panic!("openapi/{api}.yaml has no operation {id}"))
    }

    /// Returns the document whose API answers at any path: the one with the path that shares the
    /// most leading segments. All versions count as equal.
    pub fn owner(&self, path: &str) -> &'static str {
        let path = path.split('?').next().unwrap_or(path);
        let shared = |operation: &Operation| {
            let both = operation.path.split('/').zip(path.split('/'));
            let alike =
                |our: &str, their: &str| our == their || [our, their].iter().all(is_version);
            both.skip(1)
                .take_while(|(our, their)| alike(our, their))
                .count()
        };
        let mut best = (FIRST, 0);
        for operation in &self.operations {
            let count = shared(operation);
            if count > best.1 {
                best = (operation.api, count);
            }
        }
        best.0
    }

    /// Returns the operation that a request matches, if any. Literal paths come before those with
    /// parameters.
    pub fn matching(&self, method: &str, path: &str) -> Option<&Operation> {
        let path = self.served_for(path.split('?').next().unwrap_or(path));
        let path = path.as_str();
        let same = |operation: &&Operation| operation.method == method && operation.covers(path);
        let literal = |operation: &&Operation| operation.path == path;
        self.all()
            .filter(same)
            .find(literal)
            .or_else(|| self.all().find(same))
    }

    /// Returns everything declared: (operation, status, code).
    pub fn triples(&self) -> BTreeSet<Triple> {
        let mut triples = BTreeSet::new();
        for operation in self.all() {
            for (status, declared) in &operation.answers {
                if declared.codes.is_empty() {
                    triples.insert((operation.name(), *status, "-".to_owned()));
                }
                for code in &declared.codes {
                    triples.insert((operation.name(), *status, code.clone()));
                }
            }
        }
        triples
    }
}

/// Tells whether a segment of a path is a version, such as `v1` or `v8.1`.
fn is_version(segment: &&str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or_default();
    number.starts_with(|first: char| first.is_ascii_digit()) && number.parse::<f64>().is_ok()
}

impl Operation {
    fn read(
        api: &'static str,
        document: &Value,
        components: &Arc<Value>,
        (path, method): (&str, &str),
        operation: &Value,
    ) -> Self {
        let body = follow(document, &operation["requestBody"]);
        let content = members(&body["content"]).next();
        let schema = content.map_or(&Value::Null, |(_, media)| &media["schema"]);
        let answers = members(&operation["responses"]).map(|(status, answer)| {
            let status = status.parse().expect("a status is a number");
            (
                status,
                Declared::read(document, components, follow(document, answer)),
            )
        });
        let parameters = [
            &document["paths"][path]["parameters"],
            &operation["parameters"],
        ];
        let parameters = parameters.into_iter().filter_map(Value::as_array).flatten();
        Self {
            request: content.map(|(_, media)| Request::read(document, media, components)),
            parameters: parameters
                .map(|one| Parameter::read(document, follow(document, one), components))
                .collect(),
            api,
            id: operation["operationId"]
                .as_str()
                .expect("an operationId")
                .to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            security: Security::read(&operation["security"]),
            body: (!schema.is_null()).then(|| follow(document, schema).clone()),
            body_is_form: content
                .is_some_and(|(media, _)| media == "application/x-www-form-urlencoded"),
            body_is_optional: body["required"] != Value::Bool(true),
            answers: answers.collect(),
        }
    }

    /// Tells whether a path matches this operation's.
    fn covers(&self, path: &str) -> bool {
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (self.path.split('/').collect(), path.split('/').collect());
        let fits = |(our, their): (&&str, &&str)| {
            our == their || (our.starts_with('{') && !their.is_empty())
        };
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(fits)
    }

    /// Returns its name among all documents: `identity login`.
    pub fn name(&self) -> String {
        format!("{} {}", self.api, self.id)
    }

    /// Returns its path, with a made-up value for each parameter.
    pub fn sample_path(&self) -> String {
        let nobody = match self.api {
            "identity" => "api-key-01a2039c-3aa0-7254-8329-a92850f6d539",
            _ => "999999",
        };
        let segments = self
            .path
            .split('/')
            .map(|segment| match segment.starts_with('{') {
                true => nobody,
                false => segment,
            });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Returns the path with this value for one of its parameters.
    pub fn path_with(&self, parameter: &str, value: &str) -> String {
        let ours = self.path.split('/');
        let segments = ours.zip(
            self.sample_path()
                .split('/')
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
        let segments = segments.map(|(our, sample)| match our == format!("{{{parameter}}}") {
            true => value.to_owned(),
            false => sample,
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Tells whether it is refused without credentials.
    pub fn is_secured(&self) -> bool {
        !self.security.open
    }

    /// Checks an answer of this operation against the whole contract, and records it.
    ///
    /// # Panics
    /// Panics if the answer breaks the contract.
    #[track_caller]
    pub fn check(&self, status: u16, headers: &HeaderMap, body: &Value) {
        let code = self.holds(status, headers, body);
        coverage::saw(&self.name(), status, code);
    }

    /// Checks an answer in the same way, and does not record it: the sandbox was told to give it. Its code.
    ///
    /// # Panics
    /// When the answer breaks the contract.
    #[track_caller]
    pub fn holds<'a>(&self, status: u16, headers: &HeaderMap, body: &'a Value) -> &'a str {
        let place = format!("{} answered {status} {body}", self.name());
        let Some(declared) = self.answers.get(&status) else {
            panic!("{place}: the contract does not have this status");
        };
        for name in &declared.headers {
            assert!(
                headers.contains_key(name.as_str()),
                "{place}: without the header {name}"
            );
        }
        let told = ["ratelimit", "ratelimit-policy"].map(|name| headers.contains_key(name));
        assert!(
            told == [declared.tells_limits; 2] || told == [false; 2],
            "{place}: tells of limits that the contract does not speak of"
        );
        match &declared.schema {
            None => assert!(
                body.is_null() && !headers.contains_key("content-type"),
                "{place}: the contract has no body here"
            ),
            Some(schema) => {
                let media = text(headers, "content-type").unwrap_or_default();
                let essence = media.split(';').next().unwrap_or_default();
                assert_eq!(essence, declared.media, "{place}");
                let errors: Vec<String> = schema
                    .iter_errors(body)
                    .map(|error| format!("{error} at {}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{place}: {}", errors.join("; "));
            }
        }
        let code = if status >= 400 {
            check_error(self.api, &place, status, headers, body);
            let code = body["code"].as_str().unwrap_or_default();
            assert!(
                declared.codes.contains(code),
                "{place}: not a code of this status"
            );
            code
        } else {
            "-"
        };
        check_always(&place, headers, body);
        code
    }
}

/// Checks the rules for every answer.
#[track_caller]
pub(crate) fn check_always(place: &str, headers: &HeaderMap, body: &Value) {
    let id = text(headers, "x-request-id").unwrap_or_default();
    assert_eq!(id.len(), 36, "{place}: no X-Request-Id");
    assert_eq!(
        text(headers, "x-content-type-options").as_deref(),
        Some("nosniff"),
        "{place}"
    );
    assert!(headers.contains_key("content-security-policy"), "{place}");
    // The secrets in a document are examples.
    if body.get("openapi").is_none() && carries_secret(body) {
        let kept = text(headers, "cache-control").unwrap_or_default();
        assert!(
            kept.contains("no-store"),
            "{place}: a secret that a cache may keep"
        );
    }
}

/// Tells whether an answer contains something that nobody else may see.
pub fn carries_secret(body: &Value) -> bool {
    match body {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (SECRET_MEMBERS.contains(&name.as_str()) && (value.is_string() || value[0].is_string()))
                || carries_secret(value)
        }),
        Value::Array(items) => items.iter().any(carries_secret),
        _ => false,
    }
}

/// Returns a header as text.
pub fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

impl Security {
    fn read(security: &Value) -> Self {
        let alternatives = security
            .as_array()
            .expect("every operation says its security");
        let has = |name: &str| alternatives.iter().any(|one| one.get(name).is_some());
        let others = |name: &String| name != "bearerAuth" && name != "apiKeyAuth";
        Self {
            bearer: has("bearerAuth"),
            key: has("apiKeyAuth"),
            pending: alternatives
                .iter()
                .any(|one| members(one).any(|(name, _)| others(name))),
            open: alternatives.is_empty()
                || alternatives
                    .iter()
                    .any(|one| one == &Value::Object(Map::new())),
        }
    }
}

impl Declared {
    fn read(document: &Value, components: &Arc<Value>, answer: &Value) -> Self {
        let content = members(&answer["content"]).next();
        let schema = content.map_or(&Value::Null, |(_, media)| &media["schema"]);
        let required = members(&answer["headers"]).filter_map(|(name, header)| {
            let always =
                name == "X-Request-Id" || follow(document, header)["required"] == Value::Bool(true);
            always.then(|| name.to_ascii_lowercase())
        });
        Self {
            codes: codes(document, schema),
            media: content.map_or_else(String::new, |(media, _)| media.clone()),
            schema: (!schema.is_null()).then(|| Schema::new(schema, components)),
            headers: required.collect(),
            tells_limits: answer["headers"]["RateLimit"].is_object(),
        }
    }
}

/// Returns the codes of an error schema, for one error or a union.
fn codes(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = follow(document, schema);
    let several = schema["oneOf"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![schema.clone()]);
    let code = |one: &Value| {
        follow(document, one)["properties"]["code"]["enum"][0]
            .as_str()
            .map(str::to_owned)
    };
    several.iter().filter_map(code).collect()
}

/// Follows a reference, if it is one.
fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
        return value;
    };
    let pointer = reference
        .strip_prefix('#')
        .expect("references stay in the document");
    let found = document
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{reference} leads nowhere"));
    follow(document, found)
}

/// Returns the members of an object; none for anything else.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
