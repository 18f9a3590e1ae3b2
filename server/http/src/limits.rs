//! Finds the network address of a request's client: the peer, or what a trusted proxy says.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use ipnet::IpNet;

use crate::app::App;
use crate::model::source::Source;

/// Returns the source of a request (ASVS 4.1.3). It is the peer's address. Only if the peer is a
/// trusted proxy, it is the last address in `X-Forwarded-For` that is not a trusted proxy itself.
pub fn source(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Source {
    // A peer without an address is a Unix socket or a test.
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| {
        address.to_canonical()
    });
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut nearest = peer;
    for hop in forwarded(headers) {
        // Entries further left were written by hosts that we do not trust.
        if !is_trusted(nearest) {
            break;
        }
        let Some(address) = hop else { break };
        nearest = address;
    }
    Source::Client(nearest)
}

/// Returns the hops of `X-Forwarded-For` from right to left; `None` for an entry that is not an
/// address.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all("X-Forwarded-For").collect();
    lines.into_iter().rev().flat_map(|line| {
        let line = line.to_str().unwrap_or_default();
        line.rsplit(',').map(|hop| hop_address(hop.trim()))
    })
}

/// Parses `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:4711`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(hop)
        .parse()
        .or_else(|_| hop.parse().map(|address: SocketAddr| address.ip()))
        .map(|address| address.to_canonical())
        .ok()
}

/// Lets handlers take the source as an argument.
pub struct Client(pub Source);

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let peer = request.peer_addr().map(|address| address.ip());
        let trusted = request.app_data::<Data<App>>();
        let trusted = trusted.map_or(&[][..], |app| &app.ctx().settings.trusted_proxies);
        ready(Ok(Self(source(peer, request.headers(), trusted))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use ipnet::IpNet;

    use super::source;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let name = HeaderName::from_static("x-forwarded-for");
            headers.append(name, HeaderValue::from_static(line));
        }
        source(peer.parse().ok(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(seen("203.0.113.7", &["198.51.100.1"]), "203.0.113.7");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1"]), "127.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("10.0.0.1", &["127.0.0.1, 198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.1, 10.9.9.9"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("10.0.0.1", &["192.0.2.1", "198.51.100.1,fd00::7"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn ports_and_nonsense() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, "]), "10.0.0.1");
    }
}
