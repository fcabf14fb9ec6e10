//! The network that an address stands for when failures are counted.

use std::net::IpAddr;

/// One IPv4 address, or the /64 that one IPv6 customer has: as `inet` text.
pub fn of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("{v4}/32"),
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            format!("{}/64", std::net::Ipv6Addr::from(segments))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_six_stands_for_its_network() {
        assert_eq!(of("192.0.2.7".parse().unwrap()), "192.0.2.7/32");
        assert_eq!(of("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.7/32");
        assert_eq!(of("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
    }
}
