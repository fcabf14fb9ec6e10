//! The queue as plain data: what is there, as lines of text, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::UNIT_SECONDS;

/// Times are seconds of a clock that only the history moves.
pub type Seconds = i64;

/// Kind, tenant, key.
pub type KeyName = (String, Uuid, String);

#[derive(Debug, Clone)]
pub struct Hold {
    pub lease: Uuid,
    pub deadline: Seconds,
    pub generation: i64,
    pub slot: Option<i32>,
    pub cancel: bool,
    /// When it was claimed, in acts.
    pub act: u64,
    /// Which setting of the queue's cap the claim knew.
    pub cap_version: u64,
}

#[derive(Debug, Clone)]
pub struct Unique {
    pub key: String,
    pub scope: &'static str,
    pub expires: Option<Seconds>,
    /// Another job took the key when its time was over.
    pub displaced: bool,
}

#[derive(Debug, Clone)]
pub struct Job {
    pub kind: String,
    pub queue: String,
    pub tenant: Uuid,
    pub coalesce: Option<String>,
    pub priority: i16,
    pub run_at: Seconds,
    pub attempt: i32,
    pub max_attempts: i32,
    pub claims: i64,
    pub lost: i32,
    pub requested: i64,
    pub unique: Option<Unique>,
    /// While it is claimed.
    pub hold: Option<Hold>,
    /// Requests that no run has answered yet: when they were made, in acts.
    pub open_requests: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub job: i64,
    pub claim: i64,
    pub outcome: &'static str,
    pub attempt: i32,
    pub max_attempts: i32,
    pub lease: Option<Uuid>,
}

/// Everything that the queue should hold.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub now: Seconds,
    /// Acts so far.
    pub act: u64,
    pub jobs: BTreeMap<i64, Job>,
    pub keys: BTreeMap<KeyName, (i64, Option<Seconds>)>,
    /// Jobs that ever held a key.
    pub holders: BTreeMap<KeyName, BTreeSet<i64>>,
    pub leases: BTreeMap<Uuid, Seconds>,
    pub paused_queues: BTreeSet<String>,
    pub paused_kinds: BTreeSet<String>,
    /// Cap and how often it was set.
    pub caps: BTreeMap<String, (Option<i32>, u64)>,
    pub history: Vec<Past>,
    /// Job, claims, attempts.
    pub dead: Vec<(i64, i64, i32)>,
    /// Every job that was ever added, and whether it is coalesced.
    pub added: BTreeMap<i64, bool>,
    /// Claims whose completion was accepted.
    pub accepted: BTreeSet<(i64, i64)>,
}

/// An error says what does not hold.
pub type Held = Result<(), String>;

/// Says what does not hold.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(what()) }
}

impl Job {
    /// Whether no other job may have its key.
    fn holds_key(&self, now: Seconds) -> bool {
        self.unique.as_ref().is_some_and(|unique| {
            let begun = unique.scope == "waiting" && self.claims > 0;
            !begun && !unique.displaced && unique.expires.is_none_or(|at| at > now)
        })
    }

    fn line(&self, id: i64, now: Seconds) -> String {
        let hold = self.hold.as_ref();
        let unique = self.unique.as_ref().map_or("-".to_owned(), |u| format!("{} {}", u.key, u.scope));
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let mut line = format!(
            "job|{id}|{}|{}|{}|coalesce={}|priority={}|due={}|attempt={}/{}|claims={}|lost={}|open={}|unique={unique}|{}|by={}|generation={}|deadline={}|permit={}",
            self.kind,
            self.queue,
            self.tenant,
            self.coalesce.as_deref().unwrap_or("-"),
            self.priority,
            in_units(self.run_at - now),
            self.attempt,
            self.max_attempts,
            self.claims,
            self.lost,
            self.requested,
            if hold.is_some() { "claimed" } else { "ready" },
            text(hold.map(|h| h.lease.to_string())),
            text(hold.map(|h| h.generation.to_string())),
            text(hold.map(|h| in_units(h.deadline - now).to_string())),
            text(hold.and_then(|h| h.slot).map(|slot| slot.to_string())),
        );
        if hold.is_some_and(|h| h.cancel) {
            line.push_str("|cancel");
        }
        line
    }
}

