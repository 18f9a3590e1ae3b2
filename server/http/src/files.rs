//! Serves files that do not change while the server runs: compressed for clients that accept it,
//! and not again to clients that have them.
//!
//! Nothing else is ever compressed. The length of a compressed answer reveals its content, and
//! answers of the APIs contain secrets next to what a client chose (BREACH).

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, ETAG,
    HeaderMap, HeaderName, IF_NONE_MATCH, VARY,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Below this many bytes compression saves no packet.
const WORTH_IT: usize = 1024;

/// A file to serve.
pub struct File {
    path: String,
    media: String,
    bytes: LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>,
    keep: &'static str,
    tag: OnceLock<String>,
    packed: OnceLock<Option<Bytes>>,
    language: Option<&'static str>,
    others: Vec<File>,
}

impl File {
    /// Makes a file at a path, with a media type.
    pub fn new(path: impl Into<String>, media: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::made(path, media, move || bytes)
    }

    /// Makes a file at a path, with a media type, whose bytes are computed on the first request.
    pub fn made(
        path: impl Into<String>,
        media: impl Into<String>,
        make: impl FnOnce() -> Bytes + Send + 'static,
    ) -> Self {
        Self {
            path: path.into(),
            media: media.into(),
            bytes: LazyLock::new(Box::new(make)),
            keep: "no-cache",
            tag: OnceLock::new(),
            packed: OnceLock::new(),
            language: None,
            others: Vec::new(),
        }
    }

    /// Makes one file of its versions in several languages, each with its tag (RFC 5646). Browsers that
    /// want none of them get the first. `None` if there is no version.
    pub fn spoken(versions: Vec<(&'static str, Self)>) -> Option<Self> {
        let in_language = |(language, file)| Self {
            language: Some(language),
            ..file
        };
        let mut versions = versions.into_iter().map(in_language);
        let first = versions.next()?;
        Some(Self {
            others: versions.collect(),
            ..first
        })
    }

    /// Makes the file uncacheable: nobody stores a copy, not even for revalidation.
    pub fn unkept(self) -> Self {
        Self {
            keep: "no-store",
            ..self
        }
    }

    /// Answers with the version in the client's language.
    fn answer(&self, headers: &HeaderMap) -> HttpResponse {
        if self.others.is_empty() {
            return self.answer_itself(headers, "Accept-Encoding");
        }
        let spoken = |file: &&Self| file.language.map_or(0.0, |tag| liking(headers, tag));
        let mut best = self;
        for other in &self.others {
            if spoken(&other) > spoken(&best) {
                best = other;
            }
        }
        best.answer_itself(headers, "Accept-Encoding, Accept-Language")
    }

    /// Answers with the file, or with 304 if the client has it.
    fn answer_itself(&self, headers: &HeaderMap, vary: &'static str) -> HttpResponse {
        let packed = takes_gzip(headers).then(|| self.packed()).flatten();
        let tag = self
            .tag
            .get_or_init(|| format!("{:08x}", crc32fast::hash(&self.bytes)));
        let tag = match packed {
            Some(_) => format!("\"{tag}-gzip\""),
            None => format!("\"{tag}\""),
        };
        let known = has(headers, &tag);
        let mut answer = match known {
            true => HttpResponse::NotModified(),
            false => HttpResponse::Ok(),
        };
        answer.insert_header((ETAG, tag));
        answer.insert_header((CACHE_CONTROL, self.keep));
        answer.insert_header((VARY, vary));
        if let Some(language) = self.language {
            answer.insert_header((CONTENT_LANGUAGE, language));
        }
        if known {
            return answer.finish();
        }
        answer.content_type(self.media.as_str());
        match packed {
            Some(packed) => answer
                .insert_header((CONTENT_ENCODING, "gzip"))
                .body(Slices(packed.clone())),
            None => answer.body(Slices(self.bytes.clone())),
        }
    }

    /// Returns the file as gzip, made on the first request; `None` if that is not shorter.
    fn packed(&self) -> Option<&Bytes> {
        let make = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&self.bytes).ok()?;
            let packed = encoder.finish().ok()?;
            (packed.len() < self.bytes.len()).then(|| Bytes::from(packed))
        };
        let worth_it = self.bytes.len() >= WORTH_IT;
        self.packed
            .get_or_init(|| worth_it.then(make).flatten())
            .as_ref()
    }
}

