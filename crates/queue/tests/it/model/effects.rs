//! What each act must come to, given what the database answered.

use std::collections::BTreeSet;

use tallyline_queue::{
    Enqueued, NewJob, UniqueScope,
    store::{Cancelled, ClaimedRow, Ending, Report, Rescued, Verdict},
};
use uuid::Uuid;

use super::{
    LEASE_SWEEP_SECONDS, MARGIN_UNITS, MAX_LOST, OTHER_DEADLINE_UNITS, TTL_UNITS, UNIT_SECONDS,
    acts::{Act, End, Seen},
    deadline_units,
    generate::{Coalesced, coalesced},
    state::{Held, Hold, Job, KeyName, Past, State, Unique, ensure},
};

/// Longest time that a key of scope `any` is held when nothing is said.
const ANY_WINDOW_SECONDS: i64 = 24 * 60 * 60;

const fn in_seconds(units: u64) -> i64 {
    units as i64 * UNIT_SECONDS
}

impl State {
    /// Does what the act does. `alone` says that nothing else happened at the
    /// same time; then nothing may be left out, found locked or refused.
    pub fn apply(&mut self, act: &Act, seen: &Seen, alone: bool) -> Held {
        self.act += 1;
        match (act, seen) {
            (_, Seen::Refused(why)) => ensure(!alone, || format!("refused: {why}")),
            (Act::Enqueue { jobs, end }, Seen::Enqueued(enqueued)) => self.enqueue(jobs, enqueued, *end, alone),
            (Act::Request { of, key, tenant, delay_units, end }, Seen::Job(id)) => {
                if end.commit {
                    return self.request(&coalesced(*of), key, tenant.unwrap_or_default(), *delay_units, *id);
                }
                Ok(())
            }
            (Act::Claim { lease, queue, limit }, Seen::Claimed(rows)) => {
                self.claim(*lease, queue, *limit, rows, None)?;
                if alone { self.nothing_was_passed_over(*lease, queue, *limit, rows) } else { Ok(()) }
            }
            (Act::ClaimFrom { lease, queue, limit, capped, .. }, Seen::Claimed(rows)) => {
                self.claim(*lease, queue, *limit, rows, Some(*capped))
            }
            (Act::Report { reports, .. }, Seen::Verdicts(verdicts)) => {
                ensure(reports.len() == verdicts.len(), || "a report without a verdict".to_owned())?;
                reports.iter().zip(verdicts).try_for_each(|(report, verdict)| self.report(report, *verdict, alone))
            }
            (Act::ReportIn { report, end }, Seen::Verdicts(verdicts)) => {
                let verdict = verdicts.first().copied().unwrap_or(Verdict::Stale);
                match end.commit {
                    true => self.report(report, verdict, alone),
                    // What is rolled back was judged all the same.
                    false => self.clone().report(report, verdict, alone),
                }
            }
            (Act::ReleaseUnknown { lease, queue, known }, Seen::Count(count)) => {
                self.release_unknown(*lease, queue, known, *count)
            }
            (Act::Rescue { limit, thorough }, Seen::Rescued(rows)) => self.rescue(*limit, *thorough, rows, alone),
            (Act::Cancel { job }, Seen::Cancelled(what)) => self.cancel(*job, *what),
            _ => self.govern(act, seen),
        }
    }

