//! One run: traffic, faults by their seed, and a judgement.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tallyline::ledger::Ledger;
use tallyline_failpoints::Point;
use tokio::time::Instant;

use super::check::{self, Finding, Kind};
use super::dice::Dice;
use super::evidence::Evidence;
use super::process::{Place, Process};
use super::traffic::Traffic;

/// How long everything may take to come to rest after the last fault.
const REST: Duration = Duration::from_secs(180);

/// What a run works with. The database belongs to the caller.
pub struct Run {
    pub seed: u64,
    pub dice: Dice,
    pub place: Place,
    pub traffic: Traffic,
    /// The administrator, past every proxy.
    pub db: PgPool,
    began: Instant,
    findings: Vec<Finding>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Faults that there were.
    pub count: u64,
    pub seed: u64,
    pub seconds: f64,
    pub evidence: Evidence,
    pub findings: Vec<Finding>,
    /// Figures worth printing.
    pub note: String,
}

impl Outcome {
    pub fn of(&self, kind: Kind) -> u64 {
        self.findings.iter().filter(|finding| finding.kind == kind).count() as u64
    }

    pub fn print(&self, what: &str) {
        println!(
            "{what}: {} in {:.0} s, seed {}: {} webhooks acknowledged, {} deliveries without an answer; {} findings {}",
            self.count,
            self.seconds,
            self.seed,
            self.evidence.acknowledged,
            self.evidence.unanswered,
            self.findings.len(),
            self.note
        );
    }

    /// Fails the test unless nothing was found.
    #[track_caller]
    pub fn accept(&self, what: &str) {
        self.print(what);
        let lines: Vec<String> = self.findings.iter().take(40).map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{what}={} seed={}:\n  {}", self.count, self.seed, lines.join("\n  "));
        assert!(self.evidence.acknowledged > 0, "nothing was sent");
    }
}

impl Run {
    /// `url` is the daemon's, `admin_url` the administrator's.
    pub fn new(url: &str, admin_url: &str, seed: u64) -> Self {
        let db = PgPoolOptions::new().max_connections(3).acquire_timeout(REST).connect_lazy(admin_url).unwrap();
        Run {
            seed,
            dice: Dice::new(seed),
            place: Place::new(url),
            traffic: Traffic::new(seed),
            db,
            began: Instant::now(),
            findings: Vec::new(),
        }
    }

    /// A point that ordinary traffic passes, and at which of its passes to strike.
    pub fn draw_failpoint(&mut self, action: &str) -> String {
        let point = self.dice.pick(&PASSED_BY_TRAFFIC).name();
        format!("{point}:{}:{action}", self.dice.between(1..=4))
    }

    /// What must hold at every instant, while faults go on.
    pub async fn look(&mut self) {
        self.findings.extend(check::always(&self.db).await);
        self.findings.extend(check::verified(&self.place, None, true).await);
    }

    /// Lets everything come to rest and judges. All faults are healed by now, and
    /// `daemon` runs.
    pub async fn judge(mut self, mut daemon: Process, count: u64, note: String) -> Outcome {
        let faults = self.began.elapsed();
        self.traffic.end().await;
        let sent = self.began.elapsed();
        assert!(daemon.ready().await, "the daemon has ended by itself:\n{}", self.place.log());
        self.end_leases_but(daemon.id()).await;
        let began = Instant::now();
        let mut waiting = check::at_rest(&self.db).await;
        while !waiting.is_empty() && began.elapsed() < REST {
            tokio::time::sleep(Duration::from_millis(200)).await;
            waiting = check::at_rest(&self.db).await;
        }
        self.findings.extend(waiting);
        let rested = self.began.elapsed();
        let ledger = self.ledger();
        self.findings.extend(check::verified(&self.place, Some(&ledger), false).await);
        self.findings.extend(check::always(&self.db).await);
        let evidence = Evidence::of(self.traffic.rounds().iter().map(|round| round.history.as_path()));
        self.findings.extend(check::stored(&self.db, &evidence).await);
        let seconds = self.began.elapsed().as_secs_f64();
        drop(daemon);
        self.db.close().await;
        println!(
            "{:.0} s of faults, sent after {:.0} s, at rest after {:.0} s, judged after {seconds:.0} s",
            faults.as_secs_f64(),
            sent.as_secs_f64(),
            rested.as_secs_f64()
        );
        if !self.findings.is_empty() {
            println!("{}", self.place.log());
            println!("files are kept in {}", self.place.dir.keep().display());
        }
        Outcome { count, seed: self.seed, seconds, evidence, findings: self.findings, note }
    }

    /// Instead of waiting twenty seconds, the leases of dead processes are put into the
    /// past; whoever lives takes their jobs back.
    async fn end_leases_but(&self, living: i32) {
        sqlx::query("UPDATE tally.job_leases SET expires_at = now() - interval '1 second' WHERE label NOT LIKE $1")
            .bind(format!("%:{living}"))
            .execute(&self.db)
            .await
            .unwrap();
    }

    /// The ledgers of all rounds as one; each round had tenants of its own.
    fn ledger(&self) -> String {
        let mut rounds = self.traffic.rounds().iter().map(|round| Ledger::read(&round.ledger).unwrap());
        let mut ledger = rounds.next().unwrap();
        for round in rounds {
            ledger.tenants.extend(round.tenants);
            ledger.events_sent += round.events_sent;
            ledger.distinct_events += round.distinct_events;
        }
        let path = self.place.file("ledger.json");
        ledger.write(&path).unwrap();
        path.display().to_string()
    }
}

/// What needs neither a spool, nor a clock, nor an operator.
pub const PASSED_BY_TRAFFIC: [Point; 24] = [
    Point::ReceiverBeforeCommit,
    Point::ReceiverAfterCommit,
    Point::LanesClaimed,
    Point::BatchLoaded,
    Point::BatchAssigned,
    Point::CallsWritten,
    Point::EffectsWritten,
    Point::BatchBeforeCommit,
    Point::BatchAfterCommit,
    Point::ContactsFolded,
    Point::AnalysesClaimed,
    Point::AnalysesEnded,
    Point::RollUpLocked,
    Point::RollUpConsumed,
    Point::RollUpReplaced,
    Point::RollUpBeforeCommit,
    Point::RollUpAfterCommit,
    Point::KpiRefreshed,
    Point::CachesWritten,
    Point::JobsClaimed,
    Point::JobsBeforeReport,
    Point::JobsAfterReport,
    Point::JobsRescued,
    Point::LeaseRegistered,
];
