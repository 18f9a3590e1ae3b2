//! Makes a `tracing` span for each call: which operation, how it ended, after how many tries. Never
//! a secret.

use std::future::Future;

use tracing::Instrument;
use tracing::field::{Empty, display};

use crate::Failure;
use crate::call::About;
use crate::client::answer::Received;
use crate::failure::request_id;

/// Makes a call within its span.
pub(crate) async fn traced(
    about: &'static About,
    call: impl Future<Output = (Result<Received, Failure>, u32)>,
) -> Result<Received, Failure> {
    let span = tracing::info_span!(
        target: "countersign_sdk",
        "call",
        operation = about.name,
        method = about.method.as_str(),
        path = about.path,
        status = Empty,
        code = Empty,
        request_id = Empty,
        tries = Empty,
    );
    let whole = span.clone();
    async move {
        let (result, tries) = call.await;
        span.record("tries", tries);
        let (status, id) = match &result {
            Ok(received) => (Some(received.status), request_id(&received.headers)),
            Err(failure) => (failure.status(), failure.request_id()),
        };
        if let Some(status) = status {
            span.record("status", status.as_u16());
        }
        if let Some(id) = id {
            span.record("request_id", display(id));
        }
        if let Err(failure) = &result {
            if let Some(code) = failure.code() {
                span.record("code", code);
            }
            tracing::debug!(target: "countersign_sdk", "{failure}");
        }
        result
    }
    .instrument(whole)
    .await
}
