//! The addresses from which a tenant's provider may send.

use std::net::IpAddr;

/// Addresses and networks, as PostgreSQL writes `inet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList(Vec<(IpAddr, u8)>);

impl AllowList {
    /// Reads `address` or `address/prefix`; what is neither allows nobody.
    pub fn parse(list: &[String]) -> Self {
        Self(list.iter().filter_map(|text| network(text)).collect())
    }

    /// Whether the address of the connection's other end is allowed. An IPv4
    /// address that came in over an IPv6 socket counts as IPv4.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|(network, prefix)| same_prefix(*network, peer, *prefix))
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(bits);
    (prefix <= bits).then_some((address, prefix))
}

fn same_prefix(network: IpAddr, peer: IpAddr, prefix: u8) -> bool {
    let (a, b, bits) = match (network, peer) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    (a ^ b).checked_shr(bits - u32::from(prefix)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_the_listed_addresses_and_networks_only() {
        let list = ["13.203.39.153/32", "10.1.0.0/16", "2001:db8::/32", "192.0.2.7", "bad", "1.2.3.4/33"];
        let list = AllowList::parse(&list.map(str::to_owned));
        for (peer, allowed) in [
            ("13.203.39.153", true),
            ("13.203.39.152", false),
            ("::ffff:13.203.39.153", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("192.0.2.7", true),
            ("1.2.3.4", false),
        ] {
            assert_eq!(list.contains(peer.parse().unwrap()), allowed, "{peer}");
        }
        assert!(AllowList::parse(&["0.0.0.0/0".to_owned()]).contains("8.8.8.8".parse().unwrap()));
        assert!(!AllowList::parse(&[]).contains("8.8.8.8".parse().unwrap()));
    }
}
