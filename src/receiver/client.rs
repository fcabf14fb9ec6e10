//! Whose request it is when proxies stand in front.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use super::networks::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that the request comes from: the connection's other end, unless
/// that is a trusted proxy. Proxies append to `X-Forwarded-For`, so it is read
/// from its end: the first address that is no trusted proxy's is the client's,
/// and what stands before it is whatever the client wrote. `None` when a trusted
/// proxy forwards what is no address.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> Option<IpAddr> {
    let mut client = peer.to_canonical();
    let forwarded = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut hops = forwarded.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    while trusted.contains(client) {
        let Some(hop) = hops.next() else { break };
        client = parse(hop)?.to_canonical();
    }
    Some(client)
}

/// An address, with or without a port.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted = Networks::try_from(vec!["10.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap();
        address(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    /// Breaks tried: reading from the left; trusting every peer; stopping at the first hop.
    #[test]
    fn is_the_last_address_that_no_trusted_proxy_has() {
        for (peer, forwarded, expected) in [
            ("192.0.2.7", &["13.203.39.153"][..], Some("192.0.2.7")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("10.0.0.1", &["13.203.39.153"], Some("13.203.39.153")),
            ("10.0.0.1", &["13.203.39.153, 192.0.2.7"], Some("192.0.2.7")),
            ("10.0.0.1", &["13.203.39.153", "192.0.2.7, 10.0.0.2"], Some("192.0.2.7")),
            ("::ffff:10.0.0.1", &["192.0.2.7:50123"], Some("192.0.2.7")),
            ("::1", &["[2001:db8::1]:443"], Some("2001:db8::1")),
            ("::1", &["::ffff:192.0.2.7"], Some("192.0.2.7")),
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], Some("10.0.0.3")),
            ("10.0.0.1", &["13.203.39.153, unknown"], None),
            ("10.0.0.1", &["13.203.39.153,"], None),
            ("10.0.0.1", &["unknown, 192.0.2.7"], Some("192.0.2.7")),
        ] {
            assert_eq!(client(peer, forwarded).as_deref(), expected, "{peer} {forwarded:?}");
        }
    }
}
