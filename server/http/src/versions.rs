//! Serves some versions of an API as another version: a request is routed to that version's path,
//! and keeps the path it asked for.

use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

use crate::contract::Contract;

/// The path that a request asked for, if another path answers for it.
struct RequestedPath(String);

/// Routes a request to the path that answers for the one it asks for.
pub(super) fn lead(contract: &Contract, request: &mut ServiceRequest) {
    let Some(uri) = contract
        .served_for(request.path())
        .and_then(|path| with_path(request.uri(), path))
    else {
        return;
    };
    let requested = RequestedPath(request.path().to_owned());
    request.extensions_mut().insert(requested);
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// Returns the same URI with another path. A valid path is replaced by a valid path, so there is
/// always a result.
fn with_path(uri: &Uri, path: String) -> Option<Uri> {
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(whole).ok()?);
    Uri::from_parts(parts).ok()
}

/// Returns the path that the client wrote, for links to the version that it uses.
pub fn asked_for(request: &HttpRequest) -> String {
    match request.extensions().get::<RequestedPath>() {
        Some(RequestedPath(path)) => path.clone(),
        None => request.path().to_owned(),
    }
}
