//! Reads a request's own id, `X-Request-Id`, and the id of the trace that it belongs to.

use actix_web::http::header::{HeaderMap, HeaderName};
use uuid::Uuid;

/// The header with a request's id: in its answer and, if the caller chose one, in the request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Returns the caller's id for the request if it is exactly one UUID, as our own are. Anything else
/// is ignored, so that nobody can write arbitrary text into the log or an answer.
pub fn id(headers: &HeaderMap) -> Option<Uuid> {
    let mut sent = headers.get_all(X_REQUEST_ID);
    let (only, None) = (sent.next()?, sent.next()) else {
        return None;
    };
    let text = only.to_str().ok().filter(|text| text.len() == 36)?;
    Uuid::try_parse(text).ok().filter(|id| !id.is_nil())
}

/// Returns the id of the trace that the request belongs to: 32 hexadecimal digits (W3C Trace
/// Context §3.2).
pub fn trace(headers: &HeaderMap) -> Option<String> {
    let mut sent = headers.get_all(TRACEPARENT);
    let (only, None) = (sent.next()?, sent.next()) else {
        return None;
    };
    let mut parts = only.to_str().ok()?.splitn(5, '-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may have more parts; version 00 has exactly these.
    let well = hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2);
    let named = |text: &str| text.bytes().any(|digit| digit != b'0');
    (well && named(trace) && named(parent)).then(|| trace.to_owned())
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::{TRACEPARENT, X_REQUEST_ID, id, trace};

    #[test]
    fn a_caller_names_a_request_by_one_uuid() {
        let sent = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_static(value));
            }
            id(&headers).map(|id| id.to_string())
        };
        let own = "6f1d0f0e-52a4-4f6c-9c5e-2b1f3f0d8a77";
        assert_eq!(sent(&[own]), Some(own.to_owned()));
        for other in [
            &[][..],
            &[own, own],
            &["nonsense"],
            &["6f1d0f0e52a44f6c9c5e2b1f3f0d8a77"],
            &["00000000-0000-0000-0000-000000000000"],
            &["{6f1d0f0e-52a4-4f6c-9c5e-2b1f3f0d8a77}"],
        ] {
            assert_eq!(sent(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_trace_is_taken_up_where_it_is_well_formed() {
        let sent = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(TRACEPARENT, HeaderValue::from_static(value));
            trace(&headers)
        };
        let own = "4bf92f3577b34da6a3ce929d0e0e4736";
        for good in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(sent(good).as_deref(), Some(own), "{good}");
        }
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(sent(bad), None, "{bad}");
        }
    }
}
