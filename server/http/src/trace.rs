//! The outer middleware: gives every request an id and every answer its headers, and answers where
//! no handler does.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, USER_AGENT, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use anyhow::anyhow;
use futures_util::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::connection::{Line as Connection, Phase};
use crate::contract::Contract;
use crate::cors;
use crate::docs;
use crate::limits;
use crate::model::allowance::Ledger;
use crate::model::ids::Id;
use crate::model::program::Program;
use crate::model::source::Source;
use crate::model::{Fault, Refusal};
use crate::named::{self, X_REQUEST_ID};
use crate::pages;
use crate::status::{ErrorCode, Rejection};
use crate::versions;

/// Answers are data, never pages.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The codes of the refusals that the RateLimit headers announce.
const LIMITED: [&str; 2] = ["TOO_MANY_REQUESTS", "TOO_MANY_MFA_EMAILS"];
/// What every answer of the sandbox has, and no other server's.
const COUNTERSIGN_SANDBOX: HeaderName = HeaderName::from_static("countersign-sandbox");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

tokio::task_local! {
    static REQUEST: Uuid;
}

/// Marker type for the id of a request.
enum RequestRow {}

/// Returns the id of the request that is being answered. It appears in log lines, the header
/// X-Request-Id and errors. Nil outside a request.
pub fn request_id() -> Uuid {
    REQUEST.try_with(|id| *id).unwrap_or(Uuid::nil())
}

/// What the middleware needs. Each server has one, shared by its workers.
pub struct Edge {
    app: App,
    contract: Arc<Contract>,
    undeclared: AtomicUsize,
}

impl Edge {
    /// Creates the middleware's state for a server that serves `app` under `contract`.
    pub fn new(app: App, contract: Arc<Contract>) -> Self {
        Self {
            app,
            contract,
            undeclared: AtomicUsize::new(0),
        }
    }

    /// Counts the answers with a code that their operation does not declare. Each one is a bug.
    pub fn undeclared(&self) -> usize {
        self.undeclared.load(Ordering::Relaxed)
    }
}

/// What is noted about a request before it is handled.
struct Line {
    method: Method,
    path: String,
    source: Source,
    started: Instant,
    connection: Option<Rc<Connection>>,
    /// The origin of the calling page, if it is another one and is allowed.
    origin: Option<HeaderValue>,
}

impl Line {
    /// Returns the method to handle the request as: HEAD is GET without the body of the answer (RFC
    /// 9110 §9.3.2).
    fn handled_as(&self) -> Method {
        match self.method {
            Method::HEAD => Method::GET,
            ref method => method.clone(),
        }
    }
}

/// Estimates the bytes of a request's head, including line ends.
fn head_bytes(request: &ServiceRequest) -> usize {
    let lines = request.headers().iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.uri().path().len() + request.query_string().len() + lines.sum::<usize>()
}

/// Gives the request an id, passes it on, and makes sure that there is an answer with all its
/// headers.
///
/// # Errors
/// If no handler finished, returns the finished answer as an error, since the request it belongs to
/// is gone.
pub async fn trace<B: MessageBody + 'static>(
    edge: Arc<Edge>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    versions::lead(&edge.contract, &mut request);
    let ctx = edge.app.ctx();
    let id = named::id(request.headers()).unwrap_or_else(|| {
        let drawn: Id<RequestRow> = ctx.chance.id(ctx.now());
        drawn.uuid()
    });
    let trace_id = named::trace(request.headers());
    let program = request.headers().get(USER_AGENT);
    let program = Program::sent(program.map(HeaderValue::as_bytes));
    let peer = request.peer_addr().map(|address| address.ip());
    let line = Line {
        method: request.method().clone(),
        path: request.match_info().as_str().to_owned(),
        source: limits::source(peer, request.headers(), &ctx.settings.trusted_proxies),
        started: Instant::now(),
        connection: request.conn_data::<Rc<Connection>>().cloned(),
        origin: cors::origin(request.headers(), &ctx.settings.cors_origins),
    };
    request.head_mut().method = line.handled_as();
    let connection = line.connection.clone();
    connection.iter().for_each(|one| {
        one.handle(head_bytes(&request));
        one.enter(Phase::Busy);
    });
    // Whatever the log filter passes, each line names its request.
    let span = tracing::error_span!("request", id = %id, trace_id);
    let handled = handle(&edge, &line, request, next).instrument(span);
    let handled = Ledger::default().of(program.of(handled));
    let answered = REQUEST.scope(id, handled).await;
    connection.iter().for_each(|one| one.enter(Phase::Idle));
    answered
}

async fn handle<B: MessageBody + 'static>(
    edge: &Edge,
    line: &Line,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if line.origin.is_some()
        && cors::is_question(&line.method, request.headers())
        && let Rejection::Refused(Refusal::MethodNotAllowed { allow }) =
            edge.contract.unmatched(&line.path)
    {
        let answered = request.into_response(cors::answer(&allow));
        return Ok(finished(edge, line, answered));
    }
    let limit = Duration::from_secs(u64::from(edge.app.ctx().settings.request_timeout_seconds));
    let call = tokio::time::timeout(limit, next.call(request));
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Ok(Ok(response))) => Ok(finished(edge, line, response.map_into_boxed_body())),
        Ok(Ok(Err(error))) => {
            let fault = Fault::bug(anyhow!("{error}"));
            Err(broken(edge, line, Rejection::Fault(fault)))
        }
        Ok(Err(_elapsed)) => Err(broken(edge, line, late(line, limit))),
        Err(panic) => {
            let fault = anyhow!("panic: {}", panic_message(panic.as_ref()));
            Err(broken(edge, line, Rejection::Fault(Fault::bug(fault))))
        }
    }
}

