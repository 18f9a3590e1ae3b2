//! Reading answers so that nothing of them is lost and nothing secret in them is printed.

use std::time::Duration;

use bytes::Bytes;
use progenitor_client::{Error, ResponseValue};
use reqwest::{Response, ResponseBuilderExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The body of an error answer, kept beside it in its extensions: it can be looked at without being used up.
#[derive(Clone)]
pub(crate) struct ErrorBody(pub(crate) Bytes);

/// Why an answer could not be read, kept in its extensions. It quotes no value.
#[derive(Clone)]
pub(crate) struct Unreadable(pub(crate) String);

/// What the front looks for in an error's body.
#[derive(Deserialize)]
struct Coded {
    code: String,
    #[serde(rename = "maxAge")]
    max_age: Option<u32>,
}

/// Fetches the body of an error answer, so that it can be looked at and still be read by whom it is meant for.
///
/// # Errors
///
/// When the connection breaks before the body is there.
pub(super) async fn with_error_body(answer: Response) -> reqwest::Result<Response> {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(answer);
    }
    let (frame, body) = taken_apart(answer).await?;
    let mut answer = put_together(frame, body.clone());
    answer.extensions_mut().insert(ErrorBody(body));
    Ok(answer)
}

/// The `code` of an error answer that came through [`with_error_body`].
pub(super) fn code(answer: &Response) -> Option<String> {
    coded(answer).map(|body| body.code)
}

/// How old the proof may be that an error answer asks for.
pub(super) fn max_age(answer: &Response) -> Option<Duration> {
    let seconds = coded(answer)?.max_age?;
    Some(Duration::from_secs(u64::from(seconds)))
}

fn coded(answer: &Response) -> Option<Coded> {
    let ErrorBody(body) = answer.extensions().get()?;
    serde_json::from_slice(body).ok()
}

/// Reads an answer into its type; the generated client calls it in place of progenitor's own reader.
///
/// # Errors
///
/// A body that is not what the document says becomes `Error::UnexpectedResponse`, with status, headers and body as they
/// came. progenitor's own `Error::InvalidResponsePayload` would print the body, and a token would stand in a log.
pub(crate) async fn read<T: DeserializeOwned, E>(
    answer: Response,
) -> Result<ResponseValue<T>, Error<E>> {
    let (frame, body) = taken_apart(answer)
        .await
        .map_err(Error::ResponseBodyError)?;
    match serde_json::from_slice(&body) {
        Ok(value) => Ok(ResponseValue::new(value, frame.status, frame.headers)),
        Err(error) => {
            let reason = format!(
                "{:?} error at line {}, column {}",
                error.classify(),
                error.line(),
                error.column()
            );
            let mut answer = put_together(frame, body);
            answer.extensions_mut().insert(Unreadable(reason));
            Err(Error::UnexpectedResponse(answer))
        }
    }
}

/// An answer without its body.
struct Frame {
    status: reqwest::StatusCode,
    version: reqwest::Version,
    headers: reqwest::header::HeaderMap,
    url: reqwest::Url,
    error_body: Option<ErrorBody>,
}

async fn taken_apart(answer: Response) -> reqwest::Result<(Frame, Bytes)> {
    let frame = Frame {
        status: answer.status(),
        version: answer.version(),
        headers: answer.headers().clone(),
        url: answer.url().clone(),
        error_body: answer.extensions().get().cloned(),
    };
    Ok((frame, answer.bytes().await?))
}

fn put_together(frame: Frame, body: Bytes) -> Response {
    let mut answer = http::Response::new(body);
    // `url` exists only on the builder, and a builder that was given nothing but a URL cannot fail.
    if let Ok(with_url) = http::Response::builder().url(frame.url).body(()) {
        *answer.extensions_mut() = with_url.into_parts().0.extensions;
    }
    *answer.status_mut() = frame.status;
    *answer.version_mut() = frame.version;
    *answer.headers_mut() = frame.headers;
    if let Some(body) = frame.error_body {
        answer.extensions_mut().insert(body);
    }
    Response::from(answer)
}

/// An answer for tests, as it stands after [`with_error_body`].
#[cfg(test)]
pub(crate) fn made_up(status: u16, headers: reqwest::header::HeaderMap, body: &str) -> Response {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let frame = Frame {
        status: reqwest::StatusCode::from_u16(status).expect("a status"),
        version: reqwest::Version::HTTP_11,
        headers,
        url: "https://id.example.com/".parse().expect("a URL"),
        error_body: Some(ErrorBody(body.clone())),
    };
    put_together(frame, body)
}
