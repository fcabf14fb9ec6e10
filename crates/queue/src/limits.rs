//! How many jobs of a kind run at once in this process.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::hint::Hint;

/// Limits of kinds; kinds without one are bounded by their queue alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct KindLimits {
    kinds: Arc<HashMap<String, Arc<Semaphore>>>,
    hint: Hint,
}

/// A place of a kind; freeing it wakes claimers that found no room.
#[derive(Debug)]
pub(crate) struct KindPermit {
    permit: Option<OwnedSemaphorePermit>,
    hint: Hint,
}

impl Drop for KindPermit {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.hint.ring();
    }
}

/// Places that a claim has set aside; what is not used goes back.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    kinds: HashMap<&'a str, OwnedSemaphorePermit>,
    hint: &'a Hint,
}

impl KindLimits {
    pub(crate) fn new(limits: Vec<(String, usize)>, hint: Hint) -> Self {
        let kinds = limits.into_iter().map(|(kind, jobs)| (kind, Arc::new(Semaphore::new(jobs)))).collect();
        Self { kinds: Arc::new(kinds), hint }
    }

    /// Sets aside up to `wanted` places of each limited kind.
    pub(crate) fn reserve(&self, wanted: usize) -> Reserved<'_> {
        let mut reserved = HashMap::new();
        for (kind, places) in self.kinds.iter() {
            let free = u32::try_from(places.available_permits().min(wanted)).unwrap_or(0);
            // Another claimer may have taken some meanwhile; it is asked again soon.
            if let Ok(permit) = Arc::clone(places).try_acquire_many_owned(free) {
                reserved.insert(kind.as_str(), permit);
            }
        }
        Reserved { kinds: reserved, hint: &self.hint }
    }
}

impl<'a> Reserved<'a> {
    /// Places by kind.
    pub(crate) fn room(&self) -> HashMap<&'a str, usize> {
        self.kinds.iter().map(|(kind, permit)| (*kind, permit.num_permits())).collect()
    }

    /// Takes a place for a job of a kind; none where there is no limit.
    pub(crate) fn take(&mut self, kind: &str) -> Option<KindPermit> {
        let permit = self.kinds.get_mut(kind)?.split(1)?;
        Some(KindPermit { permit: Some(permit), hint: self.hint.clone() })
    }
}
