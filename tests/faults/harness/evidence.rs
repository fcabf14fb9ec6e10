//! What was sent and acknowledged, by the senders' histories.

use std::collections::BTreeMap;
use std::path::Path;

use tallyline::simulate::history::Delivered;
use uuid::Uuid;

/// Names an event as the receiver does: tenant, provider, hash of the body.
pub type EventKey = (Uuid, String, String);

/// All deliveries of a run.
#[derive(Debug, Default, Clone)]
pub struct Evidence {
    /// Every event that was sent, and whether it was acknowledged at least once.
    pub events: BTreeMap<EventKey, bool>,
    pub deliveries: u64,
    pub acknowledged: u64,
    /// Deliveries without an answer, or with one that is no promise.
    pub unanswered: u64,
}

impl Evidence {
    pub fn of<'a>(histories: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut evidence = Self::default();
        for path in histories {
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines() {
                evidence.note(serde_json::from_str(line).unwrap());
            }
        }
        evidence
    }

    pub fn note(&mut self, delivered: Delivered) {
        let promised = matches!(delivered.status, Some(200 | 202));
        self.deliveries += 1;
        self.acknowledged += u64::from(promised);
        self.unanswered += u64::from(!promised);
        *self.events.entry((delivered.user_id, delivered.provider, delivered.sha256)).or_default() |= promised;
    }
}
