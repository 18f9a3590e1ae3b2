//! Where a call is answered with a documented error in place of its handler: within the outer middleware, before any operation.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::Value;

use super::{Concern, whose};
use crate::Sandbox;
use crate::apart;
use crate::catalogue::ErrorExample;
use crate::http::contract::Envelope;
use crate::http::status::Rejection;
use crate::http::trace::request_id;
use crate::model::allowance::{Allowance, Ledger};
use crate::model::{Refusal, Result};

/// The code of the error that this one request is to be answered with.
const HEADER: HeaderName = HeaderName::from_static("countersign-sandbox-error");

/// What is said where the operation does not document it.
const UNKNOWN: &str =
    "This header must name a code that the operation documents: see GET /sandbox/operations.";

/// Answers a call with the error that was forced for it, if there is one; otherwise hands it on. What cannot be
/// done is said in this envelope.
///
/// # Errors
/// What the handler's does.
pub async fn force<B: MessageBody + 'static>(
    sandbox: Option<Sandbox>,
    envelope: Envelope,
    mut request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answered = match &sandbox {
        Some(sandbox) if apart::is_own(request.path()) && !apart::may_call(sandbox, &request) => {
            Err(Refusal::ForeignPage.into())
        }
        Some(sandbox) if !sandbox.is_inner(request.headers()) => {
            forced(sandbox, &mut request).await
        }
        Some(_) | None => Ok(None),
    };
    let answer = match answered {
        Ok(None) => return Ok(next.call(request).await?.map_into_boxed_body()),
        Ok(Some(answer)) => answer,
        Err(error) => envelope(Rejection::from(error)),
    };
    Ok(request.into_response(answer))
}

async fn forced(sandbox: &Sandbox, request: &mut ServiceRequest) -> Result<Option<HttpResponse>> {
    let catalogue = sandbox.catalogue();
    let Some(operation) = catalogue.matching(request.method().as_str(), request.path())? else {
        return Ok(None);
    };
    if let Some(code) = named(request.headers()) {
        let known = operation.error(&code);
        let known = known.ok_or_else(|| Refusal::field(HEADER.as_str(), UNKNOWN))?;
        return Ok(Some(answer(known)));
    }
    let people = match sandbox.forced().concern(operation) {
        Concern::None => return Ok(None),
        Concern::Everyone => Vec::new(),
        Concern::Someone => callers(sandbox, request).await?,
    };
    let code = sandbox.forced().take(operation, &people);
    Ok(code.and_then(|code| operation.error(&code)).map(answer))
}

fn named(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(HEADER)?.to_str().ok()?.to_owned())
}

/// Who the call may be for. Its body is read, and put back for the handler.
async fn callers(sandbox: &Sandbox, request: &mut ServiceRequest) -> Result<Vec<String>> {
    let body = request.extract::<Bytes>().await.unwrap_or_default();
    let (headers, query) = (request.headers(), request.query_string());
    let named = whose::NamedUsers::of(headers, query, &body);
    request.set_payload(Payload::from(body));
    named.addresses(sandbox.app().ctx()).await
}

/// The error as its operation documents it, with the name of this request.
fn answer(error: &ErrorExample) -> HttpResponse {
    let mut body = error.body.clone();
    for name in ["requestId", "traceId"] {
        if let Some(id) = body.get_mut(name) {
            *id = Value::from(request_id().to_string());
        }
    }
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = begun(error);
    answer.status(status);
    if let Some(seconds) = body["retryAfter"].as_u64()
        && matches!(error.status, 429 | 503)
    {
        answer.insert_header((RETRY_AFTER, seconds));
        // Said where the operation says that it does: the outer middleware knows.
        Ledger::of_this_request().keep(Allowance {
            name: "mail_calls",
            most: 30,
            window_seconds: 3600,
            left: 0,
            resets_in: u32::try_from(seconds).unwrap_or(u32::MAX),
        });
    }
    answer.content_type(error.media.as_str()).json(body)
}

/// Begins an answer with the mark and the headers that the server's own has.
fn begun(error: &ErrorExample) -> HttpResponseBuilder {
    let said = match error.problem.sample() {
        Refusal::InsufficientUserAuthentication { max_age } => {
            let documented = error.body["maxAge"].as_u64();
            let documented = documented.and_then(|number| u32::try_from(number).ok());
            Refusal::InsufficientUserAuthentication {
                max_age: documented.unwrap_or(max_age),
            }
        }
        Refusal::InsufficientScope { scope } => {
            let documented = error.body["scope"].as_str();
            let documented = documented.and_then(crate::model::kinds::Scope::parse);
            Refusal::InsufficientScope {
                scope: documented.unwrap_or(scope),
            }
        }
        other => other,
    };
    Rejection::from(said).answer()
}
