//! Writers, refreshers and readers at once, for minutes.
//!
//! Writers insert, change, move (between quarters, hours, days and agents) and
//! delete calls and leads, roll back now and then and commit slowly now and then.
//! Now and then a tenant moves to another time zone.
//! Refreshers run the roll-up: half of them the product's own, half the same
//! steps with pauses between them, so that every order of events comes up.
//! Readers compare, in one statement, the exact read with the calls.
//!
//! `--mutate` breaks the protocol in one way. Then the soak must find fault: a
//! wrong reading, a figure that drifted, or a refresher that failed.

mod refreshers;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tallyline_testkit::TestDb;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::stage;
use refreshers::Refresher;

const WRITERS: u64 = 6;
const REFRESHERS: u64 = 4;
const READERS: u64 = 3;
const ZONES: [&str; 3] = ["Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"];
/// Between two moves of tenants.
const MOVES_EVERY: Duration = Duration::from_secs(4);
const GRAINS: [(&str, i32); 3] = [("hour", 1), ("day", 2), ("month", 3)];
/// Rounds of the last drain; the right protocol needs a few.
const DRAIN_ROUNDS: usize = 2_000;

/// A way to break the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Mutation {
    /// Buckets are not locked
    NoLock,
    /// Lock and computation are one statement, with one snapshot
    Fused,
    /// Refreshers run REPEATABLE READ; PostgreSQL then fails them, which counts as a fault
    RepeatableRead,
    /// A mark is not written while an older one of its bucket is there
    DoNothingMarks,
    /// Marks are followed by a cursor over their sequence instead of being consumed
    SequenceCursor,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Break the protocol in this way; the soak must then exit with 1
    #[arg(long)]
    mutate: Option<Mutation>,
    /// Seed of the writers' choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Tally {
    pub writes: AtomicU64,
    pub rollbacks: AtomicU64,
    pub moves: AtomicU64,
    pub refreshes: AtomicU64,
    pub refreshes_failed: AtomicU64,
    pub reads: AtomicU64,
    pub reads_wrong: AtomicU64,
    pub reads_stored_stale: AtomicU64,
}

/// What everybody shares.
pub struct Soak {
    pub db: TestDb,
    pub tenants: Vec<Uuid>,
    pub mutation: Option<Mutation>,
    pub tally: Tally,
    pub done: AtomicBool,
}

impl Soak {
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Runs the soak; false when it found fault.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let soak = Arc::new(prepare(&args).await?);
    let mut writing = JoinSet::new();
    for n in 0..WRITERS {
        writing.spawn(writers::write(Arc::clone(&soak), args.seed * 1000 + n));
    }
    let mut working = JoinSet::new();
    for n in 0..REFRESHERS {
        let refresher = Refresher::new(Arc::clone(&soak), n % 2 == 1, args.seed * 2000 + n);
        working.spawn(refresher.run());
    }
    if args.mutate.is_none() {
        writing.spawn(move_tenants(Arc::clone(&soak), args.seed * 4000));
    }
    for n in 0..READERS {
        working.spawn(read(Arc::clone(&soak), args.seed * 3000 + n));
    }
    let ends = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    while Instant::now() < ends {
        tokio::time::sleep((ends - Instant::now()).min(Duration::from_secs(30))).await;
        progress(&soak);
    }
    soak.done.store(true, Ordering::Relaxed);
    while let Some(ended) = writing.join_next().await {
        ended??;
    }
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    let mut last = Refresher::new(Arc::clone(&soak), false, args.seed);
    for _ in 0..DRAIN_ROUNDS {
        if last.unit().await? == 0 && last.idle().await? {
            break;
        }
    }
    report(&soak, &args).await
}

async fn prepare(args: &Args) -> anyhow::Result<Soak> {
    let db = TestDb::try_new().await?;
    let mut tenants = Vec::new();
    for zone in ZONES {
        tenants.push(stage::tenant(&db, zone, 3).await?);
    }
    if args.mutate == Some(Mutation::DoNothingMarks) {
        sqlx::query(include_str!("../../sql/swallow_marks.sql")).execute(&db.admin).await?;
        sqlx::query("CREATE TRIGGER swallow BEFORE INSERT ON tally.rollup_marks FOR EACH ROW EXECUTE FUNCTION tally.swallow_mark()")
            .execute(&db.admin)
            .await?;
    }
    Ok(Soak { db, tenants, mutation: args.mutate, tally: Tally::default(), done: AtomicBool::new(false) })
}

