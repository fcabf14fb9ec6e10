//! Runs a history on a database and compares after each step.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures::future::join_all;
use sqlx::PgPool;
use tallyline_queue::store::{self, ClaimedRow, Ending, LaneShare, Report, Verdict};
use uuid::Uuid;

use super::{
    acts::{Act, Seen, perform},
    generate::{COALESCED, KINDS, PROCESSES, QUEUES, Said, Step, Which},
    state::State,
};

/// A claim that a process knows of.
#[derive(Debug, Clone)]
struct Known {
    job: i64,
    claim: i64,
    lease: Uuid,
    coalesced: bool,
    last_attempt: bool,
    queue: &'static str,
    reported: bool,
}

/// A process: its lease and what it remembers. A zombie is one that goes on with
/// claims of a lease that has ended.
#[derive(Debug, Default)]
struct Process {
    lease: Option<Uuid>,
    claims: Vec<Known>,
    /// Lanes of a queue as it saw them, and whether it had a cap.
    looks: HashMap<&'static str, (Vec<LaneShare>, bool)>,
}

/// One run of a history.
pub struct Driver<'a> {
    db: &'a PgPool,
    admin: &'a PgPool,
    processes: Vec<Process>,
    state: State,
    leases: u128,
    /// What happened, and how often.
    pub counts: Counts,
}

/// An act with the process that it is about.
type Bound = (Act, Option<usize>);

pub type Counts = BTreeMap<&'static str, u64>;

/// Why a history failed.
pub type Failure = String;

fn database(error: sqlx::Error) -> Failure {
    format!("the database: {error}")
}

impl<'a> Driver<'a> {
    pub async fn new(db: &'a PgPool, admin: &'a PgPool) -> Result<Self, Failure> {
        sqlx::query(include_str!("clear.sql")).execute(admin).await.map_err(database)?;
        let processes = (0..PROCESSES).map(|_| Process::default()).collect();
        Ok(Self { db, admin, processes, state: State::default(), leases: 0, counts: Counts::new() })
    }

    /// Runs it to its end, or to the first thing that does not hold.
    pub async fn run(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for (n, step) in steps.iter().enumerate() {
            self.step(step).await.map_err(|error| format!("step {n}, {step:?}:\n{error}"))?;
        }
        for past in &self.state.history {
            *self.counts.entry(past.outcome).or_default() += 1;
        }
        self.count("added", self.state.added.len());
        Ok(())
    }

    fn count(&mut self, what: &'static str, times: usize) {
        *self.counts.entry(what).or_default() += times as u64;
    }

    fn note(&mut self, seen: &Seen) {
        self.count("acts", 1);
        match seen {
            Seen::Refused(_) => self.count("refused", 1),
            Seen::Claimed(rows) => self.count("claimed", rows.len()),
            Seen::Verdicts(verdicts) => {
                self.count("reports stale", verdicts.iter().filter(|v| **v == Verdict::Stale).count());
                self.count("reports busy", verdicts.iter().filter(|v| **v == Verdict::Busy).count());
            }
            Seen::Enqueued(all) => self.count("duplicates", all.iter().filter(|one| !one.is_inserted()).count()),
            _ => {}
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Kill { process } => {
                self.processes[*process] = Process::default();
                return Ok(());
            }
            Step::Look { process, queue } => return self.look(*process, QUEUES[*queue]).await,
            Step::Together(steps) => {
                let bound: Vec<Bound> = steps.iter().filter_map(|step| self.bind(step)).collect();
                return self.together(bound, steps).await;
            }
            _ => {}
        }
        let Some((act, process)) = self.bind(step) else { return Ok(()) };
        let seen = perform(&act, self.db, self.admin).await.map_err(database)?;
        self.note(&seen);
        self.state.apply(&act, &seen, true)?;
        self.remember(&act, process, &seen, answered(step));
        if let (Act::Report { .. }, Step::Report { resent: true, .. }) = (&act, step) {
            let again = perform(&act, self.db, self.admin).await.map_err(database)?;
            self.note(&again);
            self.state.apply(&act, &again, true)?;
        }
        self.compare().await
    }

    /// Does all at once; there must be an order in which they could have happened.
    async fn together(&mut self, bound: Vec<Bound>, steps: &[Step]) -> Result<(), Failure> {
        let (db, admin) = (self.db, self.admin);
        let done = join_all(bound.iter().map(|(act, _)| perform(act, db, admin))).await;
        let seen: Vec<Seen> = done.into_iter().collect::<Result<_, _>>().map_err(database)?;
        seen.iter().for_each(|seen| self.note(seen));
        self.count("acts at once", seen.len());
        let lines = self.dump().await?;
        let mut reasons = Vec::new();
        for order in orders(bound.len()) {
            let mut state = self.state.clone();
            let applied = order.iter().try_for_each(|n| state.apply(&bound[*n].0, &seen[*n], false));
            let holds = applied.and_then(|()| differences(&state.lines(), &lines)).and_then(|()| state.check());
            match holds {
                Ok(()) => {
                    self.state = state;
                    for ((act, process), seen) in bound.iter().zip(&seen) {
                        self.remember(act, *process, seen, steps.iter().all(answered));
                    }
                    return Ok(());
                }
                Err(reason) => reasons.push(format!("in the order {order:?}: {reason}")),
            }
        }
        let answers: Vec<String> =
            bound.iter().zip(&seen).map(|((act, _), seen)| format!("{act:?} -> {seen:?}")).collect();
        Err(format!("no order explains\n{}\n{}", answers.join("\n"), reasons.join("\n")))
    }

