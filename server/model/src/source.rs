//! `Source`: where a request came from, as limits and the audit trail see it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operator, on the command line.
    Console,
    /// A client's address: that of the connection, or the one that a trusted proxy forwarded.
    Client(IpAddr),
}

impl Source {
    /// Returns the network that limits count by: the /24 of an IPv4 address, the /56 of an IPv6 address.
    pub fn network(self) -> IpAddr {
        match self {
            Self::Console => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::Client(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
            }
            Self::Client(IpAddr::V6(address)) => {
                let mask = u128::MAX << (128 - 56);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console => f.write_str("console"),
            Self::Client(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn neighbours_share_a_network() {
        let network = |text: &str| Source::Client(text.parse().expect("an address")).network();
        assert_eq!(network("203.0.113.7"), network("203.0.113.250"));
        assert_ne!(network("203.0.113.7"), network("203.0.114.7"));
        assert_eq!(network("2001:db8:0:aa01::1"), network("2001:db8:0:aaff::2"));
        assert_ne!(network("2001:db8:0:aa01::1"), network("2001:db8:0:ab01::1"));
    }
}
