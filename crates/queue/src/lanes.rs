//! Who is next: the lanes of a queue and how many jobs each may give.
//!
//! A lane is (priority, tenant, kind). Claims take from the lanes in turn, so a
//! tenant with a hundred thousand jobs delays another's single job by one look
//! for lanes, not by its backlog. Lanes are found by a query of their own, since
//! it walks over what other claims left dead in the index; between two looks,
//! claims go by the book, each lane on behind what it gave last: what is claimed
//! stays in the index until it ends.

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

/// Where in a lane: the time at which a job is due, and its id.
type Place = (DateTime<Utc>, i64);

#[derive(Debug, Clone)]
struct Lane {
    priority: i16,
    tenant: Uuid,
    kind: String,
    /// Its jobs are looked for from here on.
    from: Place,
}

impl Lane {
    fn is(&self, other: &Self) -> bool {
        (self.priority, self.tenant, &self.kind) == (other.priority, other.tenant, &other.kind)
    }
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
    /// The one lane that the last claim took from, if that was one, and whether
    /// the claim before did as well.
    usual: Option<(Lane, bool)>,
    /// When a look last found something, and with it whether there is a cap.
    seen: Option<Instant>,
}

impl LaneBook {
    pub(crate) fn new() -> Self {
        Self {
            lanes: VecDeque::new(),
            cursor: first(),
            next_look: None,
            due_in: None,
            capped: false,
            usual: None,
            seen: None,
        }
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

    /// What a hint most likely speaks of when there is nothing in the book: the lane
    /// that the last two claims took from. It may be asked before the look that is due,
    /// which saves the job a round trip; when it has nothing, the look comes next.
    pub(crate) fn guess(&mut self) -> bool {
        let Some((lane, true)) = &self.usual else { return false };
        // A cap that was set meanwhile is known by the next look that finds something.
        let is_fresh = self.seen.is_some_and(|at| at.elapsed() < LOOK_GREATEST);
        if !is_fresh || !self.lanes.is_empty() {
            return false;
        }
        self.lanes.push_back(lane.clone());
        self.next_look = Some(Instant::now() + LOOK_LEAST);
        true
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
        if !found.is_empty() {
            self.seen = Some(Instant::now());
        }
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
                    from: (row.oldest_run_at, row.oldest_id),
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
                    not_before: lane.from.0,
                    first_id: lane.from.1,
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
        let mut given: HashMap<(i16, Uuid, &str), (usize, Place)> = HashMap::new();
        for row in claimed {
            let lane = (row.priority, row.user_id.unwrap_or_default(), row.kind.as_str());
            let at = (row.run_at, row.id);
            let entry = given.entry(lane).or_insert((0, at));
            *entry = (entry.0 + 1, entry.1.max(at));
        }
        self.usual = match given.iter().next() {
            Some((&(priority, tenant, kind), &(_, from))) if given.len() == 1 && !self.capped => {
                let lane = Lane { priority, tenant, kind: kind.to_owned(), from };
                let again = self.usual.as_ref().is_some_and(|(known, _)| known.is(&lane));
                Some((lane, again))
            }
            _ => None,
        };
        let full = claimed.len() >= wanted;
        for share in asked {
            let Some(at) = self.lanes.iter().position(|lane| share.is_of(lane.priority, lane.tenant, &lane.kind))
            else {
                continue;
            };
            let lane = (share.priority, share.tenant, share.kind.as_str());
            let (gave, last) = given.get(&lane).copied().unwrap_or((0, (share.not_before, share.first_id)));
            if gave < share.share && !full {
                self.lanes.remove(at);
            } else if gave > 0 {
                let Some(mut lane) = self.lanes.remove(at) else { continue };
                lane.from = last;
                let end = self.lanes.iter().rposition(|other| other.priority <= lane.priority).map_or(0, |at| at + 1);
                self.lanes.insert(end, lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(kind: &str) -> LaneRow {
        LaneRow {
            priority: 1,
            tenant: Uuid::nil(),
            kind: kind.to_owned(),
            oldest_run_at: DateTime::UNIX_EPOCH,
            oldest_id: 1,
            due_in_seconds: -1.0,
            paused: false,
            full: false,
            tenant_cap: None,
        }
    }

    fn steady() -> LaneBook {
        let mut book = LaneBook::new();
        turn(&mut book, &[claimed("a", 1)]);
        turn(&mut book, &[claimed("a", 2)]);
        book
    }

    fn claimed(kind: &str, id: i64) -> ClaimedRow {
        ClaimedRow {
            id,
            kind: kind.to_owned(),
            user_id: None,
            coalesce_key: None,
            payload: serde_json::from_str("{}").unwrap(),
            priority: 1,
            run_at: DateTime::UNIX_EPOCH,
            attempt: 1,
            claims: 1,
            max_attempts: 1,
            trace: None,
            permit_slot: None,
            wait_seconds: 0.0,
        }
    }

    /// Looks, if that is due, and claims what is there.
    fn turn(book: &mut LaneBook, rows: &[ClaimedRow]) -> Vec<LaneShare> {
        if book.is_stale() {
            book.enter(rows.iter().take(1).map(|row| look(&row.kind)).collect(), Duration::ZERO);
        }
        let asked = book.allot(10, &mut HashMap::new());
        book.settle(&asked, 10, rows);
        asked
    }

    /// Broken by hand: with the id left out of where a lane goes on.
    #[test]
    fn a_lane_goes_on_where_its_last_claim_ended() {
        let mut book = LaneBook::new();
        let rows: Vec<_> = (1..=10).map(|id| claimed("a", id)).collect();
        turn(&mut book, &rows);
        let next = turn(&mut book, &rows);
        assert_eq!(
            next.iter().map(|share| (share.not_before, share.first_id)).collect::<Vec<_>>(),
            [(DateTime::UNIX_EPOCH, 10)]
        );
    }

    /// Broken by hand: with a guess after one claim, and with the guess kept after it failed.
    #[test]
    fn what_two_claims_took_from_is_guessed_until_it_fails_and_then_looked_for() {
        let mut book = LaneBook::new();
        assert!(!book.guess(), "nothing is known");
        turn(&mut book, &[claimed("a", 1)]);
        assert!(!book.guess(), "once is chance");
        let mut book = steady();
        assert!(book.is_stale(), "it gave less than it might");
        assert!(book.guess() && !book.is_stale(), "asked before the look");
        let asked = turn(&mut book, &[]);
        assert_eq!(asked.first().map(|share| (share.kind.as_str(), share.first_id)), Some(("a", 2)));
        assert!(book.is_stale() && !book.guess(), "then the look");
        turn(&mut book, &[claimed("a", 3)]);
        turn(&mut book, &[claimed("b", 4)]);
        assert!(!book.guess(), "they differ");
    }
    /// Broken by hand: with a guess whatever the age of what is known, and with one in a
    /// queue with a cap: its claim would take no permit.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_guessed_where_a_cap_may_be() {
        let mut book = steady();
        tokio::time::advance(LOOK_GREATEST).await;
        assert!(!book.guess(), "a cap may have been set");
        let mut book = LaneBook::new();
        for id in 1..=2 {
            book.enter(vec![LaneRow { tenant_cap: Some(5), ..look("a") }], Duration::ZERO);
            let asked = book.allot(10, &mut HashMap::new());
            book.settle(&asked, 10, &[claimed("a", id)]);
        }
        book.enter(Vec::new(), Duration::ZERO);
        assert!(!book.guess(), "there is one");
    }
}
