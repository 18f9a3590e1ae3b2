//! Extractors for operations that take a bearer or an API key: they find out which was sent, and
//! check it.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::error::Error;
use crate::flow;
use crate::flow::api_keys::ApiKeyCaller;
use crate::http::caller::{authenticate, bearer};
use crate::http::input::app;
use crate::http::status::Rejection;
use crate::model::kinds::Scope;
use crate::model::{Refusal, Secret, session};

/// The header that carries an API key.
pub const X_API_KEY: &str = "X-API-Key";

/// A scope, as a type: what an operation requires of a key.
pub trait Opens: 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// The scope `tokens:validate`.
pub enum TokensValidate {}

impl Opens for TokensValidate {
    const SCOPE: Scope = Scope::TokensValidate;
}

/// The scope `users:read`.
pub enum UsersRead {}

impl Opens for UsersRead {
    const SCOPE: Scope = Scope::UsersRead;
}

/// A valid API key with the scope `S`, or otherwise a valid bearer. If a key is sent, the key
/// counts.
pub enum KeyOrCaller<S> {
    /// A key. A bearer sent beside it was not checked.
    Key {
        /// The key and its owner.
        key: ApiKeyCaller,
        /// The bearer that was sent beside it, if any.
        bearer: Option<Secret<String>>,
        /// Stands for the scope.
        scope: PhantomData<S>,
    },
    /// A bearer without a key.
    Caller(Box<session::Caller>),
}

impl<S: Opens> FromRequest for KeyOrCaller<S> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let key = api_key(request.headers())?;
            let bearer = bearer(request.headers());
            let Some(key) = key else {
                let token = bearer?.ok_or(Refusal::TokenInvalid { sent: false })?;
                let caller = authenticate(&request, token).await?;
                return Ok(Self::Caller(Box::new(caller)));
            };
            let bearer = bearer?;
            let app = app(&request)?;
            let key = app
                .call(async |ctx| flow::api_keys::authenticate(ctx, key.expose(), S::SCOPE).await)
                .await
                .map_err(Rejection::from)?;
            Ok(Self::Key {
                key,
                bearer,
                scope: PhantomData,
            })
        })
    }
}

/// Returns the key of `X-API-Key`; `None` if the header was not sent.
fn api_key(headers: &HeaderMap) -> Result<Option<Secret<String>>, Refusal> {
    let mut values = headers.get_all(X_API_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| Refusal::ApiKeyInvalid)?;
    match values.next() {
        Some(_) => Err(Refusal::ApiKeyInvalid),
        None => Ok(Some(Secret::new(value.trim().to_owned()))),
    }
}
