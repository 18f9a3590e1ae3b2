//! The contract as the tests read it: operations, what each declares, and the checker that every answer passes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jsonschema::Validator;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use crate::coverage::{self, Triple};
use crate::schema::{compile, translated};

#[cfg(test)]
mod tests;

const DOCUMENT: &str = include_str!("../../openapi/identity.yaml");

/// Members of answers that are secrets: whoever reads them can act as the user.
pub const SECRET_MEMBERS: [&str; 8] = [
    "accessToken",
    "refreshToken",
    "mfaToken",
    "registrationToken",
    "secret",
    "otpauthUrl",
    "qrCode",
    "apiKey",
];

/// The whole contract.
pub struct Contract {
    /// Its operations, in the order of their paths.
    pub operations: Vec<Operation>,
    /// The document, for those who look for something else in it.
    pub document: Value,
}

/// One operation.
pub struct Operation {
    /// Its `operationId`.
    pub id: String,
    /// Its method, in capitals.
    pub method: String,
    /// Its path, with `{parameters}`.
    pub path: String,
    /// Whether it takes a bearer, a key, and neither.
    pub security: Security,
    /// Its request body's schema, references followed one step.
    pub body: Option<Value>,
    /// Whether the body may be left out.
    pub body_is_optional: bool,
    answers: BTreeMap<u16, Declared>,
}

/// What an operation accepts as credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// A bearer opens it.
    pub bearer: bool,
    /// An API key opens it.
    pub key: bool,
    /// It opens without either.
    pub open: bool,
}

/// What is declared for one status.
struct Declared {
    schema: Option<Validator>,
    codes: BTreeSet<String>,
    headers: Vec<String>,
}

impl Contract {
    /// The contract of the native API.
    pub fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(Self::read)
    }

    fn read() -> Self {
        let document: Value = yaml_serde::from_str(DOCUMENT).expect("the contract is YAML");
        let components = translated(&document["components"]);
        let mut operations = Vec::new();
        for (path, methods) in members(&document["paths"]) {
            for (method, operation) in members(methods) {
                operations.push(Operation::read(
                    &document,
                    &components,
                    path,
                    method,
                    operation,
                ));
            }
        }
        Self {
            operations,
            document,
        }
    }

    /// The operation of this id.
    ///
    /// # Panics
    /// When there is none.
    pub fn operation(&self, id: &str) -> &Operation {
        let found = self.operations.iter().find(|operation| operation.id == id);
        found.unwrap_or_else(|| panic!("the contract has no operation {id}"))
    }

    /// The operation that a request means, if any; literal paths go before those with parameters.
    pub fn matching(&self, method: &str, path: &str) -> Option<&Operation> {
        let path = path.split('?').next().unwrap_or(path);
        let same = |operation: &&Operation| operation.method == method && operation.covers(path);
        let literal = |operation: &&Operation| operation.path == path;
        self.operations
            .iter()
            .filter(same)
            .find(literal)
            .or_else(|| self.operations.iter().find(same))
    }

    /// Everything declared: (operation, status, code).
    pub fn triples(&self) -> BTreeSet<Triple> {
        let mut triples = BTreeSet::new();
        for operation in &self.operations {
            for (status, declared) in &operation.answers {
                if declared.codes.is_empty() {
                    triples.insert((operation.id.clone(), *status, "-".to_owned()));
                }
                for code in &declared.codes {
                    triples.insert((operation.id.clone(), *status, code.clone()));
                }
            }
        }
        triples
    }
}