/// Returns why a request was not answered in time: either its body was still arriving, or it is our
/// fault.
fn late(line: &Line, limit: Duration) -> Rejection {
    let coming = line.connection.as_ref();
    if coming.is_some_and(|one| one.phase() == Phase::Body) {
        return Refusal::RequestTimeout.into();
    }
    let fault = anyhow!("the request was not answered within {limit:?}");
    Rejection::Fault(Fault::dependency(fault))
}

/// Adds the headers to an answer. An empty error of the framework gets the API's wording first.
fn finished(edge: &Edge, line: &Line, response: ServiceResponse) -> ServiceResponse {
    let pattern = response.request().match_pattern();
    let mut response = match unspoken(edge, line, &response) {
        Some(rejected) => response.into_response(worded(edge, line, rejected)),
        None => response,
    };
    let route = pattern.unwrap_or_else(|| "(none)".to_owned());
    judge(edge, line, &route, response.response());
    let status = response.status();
    dress(edge, line, response.headers_mut());
    if status.is_success() || status == StatusCode::TOO_MANY_REQUESTS {
        tell_limits(edge, line, &route, response.headers_mut());
    }
    log(line, &route, status);
    response
}

/// Makes the answer if no handler finished.
fn broken(edge: &Edge, line: &Line, rejected: Rejection) -> actix_web::Error {
    let mut response = worded(edge, line, rejected);
    dress(edge, line, response.headers_mut());
    log(line, "(broken)", response.status());
    InternalError::from_response("no handler answered", response).into()
}

fn worded(edge: &Edge, line: &Line, rejected: Rejection) -> HttpResponse {
    match edge.contract.envelope(&line.path) {
        Some(envelope) => envelope(rejected),
        None => rejected.answer().finish(),
    }
}

/// Interprets an error of the framework, which has no body that a client could read.
fn unspoken(edge: &Edge, line: &Line, response: &ServiceResponse) -> Option<Rejection> {
    let status = response.status();
    let worded = response.response().extensions().contains::<ErrorCode>();
    if worded || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => edge.contract.unmatched(&line.path),
        StatusCode::METHOD_NOT_ALLOWED => match edge.contract.unmatched(&line.path) {
            // The path is in no document. It is one of the pages, which can only be read.
            Rejection::Refused(Refusal::NotFound) => Refusal::MethodNotAllowed {
                allow: "GET, HEAD".to_owned(),
            }
            .into(),
            rejected => rejected,
        },
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::PayloadTooLarge.into(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Refusal::UnsupportedMediaType.into(),
        status if status.is_client_error() => {
            Refusal::field("path", "The path cannot be read.").into()
        }
        status => Rejection::Fault(Fault::bug(anyhow!("the framework answered {status}"))),
    })
}

/// Counts and logs an answer that the contract does not declare. The client gets it all the same.
fn judge(edge: &Edge, line: &Line, route: &str, response: &HttpResponse) {
    let marked = response.extensions().get::<ErrorCode>().copied();
    let Some(ErrorCode(code)) = marked else {
        return;
    };
    if !edge.contract.declares(&line.handled_as(), route, code) {
        edge.undeclared.fetch_add(1, Ordering::Relaxed);
        tracing::error!(method = %line.method, route, code, "the contract does not have this answer");
    }
}

/// Adds the headers that every answer has (ASVS 3.4.1, 3.4.4 and 3.4.5).
fn dress(edge: &Edge, line: &Line, headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(&request_id().to_string()) {
        headers.insert(X_REQUEST_ID, id);
    }
    let ui = docs::is_ui(&line.path);
    let policy = if ui {
        docs::UI_POLICY
    } else if pages::is_page(&line.path) {
        pages::POLICY
    } else {
        API_POLICY
    };
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if edge.app.ctx().settings.sandbox {
        headers.insert(COUNTERSIGN_SANDBOX, HeaderValue::from_static("true"));
    }
    if edge.app.ctx().settings.public_url.starts_with("https://") {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !edge.app.ctx().settings.cors_origins.is_empty() {
        cors::dress(headers, line.origin.as_ref());
    }
}

/// Adds what is left of the limits that counted this request, if the operation can refuse because
/// of them. A sign-in does not: it begins even if no code may be sent.
fn tell_limits(edge: &Edge, line: &Line, route: &str, headers: &mut HeaderMap) {
    let declares = |code| edge.contract.declares(&line.handled_as(), route, code);
    if !LIMITED.into_iter().any(declares) {
        return;
    }
    let Some((policies, standings)) = Ledger::of_this_request().headers() else {
        return;
    };
    for (name, value) in [(RATELIMIT_POLICY, policies), (RATELIMIT, standings)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Logs one line for each request. The client chose nothing in it but the method and its address.
fn log(line: &Line, route: &str, status: StatusCode) {
    let Line {
        method,
        source,
        started,
        ..
    } = line;
    let ms = started.elapsed().as_millis();
    let code = status.as_u16();
    // Supervisors and balancers ask all the time: only a failure is news.
    if matches!(route, "/healthz" | "/readyz") && status.is_success() {
        tracing::debug!(%method, route, status = code, ms, %source, "request");
    } else {
        tracing::info!(%method, route, status = code, ms, %source, "request");
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests;
