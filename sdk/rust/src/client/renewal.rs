//! Exchanges the refresh token for new tokens, once for all calls that wait for it.
//!
//! A refresh token that is sent a second time ends the session, since it may have been stolen. So
//! there is only one renewal at a time, and all waiting calls take its result. A caller that goes
//! away does not interrupt it: it runs as a task of its own. Otherwise the answer with the new
//! tokens would be lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::core::Shared;
use super::request::{Body, Parts};
use super::{Session, platform};
use crate::Secret;
use crate::call::{About, Credential};

/// The operation that renews sessions, for all documents of a server.
const ABOUT: &About = &About {
    name: "refresh_token",
    method: Method::POST,
    path: "/identity/token/refresh",
    opened_by: &[Credential::Nothing],
    one_time: true,
    ends_session: false,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spent<'a> {
    refresh_token: &'a Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    access_token: Secret,
    refresh_token: Secret,
    expires_in: u32,
}

/// Why there are no new tokens.
enum Failed {
    /// The server says that the session is over.
    Over,
    /// The server could not be asked, or not now. The refresh token may still be valid.
    NotNow,
}

/// Gets another access token than `spent`. Returns whether the client has one afterwards.
pub(super) async fn renew(shared: &Arc<Shared>, spent: Secret) -> bool {
    let shared = Arc::clone(shared);
    platform::apart(async move { alone(&shared, &spent).await })
        .await
        .unwrap_or(false)
}

async fn alone(shared: &Shared, spent: &Secret) -> bool {
    let begun_before = shared.renewals_begun.load(Ordering::Acquire);
    let _turn = shared.renewing.lock().await;
    let Some(session) = shared.session() else {
        return false;
    };
    if session.access_token().expose() != spent.expose() {
        return true;
    }
    if !session.is_renewable() {
        return false;
    }
    if shared.renewals_begun.load(Ordering::Acquire) != begun_before {
        // The renewal that this call waited for has failed. This call does not try again; the next
        // one may.
        return false;
    }
    shared.renewals_begun.fetch_add(1, Ordering::AcqRel);
    match trade(shared, session.refresh_token()).await {
        Ok(next) => shared.replace(spent, Some(next)),
        Err(Failed::Over) => {
            shared.replace(spent, None);
            false
        }
        Err(Failed::NotNow) => false,
    }
}

async fn trade(shared: &Shared, refresh_token: &Secret) -> Result<Session, Failed> {
    let mut parts = Parts::new(ABOUT);
    parts.body = Body::json(&Spent { refresh_token });
    let answer = shared.once(parts).await.ok_or(Failed::NotNow)?;
    match answer.status {
        StatusCode::OK => {
            let renewed: Renewed =
                serde_json::from_slice(&answer.body).map_err(|_| Failed::NotNow)?;
            Ok(Session::new(
                renewed.access_token,
                renewed.refresh_token,
                renewed.expires_in,
            ))
        }
        // The code shows that the server says so, and not a proxy on the way.
        StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST if answer.code().is_some() => {
            Err(Failed::Over)
        }
        _other => Err(Failed::NotNow),
    }
}
