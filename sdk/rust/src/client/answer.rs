//! An answer as it arrived, before it is parsed.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

/// An answer with its whole body. The client can inspect it before it is parsed into its type.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The fields that the client looks for in an error's body.
#[derive(Deserialize)]
struct Coded {
    code: String,
    #[serde(rename = "maxAge")]
    max_age: Option<u32>,
}

impl Received {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// Fails if the connection breaks before the body is complete.
    pub(super) async fn whole(answer: Response) -> reqwest::Result<Self> {
        Ok(Self {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.bytes().await?,
        })
    }

    /// Returns the `code` of an error answer.
    pub(super) fn code(&self) -> Option<String> {
        self.coded().map(|body| body.code)
    }

    /// Returns how old the proof may be that an error answer asks for.
    pub(super) fn max_age(&self) -> Option<Duration> {
        let seconds = self.coded()?.max_age?;
        Some(Duration::from_secs(u64::from(seconds)))
    }

    fn coded(&self) -> Option<Coded> {
        if self.status.is_success() {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }
}