impl Operation {
    fn read(
        document: &Value,
        components: &Value,
        path: &str,
        method: &str,
        operation: &Value,
    ) -> Self {
        let body = &operation["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        let answers = members(&operation["responses"]).map(|(status, answer)| {
            let status = status.parse().expect("a status is a number");
            (
                status,
                Declared::read(document, components, follow(document, answer)),
            )
        });
        Self {
            id: operation["operationId"]
                .as_str()
                .expect("an operationId")
                .to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            security: Security::read(&operation["security"]),
            body: (!schema.is_null()).then(|| follow(document, schema).clone()),
            body_is_optional: body["required"] == Value::Bool(false),
            answers: answers.collect(),
        }
    }

    /// Whether a path is one of this operation's.
    fn covers(&self, path: &str) -> bool {
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (self.path.split('/').collect(), path.split('/').collect());
        let fits = |(our, their): (&&str, &&str)| {
            our == their || (our.starts_with('{') && !their.is_empty())
        };
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(fits)
    }

    /// Whether it is refused without credentials.
    pub fn is_secured(&self) -> bool {
        !self.security.open
    }

    /// Checks an answer of this operation against all that the contract says of it, and records it.
    ///
    /// # Panics
    /// When the answer breaks the contract.
    #[track_caller]
    pub fn check(&self, status: u16, headers: &HeaderMap, body: &Value) {
        let place = format!("{} answered {status} {body}", self.id);
        let Some(declared) = self.answers.get(&status) else {
            panic!("{place}: the contract does not have this status");
        };
        for name in &declared.headers {
            assert!(
                headers.contains_key(name.as_str()),
                "{place}: without the header {name}"
            );
        }
        match &declared.schema {
            None => assert!(
                body.is_null() && !headers.contains_key("content-type"),
                "{place}: the contract has no body here"
            ),
            Some(schema) => {
                assert_eq!(
                    text(headers, "content-type").as_deref(),
                    Some("application/json"),
                    "{place}"
                );
                let errors: Vec<String> = schema
                    .iter_errors(body)
                    .map(|error| format!("{error} at {}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{place}: {}", errors.join("; "));
            }
        }
        let code = if status >= 400 {
            check_error(&place, status, headers, body);
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
        coverage::saw(&self.id, status, code);
    }
}

/// What holds for every error, of an operation or of none.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn check_error(place: &str, status: u16, headers: &HeaderMap, body: &Value) {
    assert_eq!(body["statusCode"], Value::from(status), "{place}");
    assert_eq!(
        body["requestId"].as_str(),
        text(headers, "x-request-id").as_deref(),
        "{place}"
    );
    assert!(
        body["message"]
            .as_str()
            .is_some_and(|message| message.ends_with('.')),
        "{place}: no sentence"
    );
    assert_eq!(
        headers.contains_key("www-authenticate"),
        status == 401 || body["code"] == "INSUFFICIENT_SCOPE",
        "{place}"
    );
    assert_eq!(
        headers.contains_key("retry-after"),
        matches!(status, 429 | 503),
        "{place}"
    );
    if let Some(wait) = text(headers, "retry-after") {
        let wait: u64 = wait.parse().expect("Retry-After is in seconds");
        assert!(wait > 0, "{place}: Retry-After of nothing");
        assert_eq!(body["retryAfter"], Value::from(wait), "{place}");
    }
}

/// What holds for every answer at all.
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
    if carries_secret(body) {
        let kept = text(headers, "cache-control").unwrap_or_default();
        assert!(
            kept.contains("no-store"),
            "{place}: a secret that a cache may keep"
        );
    }
}

/// Whether an answer holds anything that nobody else may see.
pub fn carries_secret(body: &Value) -> bool {
    match body {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (SECRET_MEMBERS.contains(&name.as_str()) && value.is_string()) || carries_secret(value)
        }),
        Value::Array(items) => items.iter().any(carries_secret),
        _ => false,
    }
}

/// A header as text.
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
        Self {
            bearer: has("bearerAuth"),
            key: has("apiKeyAuth"),
            open: alternatives.is_empty()
                || alternatives
                    .iter()
                    .any(|one| one == &Value::Object(Map::new())),
        }
    }
}

impl Declared {
    fn read(document: &Value, components: &Value, answer: &Value) -> Self {
        let schema = &answer["content"]["application/json"]["schema"];
        let required = members(&answer["headers"]).filter_map(|(name, header)| {
            let always =
                name == "X-Request-Id" || follow(document, header)["required"] == Value::Bool(true);
            always.then(|| name.to_ascii_lowercase())
        });
        Self {
            codes: codes(document, schema),
            schema: (!schema.is_null()).then(|| compile(schema, components)),
            headers: required.collect(),
        }
    }
}

/// The codes of an error schema, whether it is one or several.
fn codes(document: &Value, schema: &Value) -> BTreeSet<String> {
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

/// The members of an object; none of anything else.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
