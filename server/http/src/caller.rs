//! Extractors for the caller of a request: its bearer token and the session that the token belongs
//! to.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::flow;
use crate::flow::session::Sender;
use crate::input::{ErrorOf, app};
use crate::model::{Refusal, Secret, session};
use crate::status::Rejection;

/// The caller of a secured operation. A refusal is worded by the API whose error type is `E`.
pub struct Caller<E>(session::Caller, PhantomData<E>);

impl<E> Caller<E> {
    /// Returns the caller.
    pub fn into_inner(self) -> session::Caller {
        self.0
    }
}

impl<E: ErrorOf> FromRequest for Caller<E> {
    type Error = E;
    type Future = LocalBoxFuture<'static, Result<Self, E>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let token = sent(&request)?;
            Ok(Self(authenticate(&request, token).await?, PhantomData))
        })
    }
}

/// The caller of an operation that accepts a bearer but does not need one. No header means no
/// caller; a bad one is refused with 401.
pub struct MaybeCaller<E>(Option<session::Caller>, PhantomData<E>);

impl<E> MaybeCaller<E> {
    /// Returns the caller, if there is one.
    pub fn into_inner(self) -> Option<session::Caller> {
        self.0
    }
}

impl<E: ErrorOf> FromRequest for MaybeCaller<E> {
    type Error = E;
    type Future = LocalBoxFuture<'static, Result<Self, E>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(token) = bearer(request.headers()).map_err(Rejection::from)? else {
                return Ok(Self(None, PhantomData));
            };
            let caller = authenticate(&request, token).await?;
            Ok(Self(Some(caller), PhantomData))
        })
    }
}

/// A sign-in that waits for its second step. Its reference is sent as the bearer. Only operations
/// that finish or abandon a sign-in accept it.
pub struct Pending<E>(session::Pending, PhantomData<E>);

impl<E> Pending<E> {
    /// Returns the sign-in.
    pub fn into_inner(self) -> session::Pending {
        self.0
    }
}

impl<E: ErrorOf> FromRequest for Pending<E> {
    type Error = E;
    type Future = LocalBoxFuture<'static, Result<Self, E>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let token = sent(&request)?;
            Ok(Self(pending(&request, token).await?, PhantomData))
        })
    }
}

/// Either kind of bearer. The reference's prefix tells which one it is.
pub struct CallerOrPending<E>(Sender, PhantomData<E>);

impl<E> CallerOrPending<E> {
    /// Returns the sender.
    pub fn into_inner(self) -> Sender {
        self.0
    }
}

impl<E: ErrorOf> FromRequest for CallerOrPending<E> {
    type Error = E;
    type Future = LocalBoxFuture<'static, Result<Self, E>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let token = sent(&request)?;
            let sender = if flow::session::is_pending(&token) {
                Sender::Pending(Box::new(pending(&request, token).await?))
            } else {
                Sender::Caller(Box::new(authenticate(&request, token).await?))
            };
            Ok(Self(sender, PhantomData))
        })
    }
}

/// Returns the bearer, or refuses if there is none.
fn sent(request: &HttpRequest) -> Result<Secret<String>, Rejection> {
    let token = bearer(request.headers()).map_err(Rejection::from)?;
    token.ok_or(Rejection::Refused(Refusal::TokenInvalid { sent: false }))
}

/// Finds the sign-in that a reference names.
async fn pending(
    request: &HttpRequest,
    token: Secret<String>,
) -> Result<session::Pending, Rejection> {
    let app = app(request)?;
    Ok(app.run(flow::session::pending, token).await?)
}

/// Finds the caller that a bearer belongs to.
///
/// # Errors
/// Returns the refusals and faults of `flow::session::authenticate`.
pub async fn authenticate(
    request: &HttpRequest,
    token: Secret<String>,
) -> Result<session::Caller, Rejection> {
    let app = app(request)?;
    Ok(app
        .run(flow::session::authenticate, token.expose().as_str())
        .await?)
}

/// Returns the token of `Authorization: Bearer …` (RFC 6750 §2.1); `None` if the header was not
/// sent.
///
/// # Errors
/// Refuses another scheme, a header that was sent twice, and a value that cannot be a token.
pub fn bearer(headers: &HeaderMap) -> Result<Option<Secret<String>>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let flawed = Refusal::TokenInvalid { sent: true };
    if values.next().is_some() {
        return Err(flawed);
    }
    let value = value.to_str().map_err(|_| flawed.clone())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refusal::TokenInvalid { sent: false });
    }
    let token = token.trim_matches(' ');
    // A header value that converts to a string has no other white space (RFC 9110 §5.5).
    if token.is_empty() || token.contains(' ') || token.contains('\t') {
        return Err(flawed);
    }
    Ok(Some(Secret::new(token.to_owned())))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

    use super::bearer;
    use crate::model::Refusal;

    fn read(values: &[&'static [u8]]) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a header");
            headers.append(AUTHORIZATION, value);
        }
        Ok(bearer(&headers)?.map(|token| token.expose().clone()))
    }

    #[test]
    fn only_one_bearer_is_a_bearer() {
        assert_eq!(read(&[]), Ok(None));
        for good in ["Bearer abc", "bearer abc", "BEARER   abc "] {
            assert_eq!(
                read(&[good.as_bytes()]),
                Ok(Some("abc".to_owned())),
                "{good}"
            );
        }
        let sent = Refusal::TokenInvalid { sent: true };
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a\tb",
            "Bearer \u{e4}",
        ] {
            assert_eq!(read(&[bad.as_bytes()]), Err(sent.clone()), "{bad}");
        }
        assert_eq!(read(&[b"Bearer abc", b"Bearer abc"]), Err(sent));
        let nothing = Refusal::TokenInvalid { sent: false };
        assert_eq!(read(&[b"Basic YTpi"]), Err(nothing.clone()));
        assert_eq!(read(&[b""]), Err(nothing));
    }
}
