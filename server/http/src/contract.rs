//! Reads from the OpenAPI documents which API owns a path, which methods the path takes, and which
//! codes it can answer.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::HttpResponse;
use actix_web::http::Method;
use anyhow::Context;
use serde_json::Value;

use crate::model::Refusal;
use crate::status::Rejection;

/// How an API words an answer that none of its handlers produced.
pub type Envelope = fn(Rejection) -> HttpResponse;

/// What this table needs from a document.
#[derive(Clone, Copy)]
pub struct Source {
    /// The document's name, for error messages at the start.
    pub name: &'static str,
    /// The document as JSON.
    pub json: &'static str,
    /// How its API words errors that no handler produced.
    pub envelope: Envelope,
}

/// The paths of all documents. The first document's API answers for paths that belong to none.
pub struct Contract(Vec<Api>);

struct Api {
    envelope: Envelope,
    paths: Vec<Path>,
    /// Prefixes of paths, each with the prefix that answers for it.
    also_served: Vec<(String, String)>,
}

struct Path {
    pattern: String,
    /// Upper-case method → the codes that its errors can have.
    methods: BTreeMap<String, BTreeSet<String>>,
}

impl Contract {
    /// Reads the documents.
    ///
    /// # Errors
    /// Fails if a document is not JSON. The documents are compiled in, so that would be a broken
    /// build.
    pub fn read(sources: &[Source]) -> anyhow::Result<Self> {
        let apis = sources.iter().map(|source| {
            let document: Value = serde_json::from_str(source.json)
                .with_context(|| format!("openapi/{}.json cannot be read", source.name))?;
            let paths = members(&document["paths"]).map(|(pattern, item)| Path {
                pattern: pattern.clone(),
                methods: methods(&document, item),
            });
            let also_served = members(&document["x-also-served"])
                .filter_map(|(asked, served)| Some((asked.clone(), served.as_str()?.to_owned())));
            Ok(Api {
                envelope: source.envelope,
                paths: paths.collect(),
                also_served: also_served.collect(),
            })
        });
        Ok(Self(apis.collect::<anyhow::Result<_>>()?))
    }

    /// Returns the path that answers for this one, if a document lists its prefix in
    /// `x-also-served`.
    pub fn served_for(&self, path: &str) -> Option<String> {
        let mut all = self.0.iter().flat_map(|api| &api.also_served);
        all.find_map(|(asked, served)| {
            let rest = path.strip_prefix(asked.as_str())?;
            rest.starts_with('/').then(|| format!("{served}{rest}"))
        })
    }

    /// Returns the error for a request that no operation matches: a wrong method if the path is
    /// known, otherwise a wrong path.
    pub fn unmatched(&self, path: &str) -> Rejection {
        let known = self
            .0
            .iter()
            .flat_map(|api| &api.paths)
            .find(|known| known.fits(path));
        match known {
            Some(known) => {
                let methods = known.methods.keys().map(|method| match method.as_str() {
                    // A path that takes GET takes HEAD too (RFC 9110 §9.1).
                    "GET" => "GET, HEAD",
                    method => method,
                });
                let allow = methods.collect::<Vec<_>>().join(", ");
                Refusal::MethodNotAllowed { allow }.into()
            }
            None => Rejection::Refused(Refusal::NotFound),
        }
    }

    /// Returns the wording of the API that owns a path: the one with a matching path, otherwise the
    /// one that shares the most leading segments, otherwise the first.
    pub fn envelope(&self, path: &str) -> Option<Envelope> {
        let mut best = self.0.first().map(|api| (api.envelope, 0));
        for api in &self.0 {
            for known in &api.paths {
                if known.fits(path) {
                    return Some(api.envelope);
                }
                let shared = known.shared(path);
                if best.is_some_and(|(_, most)| shared > most) {
                    best = Some((api.envelope, shared));
                }
            }
        }
        best.map(|(envelope, _)| envelope)
    }

    /// Tells whether the operation at this pattern declares this code; `true` if there is no
    /// operation.
    pub fn declares(&self, method: &Method, pattern: &str, code: &str) -> bool {
        let known = self
            .0
            .iter()
            .flat_map(|api| &api.paths)
            .find(|path| path.pattern == pattern);
        known
            .and_then(|path| path.methods.get(method.as_str()))
            .is_none_or(|codes| codes.contains(code))
    }
}

impl Path {
    /// Tells whether a path matches this pattern. `{name}` stands for one segment that is not
    /// empty.
    fn fits(&self, path: &str) -> bool {
        let mut wanted = self.pattern.split('/');
        let mut given = path.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given => {}
                (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
                _different => return false,
            }
        }
    }

    /// Counts the leading segments that a path shares with this pattern. All versions count as
    /// equal: a request for an unknown version still belongs to that API.
    fn shared(&self, path: &str) -> usize {
        let both = self.pattern.split('/').zip(path.split('/'));
        both.skip(1)
            .take_while(|(wanted, given)| {
                wanted == given || (is_version(wanted) && is_version(given))
            })
            .count()
    }
}

