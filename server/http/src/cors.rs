//! Pages of other origins: those that the operator names may call the APIs from a browser (Fetch §3.3).
//!
//! Tokens travel in headers and never in cookies, so credentials in the sense of Fetch are not allowed to anybody.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// What a page may send beside what it always may.
const REQUEST_HEADERS: &str = "Authorization, X-API-Key, Content-Type, X-Request-Id, traceparent";

/// What a page may read beside what it always may.
const ANSWER_HEADERS: &str =
    "X-Request-Id, Retry-After, WWW-Authenticate, RateLimit, RateLimit-Policy";

/// Seconds that a browser may keep the answer to its question.
const MAX_AGE: u32 = 600;

/// The origin of a request, if it is one of these, exactly.
pub fn origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let named = allowed
        .iter()
        .any(|one| without_default_port(one).as_bytes() == origin.as_bytes());
    named.then(|| origin.clone())
}

/// As browsers write it.
fn without_default_port(origin: &str) -> &str {
    let port = match origin.starts_with("https://") {
        true => ":443",
        false => ":80",
    };
    origin.strip_suffix(port).unwrap_or(origin)
}

/// Whether a browser asks what a page may do, before it does it.
pub fn is_question(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that question, at a path that takes these methods.
pub fn answer(allow: &str) -> HttpResponse {
    let mut answer: HttpResponseBuilder = HttpResponse::NoContent();
    answer
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, allow))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()
}

/// The headers of every answer, once any origin is named at all: a cache must not give the answer to one origin to another.
pub fn dress(headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let readable = HeaderValue::from_static(ANSWER_HEADERS);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
}