    fn govern(&mut self, act: &Act, seen: &Seen) -> Held {
        let flag = |is: bool| {
            ensure(matches!(seen, Seen::Flag(said) if *said == is), || format!("{act:?} should say {is}, not {seen:?}"))
        };
        match act {
            Act::Register { lease } => {
                self.leases.insert(*lease, self.now + in_seconds(TTL_UNITS));
            }
            Act::Expire { lease } => {
                if let Some(expires) = self.leases.get_mut(lease) {
                    *expires = self.now - UNIT_SECONDS;
                }
            }
            Act::Beat { lease } => {
                flag(self.is_alive(*lease))?;
                if self.is_alive(*lease) {
                    self.leases.insert(*lease, self.now + in_seconds(TTL_UNITS));
                }
            }
            Act::Release { lease } => {
                self.leases.remove(lease);
            }
            Act::Pause { queue, on: true } => {
                self.paused_queues.insert((*queue).to_owned());
            }
            Act::Pause { queue, on: false } => flag(self.paused_queues.remove(*queue))?,
            Act::PauseKind { kind, on: true } => {
                self.paused_kinds.insert((*kind).to_owned());
            }
            Act::PauseKind { kind, on: false } => flag(self.paused_kinds.remove(*kind))?,
            Act::Cap { queue, cap } => {
                let entry = self.caps.entry((*queue).to_owned()).or_default();
                *entry = (*cap, entry.1 + 1);
            }
            Act::Jump { units } => self.now += units * UNIT_SECONDS,
            Act::FreePermits => {
                ensure(matches!(seen, Seen::Count(0)), || format!("permits had leaked: {seen:?}"))?;
            }
            Act::SweepLeases => {
                let long_ago = self.now - LEASE_SWEEP_SECONDS;
                self.leases.retain(|_, expires| *expires >= long_ago);
            }
            Act::SweepKeys => {
                let now = self.now;
                let is_expired = |expires: &Option<i64>| expires.is_some_and(|at| at <= now);
                let expired: Vec<i64> =
                    self.keys.values().filter(|(_, expires)| is_expired(expires)).map(|(job, _)| *job).collect();
                self.keys.retain(|_, (_, expires)| !is_expired(expires));
                expired.into_iter().for_each(|job| self.displace(job));
            }
            other => return Err(format!("{other:?} cannot come to {seen:?}")),
        }
        Ok(())
    }

    fn enqueue(&mut self, jobs: &[NewJob], enqueued: &[Enqueued], end: End, alone: bool) -> Held {
        ensure(jobs.len() == enqueued.len(), || "a job without an answer".to_owned())?;
        if !end.commit {
            return if alone {
                self.clone().enqueue(jobs, enqueued, End { commit: true, dwell: 0 }, true)
            } else {
                Ok(())
            };
        }
        for (job, enqueued) in jobs.iter().zip(enqueued) {
            let tenant = job.user_id.unwrap_or_default();
            let name = job.unique.as_ref().map(|unique| (job.kind.clone(), tenant, unique.key.clone()));
            let holder = name.as_ref().and_then(|name| self.keys.get(name));
            let holder = holder.filter(|(_, expires)| expires.is_none_or(|at| at > self.now)).map(|(id, _)| *id);
            match (*enqueued, holder) {
                (Enqueued::Inserted(id), None) => self.add(job, name, id)?,
                (Enqueued::Duplicate { of }, Some(id)) => {
                    let known = name.and_then(|name| self.holders.get(&name)).is_some_and(|ids| ids.contains(&of));
                    ensure(of == id || (!alone && known), || format!("duplicate of {of}, but {id} holds the key"))?;
                }
                (answer, holder) => return Err(format!("{answer:?}, but the key is held by {holder:?}")),
            }
        }
        Ok(())
    }

    fn add(&mut self, job: &NewJob, name: Option<KeyName>, id: i64) -> Held {
        let unique = job.unique.as_ref().map(|unique| {
            let scope = match unique.scope {
                UniqueScope::Waiting => "waiting",
                UniqueScope::Live => "live",
                UniqueScope::Any => "any",
            };
            let least = (unique.scope == UniqueScope::Any).then_some(ANY_WINDOW_SECONDS);
            let window = unique.window.map(|window| window.as_secs() as i64).or(least);
            Unique { key: unique.key.clone(), scope, expires: window.map(|w| self.now + w), displaced: false }
        });
        if let (Some(name), Some(unique)) = (name, &unique) {
            if let Some((before, _)) = self.keys.insert(name.clone(), (id, unique.expires)) {
                self.displace(before);
            }
            self.holders.entry(name).or_default().insert(id);
        }
        let job = Job {
            kind: job.kind.clone(),
            queue: job.queue.clone(),
            tenant: job.user_id.unwrap_or_default(),
            coalesce: None,
            priority: job.priority,
            run_at: self.now + job.run_after.as_secs() as i64,
            attempt: 0,
            max_attempts: job.max_attempts,
            claims: 0,
            lost: 0,
            requested: 1,
            unique,
            hold: None,
            open_requests: vec![self.act],
        };
        let new = self.added.insert(id, false).is_none() && self.jobs.insert(id, job).is_none();
        ensure(new, || format!("job {id} was there before"))
    }