/// As SQL rounds it; no time lies near the middle between two units.
fn in_units(seconds: Seconds) -> i64 {
    (seconds as f64 / UNIT_SECONDS as f64).round() as i64
}

impl State {
    pub fn is_alive(&self, lease: Uuid) -> bool {
        self.leases.get(&lease).is_some_and(|expires| *expires > self.now)
    }

    pub fn cap(&self, queue: &str) -> Option<i32> {
        self.caps.get(queue).and_then(|(cap, _)| *cap)
    }

    pub fn cap_version(&self, queue: &str) -> u64 {
        self.caps.get(queue).map_or(0, |(_, version)| *version)
    }

    /// Whether a claim may take it now, a permit aside.
    pub fn is_due(&self, job: &Job) -> bool {
        job.hold.is_none()
            && job.run_at <= self.now
            && !self.paused_queues.contains(&job.queue)
            && !self.paused_kinds.contains(&job.kind)
    }

    /// Slots of a tenant's permits that are held.
    pub fn taken(&self, queue: &str, tenant: Uuid) -> BTreeSet<i32> {
        let of = self.jobs.values().filter(|job| job.queue == queue && job.tenant == tenant);
        of.filter_map(|job| job.hold.as_ref()?.slot).collect()
    }

    /// The same as `dump.sql` returns of the database.
    pub fn lines(&self) -> String {
        let now = self.now;
        let mut lines: Vec<String> = self.jobs.iter().map(|(id, job)| job.line(*id, now)).collect();
        for ((kind, tenant, key), (job, expires)) in &self.keys {
            if expires.is_none_or(|at| at > now) {
                let left = expires.map_or("-".to_owned(), |at| in_units(at - now).to_string());
                lines.push(format!("key|{kind}|{tenant}|{key}|{job}|{left}"));
            }
        }
        for (id, job) in &self.jobs {
            if let Some(Hold { slot: Some(slot), lease, .. }) = &job.hold {
                lines.push(format!("permit|{}|{}|{slot}|{id}|{}|{lease}", job.queue, job.tenant, job.claims));
            }
        }
        for past in &self.history {
            let lease = past.lease.map_or("-".to_owned(), |lease| lease.to_string());
            lines.push(format!("history|{}|{}|{}|{}|{lease}", past.job, past.claim, past.outcome, past.attempt));
        }
        lines.extend(self.dead.iter().map(|(job, claims, attempts)| format!("dead|{job}|{claims}|{attempts}")));
        lines.extend(self.leases.iter().map(|(id, expires)| format!("lease|{id}|{}", in_units(expires - now))));
        lines.extend(self.paused_queues.iter().map(|queue| format!("paused queue|{queue}")));
        lines.extend(self.paused_kinds.iter().map(|kind| format!("paused kind|{kind}")));
        lines.extend(self.caps.iter().filter_map(|(queue, (cap, _))| Some(format!("cap|{queue}|{}", (*cap)?))));
        lines.sort_unstable();
        lines.join("\n")
    }

    /// What must hold whatever happened. The database is known to hold the same
    /// lines, so it holds of the tables.
    pub fn check(&self) -> Held {
        self.check_ends()?;
        self.check_attempts()?;
        self.check_permits()?;
        self.check_keys()?;
        self.check_requests()
    }

