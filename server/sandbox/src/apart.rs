//! Keeps web pages of other sites away from the sandbox's own API. A developer has such pages open while a
//! sandbox runs on the same machine, and browsers let every page send requests to it.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use std::net::IpAddr;
use url::Url;

use crate::Sandbox;

/// Where a browser says whether a page of another site sends the request (Fetch Metadata §2.2).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Tells whether a path belongs to the sandbox's own API.
pub fn is_own(path: &str) -> bool {
    path == "/sandbox" || path.starts_with("/sandbox/")
}

/// Tells whether the request may come from this machine's developer. It may not if it names a host that
/// somebody else's domain could lead to (DNS rebinding), or if a page of another site sends it.
pub fn may_call(sandbox: &Sandbox, request: &ServiceRequest) -> bool {
    let settings = &sandbox.app().ctx().settings;
    let headers = request.headers();
    let public = host_of(&settings.public_url);
    // Programs other than browsers may leave the host out (HTTP/1.0).
    let host = text(headers, &HOST).map(|host| host_of(&format!("http://{host}")));
    let named_well = match &host {
        None => true,
        Some(None) => false,
        Some(Some(host)) => {
            is_near(host) || host.parse::<IpAddr>().is_ok() || Some(host) == public.as_ref()
        }
    };
    let from_near = match (text(headers, &ORIGIN), text(headers, &SITE)) {
        (Some(origin), _) => {
            let page = host_of(origin);
            let own = page.as_ref().is_some_and(|page| {
                is_near(page) || [host.flatten().as_ref(), public.as_ref()].contains(&Some(page))
            });
            own || settings.cors_origins.iter().any(|listed| listed == origin)
        }
        (None, site) => site != Some("cross-site"),
    };
    named_well && from_near
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads the host of a URL or an origin, without the brackets of an address. The origin `null` has none.
fn host_of(url: &str) -> Option<String> {
    let host = Url::parse(url).ok()?.host_str()?.to_owned();
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// Tells whether nobody else can have this name: a loopback address, a name without a dot, as containers have,
/// or one that never leaves the machine (RFC 6761 §6.2 and §6.3).
fn is_near(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            !host.contains('.')
                || [".localhost", ".test"]
                    .iter()
                    .any(|end| host.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{host_of, is_near};

    #[test]
    fn a_name_that_somebody_else_can_have_is_not_near() {
        let near = [
            "localhost",
            "127.0.0.1",
            "::1",
            "countersign",
            "mfa.localhost",
            "shop.test",
        ];
        for host in near {
            assert!(is_near(host), "{host}");
        }
        let far = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "203.0.113.7",
        ];
        for host in far {
            assert!(!is_near(host), "{host}");
        }
    }

    #[test]
    fn the_host_of_an_origin_is_read() {
        assert_eq!(
            host_of("http://localhost:8080").as_deref(),
            Some("localhost")
        );
        assert_eq!(host_of("http://[::1]:8080").as_deref(), Some("::1"));
        assert_eq!(host_of("null"), None);
    }
}
