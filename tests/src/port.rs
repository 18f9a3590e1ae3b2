//! Addresses for servers that a test starts, stops and starts again. Nobody takes them meanwhile.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux (32,768) and others (49,152) assign ports: no connection or
/// server of another test gets one of these by chance.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns an address of this machine where nobody listens and which no other test of this run
/// gets.
///
/// # Panics
/// Panics if none is left.
pub fn of_ones_own() -> SocketAddr {
    // Two runs at the same time start at different places.
    let begin = std::process::id() * 97;
    (FIRST..LAST)
        .map(|_| {
            let nth = u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + begin;
            let port = u32::from(FIRST) + nth % u32::from(LAST - FIRST);
            let port = u16::try_from(port).expect("a port");
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        })
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a port that is free")
}