/// Tells whether a segment is a version, such as `v1` or `v8.1`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|one| one.is_ascii_digit());
        number.split('.').all(digits)
    })
}

fn methods(document: &Value, item: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let operations = members(item).filter(|(_, operation)| operation.get("responses").is_some());
    operations
        .map(|(method, operation)| (method.to_uppercase(), codes(document, operation)))
        .collect()
}

/// Returns the codes of all errors of an operation.
fn codes(document: &Value, operation: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, answer) in members(&operation["responses"]) {
        for (_, media) in members(&resolve(document, answer)["content"]) {
            let schema = resolve(document, &media["schema"]);
            let one_of = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
            for schema in one_of.iter().chain([schema]) {
                let code = &resolve(document, schema)["properties"]["code"]["enum"][0];
                found.extend(code.as_str().map(str::to_owned));
            }
        }
    }
    found
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix('#'));
    target
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
paths:
  /a/things:
    get: { responses: { '200': {}, '404': { $ref: '#/components/responses/Gone' } } }
    post: { responses: {} }
  /a/things/{id}:
    delete: { responses: {} }
components:
  responses:
    Gone:
      content: { application/json: { schema: { $ref: '#/components/schemas/GetThingsError404' } } }
  schemas:
    GetThingsError404: { oneOf: [{ $ref: '#/components/schemas/Gone' }] }
    Gone: { properties: { code: { enum: [GONE] } } }
";

    const OTHER: &str = "
x-also-served: { /api/v2: /api/v1 }
paths:
  /api/v1/users: { get: { responses: { '400': { content: { application/problem+json: { schema: { $ref: '#/components/schemas/Bad' } } } } } } }
components: { schemas: { Bad: { properties: { code: { enum: [BAD] } } } } }
";
    const THIRD: &str = "paths: { /api/auth: { post: { responses: {} } } }";

    fn contract() -> Contract {
        let source = |name, yaml: &str, envelope| {
            let document: Value = yaml_serde::from_str(yaml).expect("YAML");
            Source {
                name,
                json: document.to_string().leak(),
                envelope,
            }
        };
        Contract::read(&[
            source("a", YAML, |_| HttpResponse::Ok().finish()),
            source("third", THIRD, |_| HttpResponse::Created().finish()),
            source("other", OTHER, |_| HttpResponse::Accepted().finish()),
        ])
        .expect("YAML")
    }

    #[test]
    fn each_path_has_an_owner() {
        let owner = |path: &str| {
            let envelope = contract().envelope(path).expect("an owner");
            let answer = envelope(Rejection::Refused(Refusal::NotFound));
            answer.status().as_u16()
        };
        for (path, status) in [
            ("/a/things/7", 200),
            ("/a/nothing", 200),
            ("/nothing", 200),
            ("/", 200),
            ("/api/auth", 201),
            ("/api/auth/x", 201),
            ("/api", 201),
            ("/api/v1/users", 202),
            ("/api/v1/nothing", 202),
            ("/api/v9/users", 202),
            ("/api/v10.3/nothing", 202),
            ("/api/v", 201),
            ("/api/v1x/users", 201),
            ("/api/v1./users", 201),
        ] {
            assert_eq!(owner(path), status, "{path}");
        }
    }

    #[test]
    fn a_version_can_be_served_as_another() {
        let served = |path: &str| contract().served_for(path);
        assert_eq!(served("/api/v2/users").as_deref(), Some("/api/v1/users"));
        assert_eq!(served("/api/v2/").as_deref(), Some("/api/v1/"));
        for other in [
            "/api/v2",
            "/api/v22/users",
            "/api/v1/users",
            "/x/api/v2/users",
        ] {
            assert_eq!(served(other), None, "{other}");
        }
    }

    fn allowed(path: &str) -> Option<String> {
        match contract().unmatched(path) {
            Rejection::Refused(Refusal::MethodNotAllowed { allow }) => Some(allow),
            Rejection::Refused(Refusal::NotFound) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_known_path_names_its_methods() {
        assert_eq!(allowed("/a/things").as_deref(), Some("GET, HEAD, POST"));
        assert_eq!(allowed("/a/things/7").as_deref(), Some("DELETE"));
        for unknown in ["/", "", "/a", "/a/things/", "/a/things/7/x", "/b/things"] {
            assert_eq!(allowed(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn codes_are_looked_up_through_references() {
        let contract = contract();
        assert!(contract.declares(&Method::GET, "/a/things", "GONE"));
        assert!(!contract.declares(&Method::GET, "/a/things", "OTHER"));
        assert!(contract.declares(&Method::PUT, "/a/things", "OTHER"));
        assert!(contract.declares(&Method::GET, "/unknown", "OTHER"));
        assert!(contract.declares(&Method::GET, "/api/v1/users", "BAD"));
        assert!(!contract.declares(&Method::GET, "/api/v1/users", "GONE"));
    }
}
