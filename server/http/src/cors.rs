//! CORS: pages of origins that the operator names may call the APIs from a browser (Fetch §3.3).
//!
//! Tokens travel in headers, never in cookies. Credentials in the sense of Fetch are therefore
//! allowed to nobody.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// Request headers that a page may send besides those that are always allowed.
const REQUEST_HEADERS: &str = "Authorization, X-API-Key, Content-Type, X-Request-Id, traceparent";

/// Answer headers that a page may read besides those that are always allowed.
const ANSWER_HEADERS: &str =
    "X-Request-Id, Retry-After, WWW-Authenticate, RateLimit, RateLimit-Policy";

/// How many seconds a browser may cache the answer to a preflight request.
const MAX_AGE: u32 = 600;

/// Returns the origin of a request if it is exactly one of those allowed.
pub fn origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let named = allowed
        .iter()
        .any(|one| without_default_port(one).as_bytes() == origin.as_bytes());
    named.then(|| origin.clone())
}

/// Removes a default port, as browsers do.
fn without_default_port(origin: &str) -> &str {
    let port = match origin.starts_with("https://") {
        true => ":443",
        false => ":80",
    };
    origin.strip_suffix(port).unwrap_or(origin)
}

/// Tells whether this is a preflight request: a browser asks what a page may do before it does it.
pub fn is_question(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight request for a path that takes these methods.
pub fn answer(allow: &str) -> HttpResponse {
    let mut answer: HttpResponseBuilder = HttpResponse::NoContent();
    answer
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, allow))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()
}

/// Sets the headers of every answer once any origin is allowed: a cache must not give one origin's
/// answer to another.
pub fn dress(headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let readable = HeaderValue::from_static(ANSWER_HEADERS);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
}