    async fn dump(&self) -> Result<String, Failure> {
        sqlx::query_scalar(include_str!("dump.sql")).fetch_one(self.admin).await.map_err(database)
    }

    async fn compare(&self) -> Result<(), Failure> {
        differences(&self.state.lines(), &self.dump().await?)?;
        self.state.check()
    }

    async fn look(&mut self, process: usize, queue: &'static str) -> Result<(), Failure> {
        let found = store::lanes(self.db, queue, 100, (-1, Uuid::nil(), "")).await.map_err(database)?;
        let capped = found.first().is_some_and(|lane| lane.tenant_cap.is_some());
        if capped {
            let tenants: Vec<Uuid> = found.iter().map(|lane| lane.tenant).collect();
            store::make_permits(self.db, queue, &tenants).await.map_err(database)?;
        }
        let lanes = found.into_iter().filter(|lane| !lane.paused && lane.due_in_seconds <= 0.0).map(|lane| LaneShare {
            priority: lane.priority,
            tenant: lane.tenant,
            kind: lane.kind,
            not_before: lane.oldest_run_at,
            first_id: lane.oldest_id,
            share: 2,
        });
        self.processes[process].looks.insert(queue, (lanes.collect(), capped));
        Ok(())
    }

    /// Makes an act of a step; none when the step makes no sense now.
    fn bind(&mut self, step: &Step) -> Option<Bound> {
        // Whoever is named, or the next one that can.
        let after = |process: usize| (0..PROCESSES).map(move |n| (process + n) % PROCESSES);
        let with_lease = |process: &usize| after(*process).find(|n| self.processes[*n].lease.is_some());
        let lease = |process: &usize| self.processes[with_lease(process)?].lease;
        let act = match step {
            Step::Start { process } => {
                self.leases += 1;
                let lease = Uuid::from_u128(self.leases);
                self.processes[*process].lease = Some(lease);
                return Some((Act::Register { lease }, Some(*process)));
            }
            Step::Expire { process } => Act::Expire { lease: lease(process)? },
            Step::Beat { process } => Act::Beat { lease: lease(process)? },
            Step::Release { process } => Act::Release { lease: lease(process)? },
            Step::Claim { .. } | Step::ClaimFrom { .. } | Step::Report { .. } | Step::ReportIn { .. } => {
                return self.bind_claims(step);
            }
            Step::ReleaseUnknown { process, queue } => {
                let (lease, queue) = (lease(process)?, QUEUES[*queue]);
                let known =
                    self.processes[*process].claims.iter().filter(|claim| !claim.reported && claim.queue == queue);
                Act::ReleaseUnknown { lease, queue, known: known.map(|claim| claim.job).collect() }
            }
            Step::Cancel { job } => {
                let mut ids: Vec<i64> = self.state.jobs.keys().copied().collect();
                if ids.is_empty() || job % 7 == 0 {
                    ids.extend(self.state.added.keys());
                }
                Act::Cancel { job: *ids.get(job % ids.len().max(1))? }
            }
            Step::Enqueue { jobs, end } => Act::Enqueue { jobs: jobs.clone(), end: *end },
            Step::Request { of, key, tenant, delay_units, end } => {
                Act::Request { of: *of, key, tenant: *tenant, delay_units: *delay_units, end: *end }
            }
            Step::Rescue { limit, thorough } => Act::Rescue { limit: *limit, thorough: *thorough },
            Step::Pause { queue, on } => Act::Pause { queue: QUEUES[*queue], on: *on },
            Step::PauseKind { kind, on } => {
                Act::PauseKind { kind: KINDS.iter().chain(&COALESCED).nth(*kind)?, on: *on }
            }
            Step::Cap { queue, cap } => Act::Cap { queue: QUEUES[*queue], cap: *cap },
            Step::Jump { units } => Act::Jump { units: *units },
            Step::FreePermits => Act::FreePermits,
            Step::SweepLeases => Act::SweepLeases,
            Step::SweepKeys => Act::SweepKeys,
            Step::Kill { .. } | Step::Look { .. } | Step::Together(_) => return None,
        };
        Some((act, None))
    }