    fn displace(&mut self, job: i64) {
        if let Some(unique) = self.jobs.get_mut(&job).and_then(|job| job.unique.as_mut()) {
            unique.displaced = true;
        }
    }

    fn request(&mut self, kind: &Coalesced, key: &str, tenant: Uuid, delay_units: u64, id: i64) -> Held {
        let run_at = self.now + in_seconds(delay_units);
        let act = self.act;
        let mut of_key = self
            .jobs
            .iter_mut()
            .filter(|(_, job)| job.kind == kind.kind && job.tenant == tenant && job.coalesce.as_deref() == Some(key));
        if let Some((held, job)) = of_key.next() {
            ensure(*held == id, || format!("the key's row is {held}, not {id}"))?;
            job.run_at = match &job.hold {
                // For the run after this one.
                Some(hold) if hold.generation == job.requested => run_at,
                // It waits for its retry.
                None if job.attempt > 0 => job.run_at,
                _ => job.run_at.min(run_at),
            };
            job.requested += 1;
            job.open_requests.push(act);
            return Ok(());
        }
        drop(of_key);
        let job = Job {
            kind: kind.kind.to_owned(),
            queue: kind.queue.to_owned(),
            tenant,
            coalesce: Some(key.to_owned()),
            priority: kind.priority,
            run_at,
            attempt: 0,
            max_attempts: kind.max_attempts,
            claims: 0,
            lost: 0,
            requested: 1,
            unique: None,
            hold: None,
            open_requests: vec![act],
        };
        let new = self.added.insert(id, true).is_none() && self.jobs.insert(id, job).is_none();
        ensure(new, || format!("row {id} was there before"))
    }

    /// `capped`: whether the claimer takes the queue for capped, by an old look.
    fn claim(&mut self, lease: Uuid, queue: &str, limit: usize, rows: &[ClaimedRow], capped: Option<bool>) -> Held {
        ensure(rows.is_empty() || self.is_alive(lease), || "claimed under a lease that ended".to_owned())?;
        ensure(rows.len() <= limit, || format!("claimed {} of {limit}", rows.len()))?;
        for row in rows {
            let id = row.id;
            let job = self.jobs.get(&id).ok_or_else(|| format!("claimed job {id}, which is not there"))?;
            ensure(self.is_due(job) && job.queue == queue, || format!("claimed job {id}, which was not to be had"))?;
            let cap = self.cap(queue);
            let capped = capped.unwrap_or(cap.is_some());
            ensure(capped == row.permit_slot.is_some(), || format!("job {id} has permit {:?}", row.permit_slot))?;
            if let Some(slot) = row.permit_slot {
                let free = !self.taken(queue, job.tenant).contains(&slot) && cap.is_some_and(|cap| slot <= cap);
                ensure(free, || format!("permit {slot} of job {id} is not free, the cap is {cap:?}"))?;
            }
            let deadline = self.now + in_seconds(deadline_units(&job.kind).unwrap_or(OTHER_DEADLINE_UNITS));
            let (act, cap_version) = (self.act, self.cap_version(queue));
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            job.attempt += 1;
            job.claims += 1;
            let says = (row.attempt, row.claims, row.max_attempts, row.coalesce_key.clone());
            let is = (job.attempt, job.claims, job.max_attempts, job.coalesce.clone());
            ensure(says == is, || format!("the claim of job {id} says {says:?}, it is {is:?}"))?;
            let slot = row.permit_slot;
            job.hold = Some(Hold { lease, deadline, generation: job.requested, slot, cancel: false, act, cap_version });
            self.unlock(id, &["waiting"]);
        }
        Ok(())
    }

