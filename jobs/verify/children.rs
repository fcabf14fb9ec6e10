//! What rows should hold by the rows below them: a parent is the sum of its
//! children, and a tenant's row the sum of its agents' rows. Needs no calls.

use std::collections::{HashMap, HashSet};

use tallyline_history::{BucketFigures, BucketKey, Calendar, Grain};
use uuid::Uuid;

use super::rows::StoredRow;

/// Sums of the rows that were added, by the bucket above them.
#[derive(Debug, Default)]
pub(super) struct Children {
    parents: HashMap<BucketKey, BucketFigures>,
    tenants: HashMap<BucketKey, BucketFigures>,
    /// Contacts that a day has already; none when sets are not followed.
    contacts: Option<HashSet<(BucketKey, Uuid)>>,
}

impl Children {
    /// Sums that follow the sets and histograms of days, too; they take memory with the contacts.
    pub(super) fn with_sets() -> Children {
        Children { contacts: Some(HashSet::new()), ..Children::default() }
    }

    /// Takes a row into what lies above it.
    pub(super) fn add(&mut self, calendar: &Calendar, row: &StoredRow) {
        let Some(key) = row.key() else { return };
        let figures = row.figures();
        let above = |grain| calendar.bucket(grain, key.start_micros).map(|b| b.start_micros);
        let parent = match key.grain {
            Grain::Quarter => Some(Grain::Hour),
            Grain::Hour => Some(Grain::Day),
            Grain::Day => Some(Grain::Month),
            Grain::Month => None,
        };
        if let Some((grain, start_micros)) = parent.and_then(|grain| Some((grain, above(grain)?))) {
            self.parents
                .entry(BucketKey { grain, start_micros, agent_id: key.agent_id })
                .or_default()
                .add_counters(&figures);
            // Quarters are kept per agent only, so the tenant's hours are their sum.
            if key.grain == Grain::Quarter {
                let whole = BucketKey { grain, start_micros, agent_id: None };
                self.parents.entry(whole).or_default().add_counters(&figures);
            }
        }
        if key.grain == Grain::Quarter
            && let (true, Some(start_micros)) = (self.contacts.is_some(), above(Grain::Day))
        {
            for agent_id in [key.agent_id, None] {
                self.add_sets(BucketKey { grain: Grain::Day, start_micros, agent_id }, row);
            }
        }
        if key.grain != Grain::Quarter && key.agent_id.is_some() {
            self.tenants.entry(BucketKey { agent_id: None, ..key }).or_default().add_counters(&figures);
        }
    }

    fn add_sets(&mut self, day: BucketKey, row: &StoredRow) {
        let figures = self.parents.entry(day).or_default();
        for contact_id in row.contact_ids.iter().flatten() {
            if self.contacts.as_mut().is_some_and(|seen| seen.insert((day, *contact_id))) {
                figures.add_contact(*contact_id);
            }
        }
        let values = row.duration_values.iter().flatten();
        for (seconds, calls) in values.zip(row.duration_counts.iter().flatten()) {
            figures.add_duration(*seconds, i64::from(*calls));
        }
    }

    /// What a bucket's row should hold by the rows below it, and is taken out with it.
    pub(super) fn take_parent(&mut self, key: BucketKey) -> BucketFigures {
        self.parents.remove(&key).unwrap_or_default()
    }

    /// What the tenant's row should hold by its agents' rows.
    pub(super) fn take_tenant(&mut self, key: BucketKey) -> BucketFigures {
        self.tenants.remove(&key).unwrap_or_default()
    }

    /// All parents of a grain.
    pub(super) fn parents_of(&mut self, grain: Grain) -> HashMap<BucketKey, BucketFigures> {
        self.parents.extract_if(|key, _| key.grain == grain).collect()
    }
}
