//! Reads requests: bodies, forms, paths and queries become checked values, or a refusal that names
//! the field and never repeats its value.

use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, BytesMut, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{LocalBoxFuture, Map};
use futures_util::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::{Instant, timeout_at};
use validator::{Validate, ValidateLength};

use crate::app::App;
use crate::connection::{Line, Phase};
use crate::model::{Fault, Refusal, Secret};
use crate::status::Rejection;

mod flaw;

pub use flaw::{harmless_name, name};

/// What an API's error type must implement.
pub trait ErrorOf: From<Rejection> + Into<actix_web::Error> + 'static {}
impl<E: From<Rejection> + Into<actix_web::Error> + 'static> ErrorOf for E {}

/// The bytes of a body, when they have arrived. What receives them is compiled once, and what decodes them once for each
/// type.
type Received = LocalBoxFuture<'static, Result<BytesMut, Rejection>>;

/// A decoded body, when it has arrived.
type Decoded<T, E> = Map<Received, fn(Result<BytesMut, Rejection>) -> Result<T, E>>;

/// What a request can be read into.
pub trait Input: DeserializeOwned + Validate + 'static {}
impl<T: DeserializeOwned + Validate + 'static> Input for T {}

/// A JSON body. A refusal is worded by the API whose error type is `E`.
pub struct Body<T, E>(T, PhantomData<E>);

impl<T, E> Body<T, E> {
    /// Returns the value that was sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Input, E: ErrorOf> FromRequest for Body<T, E> {
    type Error = E;
    type Future = Decoded<Self, E>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        body(request, payload, Media::Json).map(|body| {
            let value = flaw::decode(&body?).map_err(Rejection::from)?;
            Ok(Self(value, PhantomData))
        })
    }
}

/// A JSON body that may be left out. An empty body counts as left out, whatever its media type.
pub struct OptionalBody<T, E>(Option<T>, PhantomData<E>);

impl<T, E> OptionalBody<T, E> {
    /// Returns the value, if one was sent.
    pub fn into_inner(self) -> Option<T> {
        self.0
    }
}

impl<T: Input, E: ErrorOf> FromRequest for OptionalBody<T, E> {
    type Error = E;
    type Future = Decoded<Self, E>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        optional_body(request, payload).map(|body| {
            let body = body?;
            if body.is_empty() {
                return Ok(Self(None, PhantomData));
            }
            let value = flaw::decode(&body).map_err(Rejection::from)?;
            Ok(Self(Some(value), PhantomData))
        })
    }
}

/// A form (`application/x-www-form-urlencoded`). Field names may be in any case and are read as
/// lower case. An empty field counts as left out, and a repeated one is refused (RFC 6749 §3.2).
/// All values are strings.
pub struct Form<T, E>(T, PhantomData<E>);

impl<T, E> Form<T, E> {
    /// Returns the value that was sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Input, E: ErrorOf> FromRequest for Form<T, E> {
    type Error = E;
    type Future = Decoded<Self, E>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        body(request, payload, Media::Form).map(|body| {
            let value = flaw::decode_form(&body?).map_err(Rejection::from)?;
            Ok(Self(value, PhantomData))
        })
    }
}

/// The parameters of a path. One that cannot be read is refused as `path`.
///
/// For a text parameter that the flow looks up, `Path<String, E>` is enough.
pub struct Path<T, E>(T, PhantomData<E>);

impl<T, E> Path<T, E> {
    /// Returns the value that was sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned + 'static, E: ErrorOf> FromRequest for Path<T, E> {
    type Error = E;
    type Future = std::future::Ready<Result<Self, E>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let read = web::Path::<T>::extract(request).into_inner();
        let refused = |_| Rejection::from(flaw::no_path()).into();
        std::future::ready(match read {
            Ok(value) => Ok(Self(value.into_inner(), PhantomData)),
            Err(error) => Err(refused(error)),
        })
    }
}

/// The query of a URL. Unknown and repeated parameters are refused, as unknown fields are.
pub struct Query<T, E>(T, PhantomData<E>);

impl<T, E> Query<T, E> {
    /// Returns the value that was sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Input, E: ErrorOf> FromRequest for Query<T, E> {
    type Error = E;
    type Future = std::future::Ready<Result<Self, E>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let read = flaw::decode_query(request.query_string());
        let read = read.map(|value| Self(value, PhantomData));
        std::future::ready(read.map_err(|refusal| Rejection::from(refusal).into()))
    }
}

/// Two extractors. The second one runs only if the first one succeeds.
///
/// The framework polls a handler's extractors side by side, but a secured operation must answer 401
/// before it looks at anything else.
pub struct Then<A, B>(pub A, pub B);

impl<A, B, E> FromRequest for Then<A, B>
where
    A: FromRequest<Error = E> + 'static,
    B: FromRequest<Error = E> + 'static,
    E: ErrorOf,
{
    type Error = E;
    type Future = LocalBoxFuture<'static, Result<Self, E>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let first = A::from_request(&request, &mut Payload::None).await?;
            let second = B::from_request(&request, &mut payload).await?;
            Ok(Self(first, second))
        })
    }
}

/// Three extractors, each of which runs only if the one before it succeeds, as with [`Then`].
pub struct Then3<A, B, C>(pub A, pub B, pub C);