    /// A claim by itself finds something if there is something, and in each lane
    /// what has been due for longest.
    fn nothing_was_passed_over(&self, lease: Uuid, queue: &str, limit: usize, rows: &[ClaimedRow]) -> Held {
        let left = || self.jobs.iter().filter(|(_, job)| job.queue == queue && self.is_due(job));
        let lanes: BTreeSet<_> = left().map(|(_, job)| (job.priority, job.tenant, &job.kind)).collect();
        for (id, job) in left() {
            for row in rows.iter().filter(|row| row.kind == job.kind && row.priority == job.priority) {
                let claimed = self.jobs.get(&row.id).ok_or("a claimed job is gone")?;
                let fair = claimed.tenant != job.tenant || claimed.run_at <= job.run_at;
                ensure(fair, || format!("job {id} has waited longer than {}", row.id))?;
            }
            let permit = self.cap(queue).is_none_or(|cap| (self.taken(queue, job.tenant).len() as i32) < cap);
            let higher =
                self.taken(queue, job.tenant).last().is_some_and(|slot| self.cap(queue).is_some_and(|c| *slot > c));
            // A claim of few asks few lanes only, and those may lack a permit.
            let asked = self.cap(queue).is_none() || limit >= lanes.len();
            let missed = rows.is_empty() && permit && !higher && asked && self.is_alive(lease);
            ensure(!missed, || format!("job {id} was not claimed, nor any other"))?;
        }
        Ok(())
    }

    fn report(&mut self, report: &Report, verdict: Verdict, alone: bool) -> Held {
        let (id, claim) = (report.job_id, report.claim);
        let job = self.jobs.get(&id).filter(|job| job.claims == claim);
        let held = job.and_then(|job| job.hold.as_ref()).filter(|hold| hold.lease == report.lease_id).cloned();
        let Some(hold) = held else {
            return ensure(verdict == Verdict::Stale, || {
                format!("a stale report of claim {claim} of {id}: {verdict:?}")
            });
        };
        match verdict {
            Verdict::Stale => return Err(format!("the report of claim {claim} of {id} was refused")),
            Verdict::Busy => return ensure(!alone, || format!("job {id} is busy with nothing")),
            Verdict::Accepted { .. } => {}
        }
        ensure(self.accepted.insert((id, claim)), || format!("claim {claim} of job {id} completed twice"))?;
        let outcome = match hold.cancel && report.ending != Ending::Succeeded {
            true => "cancelled",
            false => report.ending.outcome(),
        };
        let now = self.now;
        self.enter(id, outcome);
        if hold.cancel || matches!(outcome, "succeeded" | "dead" | "cancelled") {
            if outcome == "dead" {
                self.bury(id);
            }
            return self.end(id);
        }
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        job.hold = None;
        match report.ending {
            Ending::Failed { retry_after, .. } => job.run_at = now + retry_after.as_secs() as i64,
            Ending::Snoozed { delay } => {
                job.run_at = now + delay.as_secs() as i64;
                job.attempt -= 1;
            }
            _ => {
                job.run_at = job.run_at.min(now);
                job.attempt -= 1;
            }
        }
        Ok(())
    }

    fn release_unknown(&mut self, lease: Uuid, queue: &str, known: &[i64], count: usize) -> Held {
        let unknown: Vec<i64> = self
            .jobs
            .iter()
            .filter_map(|(id, job)| {
                let hold = job.hold.as_ref()?;
                (job.queue == queue && hold.lease == lease && !known.contains(id)).then_some(*id)
            })
            .collect();
        ensure(unknown.len() == count, || format!("gave back {count} of {unknown:?}"))?;
        let now = self.now;
        for id in unknown {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            if job.hold.as_ref().is_some_and(|hold| hold.cancel) {
                self.enter(id, "cancelled");
                self.end(id)?;
                continue;
            }
            job.hold = None;
            job.attempt -= 1;
            // What was due before the claim is due now.
            job.run_at = job.run_at.min(now);
        }
        Ok(())
    }

