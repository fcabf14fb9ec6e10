//! Connections of each peer, counted, so that one cannot take all places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::networks::Networks;

/// Who is connected how often. Trusted proxies speak for many and are not counted.
#[derive(Debug)]
pub struct Addresses {
    most: usize,
    trusted: Networks,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection; it no longer counts when this is dropped.
#[derive(Debug)]
pub struct Place(Option<(Arc<Addresses>, IpAddr)>);

impl Addresses {
    pub fn new(most: usize, trusted: Networks) -> Arc<Self> {
        Arc::new(Self { most, trusted, open: Mutex::default() })
    }

    /// A place for one more connection of this peer, if it has not too many.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        if self.trusted.contains(peer) {
            return Some(Place(None));
        }
        let mut open = self.lock();
        let count = open.entry(peer).or_default();
        if *count >= self.most.max(1) {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), peer))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Whoever panicked while holding it left counts that are whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((addresses, peer)) = &self.0 else { return };
        let mut open = addresses.lock();
        match open.get_mut(peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_peer_and_forgets_those_that_left() {
        let trusted = Networks::try_from(vec!["10.0.0.1".to_owned()]).unwrap();
        let addresses = Addresses::new(2, trusted);
        let admit = |peer: &str| addresses.admit(peer.parse().unwrap());
        let (first, second) = (admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap());
        assert!(admit("192.0.2.1").is_none());
        let _proxy: Vec<_> = (0..5).map(|_| admit("10.0.0.1").unwrap()).collect();
        drop(first);
        let third = admit("192.0.2.1").unwrap();
        drop((second, third));
        assert!(addresses.lock().is_empty());
    }
}