    /// Steps that take claims, or report what became of them.
    fn bind_claims(&self, step: &Step) -> Option<Bound> {
        let after = |process: usize| (0..PROCESSES).map(move |n| (process + n) % PROCESSES);
        let with_lease = |process: &usize| after(*process).find(|n| self.processes[*n].lease.is_some());
        let with_claims = |process: &usize| after(*process).find(|n| !self.processes[*n].claims.is_empty());
        match step {
            Step::Claim { process, queue, limit, .. } => {
                // One job is asked for under ended leases too.
                let alive = |n: &usize| self.processes[*n].lease.is_some_and(|lease| self.state.is_alive(lease));
                let alive = after(*process).find(|n| *limit > 1 && alive(n));
                let process = alive.or_else(|| with_lease(process))?;
                let lease = self.processes[process].lease?;
                Some((Act::Claim { lease, queue: QUEUES[*queue], limit: *limit }, Some(process)))
            }
            Step::ClaimFrom { process, queue, limit, .. } => {
                let queue = QUEUES[*queue];
                let (lanes, capped) = self.processes[*process].looks.get(queue)?.clone();
                let lease = self.processes[*process].lease?;
                let act = Act::ClaimFrom { lease, queue, limit: *limit, lanes, capped };
                Some((act, Some(*process)))
            }
            Step::Report { process, claims, outright, .. } => {
                let process = &with_claims(process)?;
                let mut reports: Vec<Report> = Vec::new();
                for which in claims {
                    let report = self.processes[*process].report(*which)?;
                    if !reports.iter().any(|r| (r.job_id, r.claim) == (report.job_id, report.claim)) {
                        reports.push(report);
                    }
                }
                Some((Act::Report { reports, outright: *outright }, Some(*process)))
            }
            Step::ReportIn { process, claim, end } => {
                let process = &with_claims(process)?;
                let report = self.processes[*process].report(*claim)?;
                Some((Act::ReportIn { report, end: *end }, Some(*process)))
            }
            _ => None,
        }
    }

    /// What the process knows afterwards.
    fn remember(&mut self, act: &Act, process: Option<usize>, seen: &Seen, answered: bool) {
        let Some(process) = process.and_then(|n| self.processes.get_mut(n)) else { return };
        match (act, seen) {
            (Act::Claim { lease, queue, .. } | Act::ClaimFrom { lease, queue, .. }, Seen::Claimed(rows))
                if answered =>
            {
                process.claims.extend(rows.iter().map(|row| Known::new(row, *lease, queue)));
            }
            (Act::Report { reports, .. }, Seen::Verdicts(verdicts)) => {
                for (report, verdict) in reports.iter().zip(verdicts) {
                    process.strike(report, *verdict);
                }
            }
            (Act::ReportIn { report, end }, Seen::Verdicts(verdicts)) if end.commit => {
                verdicts.iter().for_each(|verdict| process.strike(report, *verdict));
            }
            _ => {}
        }
    }
}

impl Known {
    fn new(row: &ClaimedRow, lease: Uuid, queue: &'static str) -> Self {
        let coalesced = row.coalesce_key.is_some();
        let last_attempt = row.attempt >= row.max_attempts;
        Self { job: row.id, claim: row.claims, lease, coalesced, last_attempt, queue, reported: false }
    }
}

impl Process {
    fn report(&self, which: Which) -> Option<Report> {
        let open: Vec<&Known> = self.claims.iter().filter(|claim| !claim.reported).collect();
        let claim = match which.open && !open.is_empty() {
            true => open[which.number % open.len()],
            false => self.claims.get(which.number % self.claims.len().max(1))?,
        };
        let delay = super::generate::units(which.delay_units);
        let ending = match which.ending {
            Said::Succeeded => Ending::Succeeded,
            // As the acknowledging layer has it.
            Said::Failed if claim.last_attempt => Ending::Dead { reason: "the last attempt failed".to_owned() },
            Said::Failed => Ending::Failed { error: "failed".to_owned(), retry_after: delay },
            Said::Interrupted => Ending::Interrupted,
            Said::Snoozed => Ending::Snoozed { delay },
            Said::Cancelled => Ending::Cancelled,
            Said::Dead => Ending::Dead { reason: "hopeless".to_owned() },
        };
        let (job_id, coalesced) = (claim.job, claim.coalesced);
        let duration = Duration::from_millis(3);
        Some(Report { job_id, claim: claim.claim, lease_id: claim.lease, coalesced, ending, duration, log: None })
    }

    fn strike(&mut self, report: &Report, verdict: Verdict) {
        if verdict != Verdict::Busy {
            let mut claims = self.claims.iter_mut();
            if let Some(claim) = claims.find(|c| (c.job, c.claim) == (report.job_id, report.claim)) {
                claim.reported = true;
            }
        }
    }
}

fn answered(step: &Step) -> bool {
    !matches!(step, Step::Claim { answered: false, .. } | Step::ClaimFrom { answered: false, .. })
}

/// All orders of so many things.
fn orders(of: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for n in 0..of {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, n);
                    longer
                })
            })
            .collect();
    }
    orders
}

fn differences(should: &str, is: &str) -> Result<(), Failure> {
    if should == is {
        return Ok(());
    }
    let missing = should.lines().filter(|line| !is.lines().any(|other| other == *line));
    let extra = is.lines().filter(|line| !should.lines().any(|other| other == *line));
    let lines: Vec<String> = missing
        .map(|line| format!("  should be {line}"))
        .chain(extra.map(|line| format!("  but is    {line}")))
        .collect();
    Err(format!("the tables differ:\n{}", lines.join("\n")))
}