    fn rescue(&mut self, limit: i64, thorough: bool, rows: &[Rescued], alone: bool) -> Held {
        let late = self.now - in_seconds(MARGIN_UNITS);
        let due: Vec<(i64, &str)> = self
            .jobs
            .iter()
            .filter_map(|(id, job)| {
                let hold = job.hold.as_ref()?;
                let cause = match self.leases.get(&hold.lease) {
                    Some(expires) if *expires <= self.now => "lease",
                    None if thorough => "lease",
                    // Equal is late: time goes on between two acts.
                    Some(_) if thorough && hold.deadline <= late => "deadline",
                    _ => return None,
                };
                Some((*id, cause))
            })
            .take(if alone { limit as usize } else { usize::MAX })
            .collect();
        ensure(rows.len() as i64 <= limit, || format!("took back {} of {limit}", rows.len()))?;
        ensure(!alone || rows.len() == due.len(), || format!("took back {rows:?} of {due:?}"))?;
        for row in rows {
            let id = row.job_id;
            ensure(due.contains(&(id, &row.cause)), || format!("took back job {id} for its {}", row.cause))?;
            let job = self.jobs.get(&id).ok_or("took back a job that is not there")?;
            let cancel = job.hold.as_ref().ok_or("took back a job that waits")?.cancel;
            let hopeless = !cancel && (job.lost + 1 >= MAX_LOST || job.attempt >= job.max_attempts);
            ensure(row.dead == hopeless, || {
                format!("job {id} is {}", if hopeless { "hopeless" } else { "not hopeless" })
            })?;
            self.enter(id, if cancel { "cancelled" } else { "lost" });
            if hopeless {
                self.bury(id);
            }
            if hopeless || cancel {
                self.end(id)?;
                continue;
            }
            let now = self.now;
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            job.hold = None;
            job.lost += 1;
            job.run_at = job.run_at.min(now);
        }
        Ok(())
    }

    fn cancel(&mut self, id: i64, what: Cancelled) -> Held {
        let expected = match self.jobs.get_mut(&id) {
            None => Cancelled::NotFound,
            Some(Job { hold: Some(hold), .. }) => {
                hold.cancel = true;
                Cancelled::Requested
            }
            Some(_) => {
                self.enter(id, "cancelled");
                self.unlock(id, &["waiting", "live"]);
                self.jobs.remove(&id);
                Cancelled::Removed
            }
        };
        ensure(what == expected, || format!("cancelling job {id} should say {expected:?}, not {what:?}"))
    }

    /// Writes down how an attempt ended.
    fn enter(&mut self, id: i64, outcome: &'static str) {
        if let Some(job) = self.jobs.get(&id) {
            self.history.push(Past {
                job: id,
                claim: job.claims,
                outcome,
                attempt: job.attempt,
                max_attempts: job.max_attempts,
                lease: job.hold.as_ref().map(|hold| hold.lease),
            });
        }
    }

    fn bury(&mut self, id: i64) {
        if let Some(job) = self.jobs.get(&id) {
            self.dead.push((id, job.claims, job.attempt));
        }
    }

    /// The run answers what was requested before it began.
    fn end(&mut self, id: i64) -> Held {
        self.unlock(id, &["waiting", "live"]);
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        let Some(hold) = job.hold.take() else { return Err(format!("job {id} ended without a run")) };
        job.open_requests.retain(|act| *act > hold.act);
        if job.requested > hold.generation {
            job.requested -= hold.generation;
            job.attempt = 0;
            job.lost = 0;
            return Ok(());
        }
        let open = self.jobs.remove(&id).map_or(0, |job| job.open_requests.len());
        ensure(open == 0, || format!("job {id} is gone with {open} requests"))
    }

    fn unlock(&mut self, id: i64, scopes: &[&str]) {
        let Some(job) = self.jobs.get(&id) else { return };
        let Some(unique) = job.unique.as_ref().filter(|unique| scopes.contains(&unique.scope)) else { return };
        let name = (job.kind.clone(), job.tenant, unique.key.clone());
        if self.keys.get(&name).is_some_and(|(by, _)| *by == id) {
            self.keys.remove(&name);
        }
    }
}
