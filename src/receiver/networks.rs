//! Addresses and networks: from where a tenant's provider may send, and which
//! proxies are believed.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A list of addresses and networks, as PostgreSQL writes `inet`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Networks(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// A text that is neither `address` nor `address/prefix`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no IP address and no network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl Networks {
    /// What can be read of `list`; the rest allows nobody.
    pub fn readable(list: &[String]) -> Self {
        Self(list.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Whether the address is in one of the networks. An IPv4 address that came
    /// in over an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl TryFrom<Vec<String>> for Networks {
    type Error = NotANetwork;

    fn try_from(list: Vec<String>) -> Result<Self, NotANetwork> {
        list.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        networks.0.iter().map(|network| format!("{}/{}", network.address, network.prefix_bits)).collect()
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.unwrap_or(bits);
        if prefix_bits > bits { Err(wrong()) } else { Ok(Self { address, prefix_bits }) }
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let (a, b, bits) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        (a ^ b).checked_shr(bits - u32::from(self.prefix_bits)).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_the_listed_addresses_and_networks_only() {
        let list = ["13.203.39.153/32", "10.1.0.0/16", "2001:db8::/32", "192.0.2.7", "bad", "1.2.3.4/33"];
        let list = Networks::readable(&list.map(str::to_owned));
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
        assert!(Networks::readable(&["0.0.0.0/0".to_owned()]).contains("8.8.8.8".parse().unwrap()));
        assert!(!Networks::default().contains("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn says_what_it_cannot_read_and_writes_what_it_read() {
        for bad in ["", "bad", "1.2.3.4/33", "1.2.3.4/", "::1/129", "10.0.0.0/8,::1"] {
            let error = Networks::try_from(vec!["10.0.0.0/8".to_owned(), bad.to_owned()]).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
        let list = vec!["10.0.0.0/8".to_owned(), "::1/128".to_owned()];
        assert_eq!(Vec::from(Networks::try_from(list.clone()).unwrap()), list);
    }
}