async fn read(soak: Arc<Soak>, seed: u64) -> anyhow::Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    while !soak.is_done() {
        let user_id = soak.tenants[dice.random_range(0..soak.tenants.len())];
        let grain = GRAINS[dice.random_range(0..GRAINS.len())];
        let (wrong, stale) = compare(&soak, user_id, grain, dice.random_bool(0.5)).await?;
        count(&soak.tally.reads);
        if wrong > 0 {
            count(&soak.tally.reads_wrong);
        }
        if stale > 0 {
            count(&soak.tally.reads_stored_stale);
        }
    }
    Ok(())
}

/// Moves a tenant to another zone and on, while everything else goes on.
async fn move_tenants(soak: Arc<Soak>, seed: u64) -> anyhow::Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    while !soak.is_done() {
        tokio::time::sleep(MOVES_EVERY).await;
        let user_id = soak.tenants[dice.random_range(0..soak.tenants.len())];
        let zone = ZONES[dice.random_range(0..ZONES.len())];
        let mut conn = soak.db.pool.acquire().await?;
        tallyline::tenants::set_timezone(&mut conn, user_id, zone).await?;
        count(&soak.tally.moves);
    }
    Ok(())
}

/// Buckets that the exact read, and the stored figures, have wrong.
async fn compare(soak: &Soak, user_id: Uuid, grain: (&str, i32), by_agent: bool) -> anyhow::Result<(i64, i64)> {
    Ok(sqlx::query_as(include_str!("../../sql/soak_check.sql"))
        .bind(user_id)
        .bind(grain.0)
        .bind(grain.1)
        .bind(by_agent)
        .fetch_one(&soak.db.admin)
        .await?)
}

fn progress(soak: &Soak) {
    let seen = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let t = &soak.tally;
    println!(
        "{} writes ({} rolled back), {} moves, {} buckets refreshed ({} failures), {} reads: {} wrong; stored figures alone were behind in {}",
        seen(&t.writes),
        seen(&t.rollbacks),
        seen(&t.moves),
        seen(&t.refreshes),
        seen(&t.refreshes_failed),
        seen(&t.reads),
        seen(&t.reads_wrong),
        seen(&t.reads_stored_stale)
    );
}

async fn report(soak: &Soak, args: &Args) -> anyhow::Result<bool> {
    let (mut drift, mut wrong) = (0, 0);
    for user_id in &soak.tenants {
        for grain in GRAINS {
            for by_agent in [false, true] {
                let (exact, stored) = compare(soak, *user_id, grain, by_agent).await?;
                wrong += exact;
                drift += stored;
            }
        }
    }
    let left = stage::number(&soak.db.admin, include_str!("../../sql/rows_of_left_zones.sql")).await?;
    drift += left;
    progress(soak);
    let seen = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let reads_wrong = seen(&soak.tally.reads_wrong) + u64::try_from(wrong).unwrap_or(0).min(1);
    let refreshes_failed = seen(&soak.tally.refreshes_failed);
    let sound = reads_wrong == 0 && drift == 0 && refreshes_failed == 0;
    println!("in the end {drift} stored buckets differ from their calls, {wrong} exact ones");
    if args.json {
        let line = serde_json::json!({
            "bench": "soak", "minutes": args.minutes, "seed": args.seed,
            "mutation": args.mutate.map(|m| format!("{m:?}")), "sound": sound,
            "writes": seen(&soak.tally.writes), "rollbacks": seen(&soak.tally.rollbacks),
            "moves": seen(&soak.tally.moves),
            "refreshes": seen(&soak.tally.refreshes), "refreshes_failed": refreshes_failed,
            "reads": seen(&soak.tally.reads), "reads_wrong": reads_wrong,
            "reads_stored_stale": seen(&soak.tally.reads_stored_stale), "drift": drift,
        });
        println!("{line}");
    }
    Ok(sound)
}
