//! Who is next: the lanes of a queue and how many jobs each may give.
//!
//! A lane is (priority, tenant, kind). Claims take from the lanes in turn, so a
//! tenant with a hundred thousand jobs delays another's single job by one look
//! for lanes, not by its backlog. Lanes are found by a query of their own, since
//! it walks over what other claims left dead in the index; between two looks,
//! claims go by the book.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use crate::store::{ClaimedRow, LaneRow, LaneShare};

/// Lanes in the book at once; with more, each look goes on behind the last.
pub(crate) const MOST_LANES: usize = 500;

/// Least and longest time between two looks while there is work.
const LOOK_LEAST: Duration = Duration::from_millis(100);
const LOOK_GREATEST: Duration = Duration::from_millis(500);

/// A look may cost this share of the time, in 1/n.
const LOOK_SHARE: u32 = 20;

/// A position in the order of lanes.
pub(crate) type Cursor = (i16, Uuid, String);

/// Before all lanes.
pub(crate) fn first() -> Cursor {
    (-1, Uuid::nil(), String::new())
}

#[derive(Debug, Clone)]
struct Lane {
    priority: i16,
    tenant: Uuid,
    kind: String,
    not_before: DateTime<Utc>,
}

/// What is known of the lanes of one queue.
#[derive(Debug)]
pub(crate) struct LaneBook {
    /// Lanes with due jobs, best priority first; those of one priority take turns.
    lanes: VecDeque<Lane>,
    /// Where the next look begins.
    cursor: Cursor,
    next_look: Option<Instant>,
    /// Time until the first job of those that wait is due.
    due_in: Option<Duration>,
    capped: bool,
}

impl LaneBook {
    pub(crate) fn new() -> Self {
        Self { lanes: VecDeque::new(), cursor: first(), next_look: None, due_in: None, capped: false }
    }

    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor.clone()
    }

    /// Whether a tenant of the queue may run only so many jobs at once.
    pub(crate) fn is_capped(&self) -> bool {
        self.capped
    }

    /// Whether it is time to look for lanes again.
    pub(crate) fn is_stale(&self) -> bool {
        self.lanes.is_empty() || self.next_look.is_none_or(|at| Instant::now() >= at)
    }

    /// Time until a job that waits is due, as far as the last look saw.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        self.due_in
    }

    /// Tenants in the book.
    pub(crate) fn tenants(&self) -> Vec<Uuid> {
        let mut tenants: Vec<Uuid> = self.lanes.iter().map(|lane| lane.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// Takes in what a look found, and how long it took.
    pub(crate) fn enter(&mut self, found: Vec<LaneRow>, took: Duration) {
        self.next_look = Some(Instant::now() + (took * LOOK_SHARE).clamp(LOOK_LEAST, LOOK_GREATEST));
        self.capped = found.first().is_some_and(|row| row.tenant_cap.is_some());
        self.cursor = match found.last() {
            Some(last) if found.len() >= MOST_LANES => (last.priority, last.tenant, last.kind.clone()),
            _ => first(),
        };
        self.due_in = None;
        let mut lanes = Vec::with_capacity(found.len());
        // A claim asks no more lanes than it wants jobs: those that can give none would
        // be asked before those that can.
        for row in found.into_iter().filter(|row| !row.paused && !row.full) {
            if row.due_in_seconds > 0.0 {
                let due = Duration::try_from_secs_f64(row.due_in_seconds).unwrap_or(Duration::MAX);
                self.due_in = Some(self.due_in.map_or(due, |known| known.min(due)));
            } else {
                lanes.push(Lane {
                    priority: row.priority,
                    tenant: row.tenant,
                    kind: row.kind,
                    not_before: row.oldest_run_at,
                });
            }
        }
        // The look is sorted by tenant within a priority: start somewhere else
        // each time, or the first tenants would always be served first.
        let turn = rand::random_range(0..=lanes.len());
        lanes.rotate_left(turn);
        lanes.sort_by_key(|lane| lane.priority);
        self.lanes = lanes.into();
    }

    /// How many jobs each lane may give to a claim of `wanted`; `room` says how
    /// many more of a kind may run, where there is a limit.
    pub(crate) fn allot(&self, wanted: usize, room: &mut HashMap<&str, usize>) -> Vec<LaneShare> {
        let mut peers: HashMap<i16, usize> = HashMap::new();
        for lane in &self.lanes {
            *peers.entry(lane.priority).or_default() += 1;
        }
        let mut shares = Vec::new();
        for lane in &self.lanes {
            let fair = wanted.div_ceil(peers.get(&lane.priority).copied().unwrap_or(1));
            let share = match room.get_mut(lane.kind.as_str()) {
                Some(left) => {
                    let share = fair.min(*left);
                    *left -= share;
                    share
                }
                None => fair,
            };
            if share > 0 {
                shares.push(LaneShare {
                    priority: lane.priority,
                    tenant: lane.tenant,
                    kind: lane.kind.clone(),
                    not_before: lane.not_before,
                    share,
                });
            }
            // The claim stops there, and those behind come first next time.
            if shares.len() >= wanted {
                break;
            }
        }
        shares
    }

    /// Takes in what a claim gave: lanes that gave less than they might are
    /// empty as far as we know, the others go to the end of their priority.
    pub(crate) fn settle(&mut self, asked: &[LaneShare], wanted: usize, claimed: &[ClaimedRow]) {
        let mut given: HashMap<(i16, Uuid, &str), (usize, DateTime<Utc>)> = HashMap::new();
        for row in claimed {
            let lane = (row.priority, row.user_id.unwrap_or_default(), row.kind.as_str());
            let entry = given.entry(lane).or_insert((0, row.run_at));
            *entry = (entry.0 + 1, entry.1.max(row.run_at));
        }
        let full = claimed.len() >= wanted;
        for share in asked {
            let Some(at) = self.lanes.iter().position(|lane| share.is_of(lane.priority, lane.tenant, &lane.kind))
            else {
                continue;
            };
            let lane = (share.priority, share.tenant, share.kind.as_str());
            let (gave, last) = given.get(&lane).copied().unwrap_or((0, share.not_before));
            if gave < share.share && !full {
                self.lanes.remove(at);
            } else if gave > 0 {
                let Some(mut lane) = self.lanes.remove(at) else { continue };
                lane.not_before = last;
                let end = self.lanes.iter().rposition(|other| other.priority <= lane.priority).map_or(0, |at| at + 1);
                self.lanes.insert(end, lane);
            }
        }
    }
}
