//! The content of a request, as data: it can be sent again, and changed for the next page.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Request, Url};
use serde::Serialize;

use crate::call::About;
use crate::{Failure, hooks};

/// A request without the server's address and without credentials.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) about: &'static About,
    path: Cow<'static, str>,
    query: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    headers: HeaderMap,
    pub(crate) timeout: Option<Duration>,
    /// Why it cannot be sent, if it cannot.
    broken: Option<String>,
}

/// The body of a request.
#[derive(Clone, Default)]
pub(crate) enum Body {
    #[default]
    Nothing,
    Json(Bytes),
    Form(Bytes),
    Broken(String),
}

impl Body {
    pub(crate) fn json(body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => Self::Json(bytes.into()),
            Err(error) => Self::Broken(error.to_string()),
        }
    }

    /// Encodes the body as `application/x-www-form-urlencoded`, like the query of a URL.
    pub(crate) fn form(body: &impl Serialize) -> Self {
        let fields = match serde_json::to_value(body) {
            Ok(serde_json::Value::Object(fields)) => fields,
            Ok(_) => return Self::Broken("a form has fields".to_owned()),
            Err(error) => return Self::Broken(error.to_string()),
        };
        let Ok(mut url) = Url::parse("form:") else {
            return Self::Broken("a form could not be written".to_owned());
        };
        for (name, value) in fields {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(&name, &text);
        }
        Self::Form(Bytes::copy_from_slice(
            url.query().unwrap_or_default().as_bytes(),
        ))
    }
}

impl Parts {
    pub(crate) fn new(about: &'static About) -> Self {
        Self {
            about,
            path: Cow::Borrowed(about.path),
            query: Vec::new(),
            body: Body::Nothing,
            headers: HeaderMap::new(),
            timeout: None,
            broken: None,
        }
    }

    /// Puts a value in place of the path's next name.
    pub(crate) fn fill_in(&mut self, value: &str) {
        let (Some(from), Some(to)) = (self.path.find('{'), self.path.find('}')) else {
            return;
        };
        // A URL without the value, or one with dots, would be that of another operation.
        if matches!(value, "" | "." | "..") {
            self.broken = Some(format!(
                "{value:?} is no value of {}",
                &self.path[from..=to]
            ));
            return;
        }
        let mut path = self.path.as_ref().to_owned();
        path.replace_range(from..=to, &encoded(value));
        self.path = path.into();
    }

    pub(crate) fn set_query(&mut self, name: &'static str, value: String) {
        self.query.retain(|(known, _)| *known != name);
        self.query.push((name, value));
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| *known == name)?;
        Some(&found.1)
    }

    pub(crate) fn add_header(&mut self, name: &str, value: &str) {
        match hooks::header(name, value) {
            Ok((name, value)) => {
                self.headers.insert(name, value);
            }
            Err(error) => self.broken = Some(error.to_string()),
        }
    }

    /// Builds the request to a server.
    ///
    /// # Errors
    ///
    /// Fails if something that was set cannot be sent.
    pub(super) fn request(self, base: &str) -> Result<Request, Failure> {
        if let Some(reason) = self.broken {
            return Err(Failure::unsent(reason));
        }
        let mut url: Url = format!("{base}{}", self.path)
            .parse()
            .map_err(|error| Failure::unsent(format!("not a URL ({error})")))?;
        for (name, value) in &self.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut request = Request::new(self.about.method.clone(), url);
        *request.headers_mut() = self.headers;
        *request.timeout_mut() = self.timeout;
        let (kind, body) = match self.body {
            Body::Nothing => ("", None),
            Body::Json(body) => ("application/json", Some(body)),
            Body::Form(body) => ("application/x-www-form-urlencoded", Some(body)),
            Body::Broken(reason) => return Err(Failure::unsent(reason)),
        };
        let headers = request.headers_mut();
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }
}

/// Encodes a value for a path (RFC 3986 §2.3: all but unreserved characters are encoded).
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::{About, Parts};

    const ABOUT: About = About {
        name: "look",
        method: Method::GET,
        path: "/a/{id}/b",
        opened_by: &[],
        one_time: false,
        ends_session: false,
    };

    #[test]
    fn a_value_stays_in_its_place() {
        for (value, path) in [
            ("key-1", "/a/key-1/b"),
            ("../x?y#z", "/a/..%2Fx%3Fy%23z/b"),
            ("{id}", "/a/%7Bid%7D/b"),
            ("ä", "/a/%C3%A4/b"),
        ] {
            let mut parts = Parts::new(&ABOUT);
            parts.fill_in(value);
            let request = parts
                .request("https://example.com")
                .expect("it can be sent");
            assert_eq!(request.url().path(), path);
        }
        for value in ["", ".", ".."] {
            let mut parts = Parts::new(&ABOUT);
            parts.fill_in(value);
            assert!(parts.request("https://example.com").is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_header_of_the_clients_own_is_refused_and_not_repeated() {
        let mut parts = Parts::new(&ABOUT);
        parts.add_header("Authorization", "Bearer hunter2");
        let error = parts.request("https://example.com").expect_err("refused");
        let said = error.to_string();
        assert!(
            said.contains("Authorization") && !said.contains("hunter2"),
            "{said}"
        );
    }
}