impl<A, B, C, E> FromRequest for Then3<A, B, C>
where
    A: FromRequest<Error = E> + 'static,
    B: FromRequest<Error = E> + 'static,
    C: FromRequest<Error = E> + 'static,
    E: ErrorOf,
{
    type Error = E;
    type Future = LocalBoxFuture<'static, Result<Self, E>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let all = Then::<A, Then<B, C>>::from_request(request, payload);
        Box::pin(async move {
            let Then(first, Then(second, third)) = all.await?;
            Ok(Self(first, second, third))
        })
    }
}

/// Returns the application, which every request carries.
///
/// # Errors
/// Returns a fault if the server was built without one.
pub fn app(request: &HttpRequest) -> Result<Data<App>, Rejection> {
    let app = request.app_data::<Data<App>>().cloned();
    app.ok_or_else(|| {
        Rejection::Fault(Fault::bug(anyhow::anyhow!("no application in the request")))
    })
}

/// What a body must be.
#[derive(Clone, Copy)]
enum Media {
    Json,
    Form,
}

impl Media {
    /// Returns the media type as in a header.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    /// Returns the refusal of a body that is not said to be one.
    const fn missing(self) -> Refusal {
        match self {
            Self::Json => Refusal::UnsupportedMediaType,
            Self::Form => Refusal::NoForm,
        }
    }
}

/// Checks that the media type is the required one, that the body is not encoded, and that its
/// charset is UTF-8. We decompress nothing and read no other charset.
fn said_to_be(request: &HttpRequest, wanted: Media) -> Result<(), Rejection> {
    let mut codings = request.headers().get_all(CONTENT_ENCODING);
    if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::Encoded.into());
    }
    let said = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = said
        .and_then(|said| said.split(';').next())
        .unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case(wanted.as_str()) {
        return Err(wanted.missing().into());
    }
    let parameters = said.unwrap_or_default().split(';').skip(1);
    let charsets = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("charset");
        named.then(|| value.trim().trim_matches('"'))
    });
    let known = ["utf-8", "utf8", "us-ascii", "ascii"];
    let mut charsets = charsets.map(str::to_ascii_lowercase);
    if charsets.all(|charset| known.contains(&charset.as_str())) {
        Ok(())
    } else {
        Err(Refusal::Encoded.into())
    }
}

/// Reads a body of the required media type.
fn body(request: &HttpRequest, payload: &mut Payload, media: Media) -> Received {
    let (request, payload) = (request.clone(), payload.take());
    Box::pin(async move {
        said_to_be(&request, media)?;
        readable(read(&request, payload).await?)
    })
}

/// Reads a JSON body. An empty one may have any media type.
fn optional_body(request: &HttpRequest, payload: &mut Payload) -> Received {
    let (request, payload) = (request.clone(), payload.take());
    Box::pin(async move {
        let body = read(&request, payload).await?;
        if !body.is_empty() {
            said_to_be(&request, Media::Json)?;
        }
        readable(body)
    })
}

/// Returns the body, unless it is in UTF-16 or UTF-32, whatever the header says. No other text
/// begins with their byte-order marks.
fn readable(bytes: BytesMut) -> Result<BytesMut, Rejection> {
    let marks: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"];
    if marks.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(Refusal::Encoded.into());
    }
    Ok(bytes)
}

/// Bytes of a body that must arrive per second, on average, once it has begun.
const LEAST_PER_SECOND: u64 = 500;

/// Reads the whole body within `body_limit_bytes` and its time limit. Memory is allocated as bytes
/// arrive, whatever length was announced.
async fn read(request: &HttpRequest, payload: Payload) -> Result<BytesMut, Rejection> {
    let line = request.conn_data::<Rc<Line>>();
    line.inspect(|line| line.enter(Phase::Body));
    let body = gather(request, payload).await;
    line.inspect(|line| {
        line.handle(body.as_ref().map_or(0, |body| body.len()));
        line.enter(Phase::Busy);
    });
    body
}

async fn gather(request: &HttpRequest, mut payload: Payload) -> Result<BytesMut, Rejection> {
    let app = app(request)?;
    let settings = &app.ctx().settings;
    let limit = settings.body_limit_bytes as usize;
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(Refusal::PayloadTooLarge.into());
    }
    let begun = Instant::now();
    let grace = Duration::from_secs(u64::from(settings.header_timeout_seconds));
    let mut body = BytesMut::new();
    loop {
        let earned = Duration::from_secs(body.len() as u64 / LEAST_PER_SECOND);
        let next = timeout_at(begun + grace + earned, payload.next()).await;
        let Some(chunk) = next.map_err(|_late| Refusal::RequestTimeout)? else {
            return Ok(body);
        };
        let chunk = chunk.map_err(|_| flaw::no_json())?;
        if body.len() + chunk.len() > limit {
            return Err(Refusal::PayloadTooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
}

/// Reads an optional field that may be absent but not null: there is only one way to leave a field
/// out.
///
/// # Errors
/// Returns the deserializer's error.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A secret string in a request: a password, a code, a token.
#[derive(Deserialize)]
#[serde(from = "String")]
pub struct SecretText(Secret<String>);

impl SecretText {
    /// Returns the secret.
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }

    /// Counts the characters of the secret.
    pub fn characters(&self) -> u64 {
        self.0.expose().chars().count() as u64
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl ValidateLength<u64> for SecretText {
    fn length(&self) -> Option<u64> {
        Some(self.characters())
    }
}

/// `validator` keeps a copy of each value that it rejects. Of a secret, the copy tells only whether
/// it is empty.
impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let empty = self.0.expose().is_empty();
        serializer.serialize_str(if empty { "" } else { "[secret]" })
    }
}