/// A body that is handed over in small parts. The framework copies each part before it finds out whether the
/// client reads, so a file in one part would be copied for everybody who asks and reads nothing.
struct Slices(Bytes);

/// The size of a part: what the framework keeps for a client at most is this and 32 KiB.
const SLICE: usize = 16 * 1024;

impl MessageBody for Slices {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().0;
        let part = rest.split_to(rest.len().min(SLICE));
        Poll::Ready((!part.is_empty()).then_some(Ok(part)))
    }
}

/// Mounts the files at their paths.
pub fn routes(config: &mut web::ServiceConfig, files: &Arc<[File]>) {
    for (index, file) in files.iter().enumerate() {
        let files = Arc::clone(files);
        let answer = move |request: HttpRequest| {
            std::future::ready(files.get(index).map_or_else(
                || HttpResponse::NotFound().finish(),
                |file| file.answer(request.headers()),
            ))
        };
        config.service(web::resource(file.path.as_str()).route(web::get().to(answer)));
    }
}

/// Tells whether the client has the version with this tag (RFC 9110 §13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let same = |one: &str| one == "*" || one.trim_start_matches("W/") == tag;
    listed(headers, &IF_NONE_MATCH).any(same)
}

/// Tells whether the client accepts gzip (RFC 9110 §12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let wanted = |one: &str| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        let refused = weight.is_some_and(|weight| weight.is_ok_and(|weight| weight <= 0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    };
    listed(headers, &ACCEPT_ENCODING).any(wanted)
}

/// Returns how much a client likes a language, from 0 to 1: the weight of the best range that names it
/// or one of its regions (RFC 9110 §12.5.4).
fn liking(headers: &HeaderMap, language: &str) -> f32 {
    let weight = |one: &str| {
        let (range, weight) = one.split_once(';').unwrap_or((one, ""));
        let named = range.split('-').next().unwrap_or(range).trim();
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse);
        let weight = weight.unwrap_or(0.0);
        named.eq_ignore_ascii_case(language).then_some(weight)
    };
    listed(headers, &ACCEPT_LANGUAGE)
        .filter_map(weight)
        .fold(0.0, f32::max)
}

/// Returns the members of a list header, over all its lines.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use actix_web::body::{BodySize, MessageBody};
    use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderValue};
    use actix_web::web::Bytes;

    use super::{SLICE, Slices, liking};

    /// Takes a body apart, as the framework does.
    fn parts(mut body: Slices) -> Vec<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut parts = Vec::new();
        while let Poll::Ready(Some(Ok(part))) = Pin::new(&mut body).poll_next(&mut cx) {
            parts.push(part.len());
        }
        parts
    }

    #[test]
    fn a_file_is_handed_over_in_small_parts() {
        let body = Slices(Bytes::from(vec![7; 2 * SLICE + 1]));
        assert_eq!(body.size(), BodySize::Sized(2 * 16 * 1024 + 1));
        assert_eq!(parts(body), [SLICE, SLICE, 1]);
        assert!(parts(Slices(Bytes::new())).is_empty());
    }

    #[test]
    fn a_language_is_liked_as_much_as_its_best_range() {
        let likings = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(text));
            (liking(&headers, "en"), liking(&headers, "de"))
        };
        assert_eq!(likings("de-AT,de;q=0.9,en;q=0.8"), (0.8, 1.0));
        assert_eq!(likings("en-GB, de;q=0.5"), (1.0, 0.5));
        assert_eq!(likings("fr, *;q=0.1"), (0.0, 0.0));
        assert_eq!(likings("DE;q=x, en;q=0.3"), (0.3, 0.0));
        assert_eq!(likings("deutsch"), (0.0, 0.0));
    }
}