    /// No job is lost, none ends twice, none ends and lives.
    fn check_ends(&self) -> Held {
        let mut ends: BTreeMap<i64, usize> = BTreeMap::new();
        for past in self.history.iter().filter(|past| ["succeeded", "cancelled"].contains(&past.outcome)) {
            *ends.entry(past.job).or_default() += 1;
        }
        for (job, ..) in &self.dead {
            *ends.entry(*job).or_default() += 1;
        }
        for (id, coalesced) in &self.added {
            let ends = ends.get(id).copied().unwrap_or(0);
            let lives = self.jobs.contains_key(id);
            ensure(lives || ends > 0, || format!("job {id} is lost"))?;
            // One coalesced row does for many requests, each generation has an end.
            let once = *coalesced || ends + usize::from(lives) == 1;
            ensure(once, || format!("job {id} ended {ends} times, and lives: {lives}"))?;
        }
        ensure(self.jobs.keys().all(|id| self.added.contains_key(id)), || "a job that nobody added".to_owned())
    }

    /// One end per claim, and never more attempts than allowed.
    fn check_attempts(&self) -> Held {
        let mut seen = BTreeSet::new();
        for past in &self.history {
            let (job, claim) = (past.job, past.claim);
            ensure(seen.insert((job, claim, past.lease.is_some())), || {
                format!("claim {claim} of job {job} ended twice")
            })?;
            ensure(past.attempt <= past.max_attempts, || format!("job {job} had attempt {}", past.attempt))?;
        }
        for (id, job) in &self.jobs {
            ensure(job.attempt <= job.max_attempts, || format!("job {id} is at attempt {}", job.attempt))?;
            ensure(job.hold.is_some() || job.attempt < job.max_attempts, || {
                format!("job {id} waits for one too many")
            })?;
            let last = self.history.iter().filter(|past| past.job == *id).map(|past| past.claim).max().unwrap_or(0);
            ensure(last <= job.claims, || format!("job {id} counts claims backwards"))?;
            let ended =
                self.history.iter().any(|past| past.job == *id && past.claim == job.claims && past.lease.is_some());
            ensure(job.hold.is_none() || !ended, || format!("job {id} runs under a claim that has ended"))?;
        }
        Ok(())
    }

    /// Tenants keep to their cap, and two jobs never share a permit.
    fn check_permits(&self) -> Held {
        let mut running: BTreeMap<(&str, Uuid), i32> = BTreeMap::new();
        let mut slots = BTreeSet::new();
        for (id, job) in &self.jobs {
            let Some(Hold { slot: Some(slot), cap_version, .. }) = &job.hold else { continue };
            ensure(slots.insert((&job.queue, job.tenant, slot)), || format!("job {id} shares permit {slot}"))?;
            if *cap_version == self.cap_version(&job.queue) {
                *running.entry((&job.queue, job.tenant)).or_default() += 1;
            }
        }
        for ((queue, tenant), running) in running {
            let cap = self.cap(queue).unwrap_or(i32::MAX);
            ensure(running <= cap, || format!("{running} jobs of {tenant} run in {queue}, capped at {cap}"))?;
        }
        Ok(())
    }

    /// No two jobs hold one key, and each that holds one is known by it.
    fn check_keys(&self) -> Held {
        let mut held = BTreeSet::new();
        for (id, job) in self.jobs.iter().filter(|(_, job)| job.holds_key(self.now)) {
            let name = (job.kind.clone(), job.tenant, job.unique.as_ref().map(|u| u.key.clone()).unwrap_or_default());
            let by = self.keys.get(&name).map(|(by, _)| *by);
            ensure(by == Some(*id), || format!("job {id} should hold its key, not {by:?}"))?;
            ensure(held.insert(name), || format!("job {id} is not alone with its key"))?;
        }
        Ok(())
    }

    /// One row per coalesced key; it is there as long as a request is open.
    fn check_requests(&self) -> Held {
        let mut rows = BTreeSet::new();
        for (id, job) in self.jobs.iter().filter(|(_, job)| job.coalesce.is_some()) {
            let alone = rows.insert((&job.kind, job.tenant, &job.coalesce));
            ensure(alone, || format!("job {id} is the second row of its key"))?;
            let known = job.requested == job.open_requests.len() as i64;
            ensure(known, || format!("job {id} forgot a request: {job:?}"))?;
            ensure(job.requested > 0, || format!("job {id} waits for nothing"))?;
        }
        Ok(())
    }
}
