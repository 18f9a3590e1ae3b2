//! One call to a server: builds it, sends it, and checks its answer against the contract.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::ops::Index;
use std::pin::Pin;

use reqwest::header::HeaderMap;
use serde_json::Value;

pub use reqwest::Method;

use crate::contract::{self, Contract, SECRET_MEMBERS};
use crate::logs;

/// A call that is not sent yet. Awaiting it sends it.
pub struct Call {
    request: reqwest::RequestBuilder,
    method: Method,
    path: String,
}

impl Call {
    /// Starts a call to the server at `base`.
    pub fn new(http: &reqwest::Client, base: &str, method: Method, path: &str) -> Self {
        Self {
            request: http.request(method.clone(), format!("{base}{path}")),
            method,
            path: path.to_owned(),
        }
    }

    /// Adds this bearer.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        logs::secret(token);
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Adds this API key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        logs::secret(key);
        self.header("X-API-Key", key)
    }

    /// Adds this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Makes the call look forwarded by a proxy for this address.
    #[must_use]
    pub fn from(self, address: &str) -> Self {
        self.header("X-Forwarded-For", address)
    }

    /// Sets this JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        logs::secrets_of_request(body);
        self.request = self.request.json(body);
        self
    }

    /// Sets this form as the body.
    ///
    /// # Panics
    /// Never: any text can be encoded.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = fields
            .iter()
            .map(|(name, value)| (name.to_lowercase(), Value::from(*value)));
        logs::secrets_of_request(&Value::Object(body.collect()));
        let encoded = reqwest::Url::parse_with_params("http://localhost", fields);
        let encoded = encoded.expect("an address");
        let body = encoded.query().unwrap_or_default().to_owned();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sets these bytes as the body, whatever they are.
    #[must_use]
    pub fn body(mut self, media_type: &str, bytes: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.header("Content-Type", media_type).body(bytes);
        self
    }

    /// Announces a body that never arrives.
    #[must_use]
    pub fn without_its_body(self, media_type: &str) -> Self {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        self.body(media_type, reqwest::Body::wrap_stream(never))
    }

    async fn send(self) -> Answer {
        let Self {
            request,
            method,
            path,
        } = self;
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response
            .bytes()
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let answer = Answer {
            call: format!("{method} {path}"),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            text: String::from_utf8_lossy(&bytes).into_owned(),
            status,
            headers,
        };
        answer.check(&method, &path);
        answer
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// An answer that follows the contract.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The call's method and path.
    pub call: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it is JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    fn check(&self, method: &Method, path: &str) {
        logs::secrets_of_answer(&self.body, &SECRET_MEMBERS);
        match Contract::get().matching(method.as_str(), path) {
            Some(operation)
                if !matches!(self.status, 404 | 405) || operation_answers(&self.body) =>
            {
                operation.check(self.status, &self.headers, &self.body);
            }
            _ => {
                if self.status >= 400 {
                    let owner = Contract::get().owner(path);
                    let Self {
                        call,
                        status,
                        headers,
                        body,
                        ..
                    } = self;
                    contract::check_error(owner, call, *status, headers, body);
                }
                contract::check_always(&self.call, &self.headers, &self.body);
            }
        }
    }

    /// Asserts this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.call, self.text);
        self
    }

    /// Asserts a refusal with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(
            self.status, status,
            "{}: expected {code}, not {}",
            self.call, self.text
        );
        assert_eq!(self.body["code"], code, "{}: {}", self.call, self.text);
        self
    }

    /// Returns a text member.
    ///
    /// # Panics
    /// Panics if it is not a text.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        let text = self.body[member].as_str();
        text.unwrap_or_else(|| panic!("{}: no {member} in {}", self.call, self.text))
            .to_owned()
    }

    /// Returns a number member.
    ///
    /// # Panics
    /// Panics if it is not a number.
    #[track_caller]
    pub fn number(&self, member: &str) -> i64 {
        let number = self.body[member].as_i64();
        number.unwrap_or_else(|| panic!("{}: no {member} in {}", self.call, self.text))
    }

    /// Returns a header, if it is there.
    pub fn header(&self, name: &str) -> Option<String> {
        contract::text(&self.headers, name)
    }

    /// Returns all that a stranger can distinguish answers by: status, body without the request's
    /// id and `hidden` members, and the names of the headers.
    pub fn looks(&self, hidden: &[&str]) -> (u16, Value, Vec<String>) {
        let mut body = self.body.clone();
        if let Value::Object(members) = &mut body {
            members.remove("requestId");
            for name in hidden {
                if let Some(value) = members.get_mut(*name) {
                    *value = Value::from(value.as_str().map_or(0, str::len));
                }
            }
        }
        let names: std::collections::BTreeSet<String> =
            self.headers.keys().map(ToString::to_string).collect();
        (self.status, body, names.into_iter().collect())
    }
}

/// Tells whether a 404 comes from an operation, and not from a server that found no operation.
fn operation_answers(body: &Value) -> bool {
    !matches!(
        body["code"].as_str(),
        Some("NOT_FOUND" | "METHOD_NOT_ALLOWED")
    )
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.body[member]
    }
}

/// Sends calls all at once.
pub async fn at_once(calls: impl IntoIterator<Item = Call>) -> Vec<Answer> {
    futures_util::future::join_all(calls.into_iter().map(IntoFuture::into_future)).await
}

/// Counts each outcome: by code, or by status if there is none.
pub fn outcomes(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let code = answer["code"]
            .as_str()
            .map_or_else(|| answer.status.to_string(), str::to_owned);
        *counts.entry(code).or_insert(0) += 1;
    }
    counts
}

/// Counts the answers with this status.
pub fn count(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == status)
        .count()
}
