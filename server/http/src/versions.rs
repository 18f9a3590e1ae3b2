//! Versions of an API that are served as another one: a request is led to that one's path, and keeps what it asked for.

use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

use crate::contract::Contract;

/// The path that a request asked for, where another one answers for it.
struct Asked(String);

/// Leads a request to the path that answers for the one it asks for.
pub(super) fn lead(contract: &Contract, request: &mut ServiceRequest) {
    let Some(uri) = contract
        .served_for(request.path())
        .and_then(|path| with_path(request.uri(), path))
    else {
        return;
    };
    let asked = Asked(request.path().to_owned());
    request.extensions_mut().insert(asked);
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// The same URI with another path. What was a path stays one, so there is always an answer.
fn with_path(uri: &Uri, path: String) -> Option<Uri> {
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(whole).ok()?);
    Uri::from_parts(parts).ok()
}

/// The path that the client wrote, for links that lead to the version it speaks.
pub fn asked_for(request: &HttpRequest) -> String {
    match request.extensions().get::<Asked>() {
        Some(Asked(path)) => path.clone(),
        None => request.path().to_owned(),
    }
}
