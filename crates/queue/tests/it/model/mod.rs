//! Random histories of the queue, on PostgreSQL and in memory, compared after
//! every step.
//!
//! `generate` makes a history from a seed: several processes claim, report,
//! repeat themselves, come too late, are killed or frozen past their lease, while
//! jobs come in, are cancelled, paused, capped, taken back, and the clock jumps.
//! Some steps are taken at the same time on connections of their own. `effects`
//! says what each act must come to; for acts that met there must be an order in
//! which they could have happened one by one. After each step the database must
//! hold exactly what the model holds, and of that `State::check` says what must
//! hold whatever happened.
//!
//! Ten thousand histories, or others: see [`ten_thousand_histories`].
//!
//! Broken by hand, one at a time, each found within 250 histories:
//!
//! | what was broken | what fails |
//! |---|---|
//! | complete.sql: no `j.claims = r.claim` | a stale report is accepted (`report`) |
//! | complete.sql: no `j.lease_id IS NOT DISTINCT FROM r.lease_id` | the same, for a job that waits for its retry |
//! | complete.sql: no `FOR UPDATE OF j SKIP LOCKED` | two reports of one claim are accepted |
//! | complete.sql: permits not freed | the tables differ: a permit without a claim |
//! | complete.sql, rescue.sql: unique key not freed at the end | the tables differ: a key without a job |
//! | complete.sql: `requested > claimed_generation` ignored | a row is gone, or differs, with requests open |
//! | complete.sql: attempt not restored for `interrupted` | the tables differ: `attempt` |
//! | complete.sql: request to cancel ignored where it ends a job | the tables differ: it waits for a retry |
//! | claim_capped.sql: no `FOR UPDATE SKIP LOCKED` of jobs | two claims get one job |
//! | claim_capped.sql: no `FOR UPDATE SKIP LOCKED` of permits | two claims get one permit |
//! | claim_capped.sql: no `slot <= tenant_cap` | a permit beyond the cap, after the cap came down |
//! | claim.sql: paused kinds not asked for | a claim by an old look gets a paused job |
//! | claim.sql: `expires_at > now()` not asked of the lease | claimed under a lease that ended |
//! | lease_beat.sql: an ended lease is prolonged | `beat` says true |
//! | rescue.sql: rows not looked at again when locked | two rescues take back one job |
//! | enqueue_unique.sql: an expired key is not taken over | `Duplicate`, but nobody holds the key |
//!
//! Without `FOR UPDATE SKIP LOCKED` in claim.sql nothing fails: claims go by the
//! place of a row, and whoever comes second finds it moved. There the lock saves
//! the wait, not the exactness.

mod acts;
mod driver;
mod effects;
mod generate;
mod state;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tallyline_testkit::TestDb;

use crate::scripted::LONG;
use driver::{Counts, Driver, Failure};
use generate::{Step, history};

/// Times are multiples of this, so that the time that a history takes is nothing.
const UNIT_SECONDS: i64 = 1_000;
const TTL_UNITS: u64 = 5;
const MARGIN_UNITS: u64 = 1;
const OTHER_DEADLINE_UNITS: u64 = 4;
const MAX_LOST: i32 = 3;
/// Leases are swept so long after their end.
const LEASE_SWEEP_SECONDS: i64 = 60 * 60;

/// Deadline of a kind; the others have that of unknown kinds.
fn deadline_units(kind: &str) -> Option<u64> {
    match kind {
        "copy" => Some(2),
        "gather" => Some(6),
        _ => None,
    }
}

/// Databases that histories run on side by side.
const LANES: u64 = 3;

/// What a run came to.
#[derive(Default)]
struct Tally {
    histories: AtomicU64,
    counts: Mutex<Counts>,
    failed: Mutex<Vec<String>>,
}

/// Runs the histories of these seeds; panics with the first few that failed.
fn run_histories(seeds: std::ops::Range<u64>) {
    let (began, lanes) = (Instant::now(), LANES.min(seeds.end - seeds.start));
    let (tally, next) = (Tally::default(), AtomicU64::new(seeds.start));
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (tally, next, end) = (&tally, &next, seeds.end);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run_lane(lane, next, end, tally));
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} histories in {seconds:.1} s: {:?}",
        tally.histories.load(Ordering::SeqCst),
        tally.counts.lock().unwrap()
    );
    let failed = tally.failed.lock().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// One database, one history after the other.
async fn run_lane(lane: u64, next: &AtomicU64, end: u64, tally: &Tally) {
    let db = TestDb::new().await;
    let pool = if lane.is_multiple_of(2) { db.pool.clone() } else { like_a_runner(&db.pool) };
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end || tally.failed.lock().unwrap().len() >= 3 {
            return;
        }
        run_one(seed, &pool, &db.admin, tally).await;
    }
}

/// Connections that plan as those of a runner do.
fn like_a_runner(pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone().options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
    ]);
    let pool = PgPoolOptions::new().max_connections(6).acquire_timeout(LONG).test_before_acquire(false);
    pool.connect_lazy_with(options)
}

async fn run_one(seed: u64, db: &PgPool, admin: &PgPool, tally: &Tally) {
    let steps = history(seed);
    let (result, driver) = attempt(&steps, db, admin).await;
    tally.histories.fetch_add(1, Ordering::SeqCst);
    if let Some(driver) = driver {
        let mut counts = tally.counts.lock().unwrap();
        driver.counts.iter().for_each(|(what, times)| *counts.entry(what).or_default() += times);
    }
    let Err(failure) = result else { return };
    let (steps, failure) = shrink(steps, failure, db, admin).await;
    let listed: Vec<String> = steps.iter().map(|step| format!("    {step:?}")).collect();
    tally.failed.lock().unwrap().push(format!(
        "the history of seed {seed} fails; to repeat it:\n  \
         TALLYLINE_HISTORIES={seed}..{} cargo test -p tallyline-queue --test it -- --ignored --nocapture ten_thousand\n\
         {failure}\nthe same in {} steps:\n{}",
        seed + 1,
        steps.len(),
        listed.join("\n")
    ));
}

async fn attempt<'a>(steps: &[Step], db: &'a PgPool, admin: &'a PgPool) -> (Result<(), Failure>, Option<Driver<'a>>) {
    match Driver::new(db, admin).await {
        Ok(mut driver) => (driver.run(steps).await, Some(driver)),
        Err(failure) => (Err(failure), None),
    }
}

/// Leaves out steps as long as it still fails. What fails only when connections
/// meet just so is tried more than once.
async fn shrink(mut steps: Vec<Step>, mut failure: Failure, db: &PgPool, admin: &PgPool) -> (Vec<Step>, Failure) {
    let until = Instant::now() + Duration::from_secs(60);
    let mut size = steps.len() / 2;
    while size > 0 && Instant::now() < until {
        let mut at = 0;
        let mut shorter = false;
        while at < steps.len() && Instant::now() < until {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            let mut result = Ok(());
            for _ in 0..3 {
                if result.is_ok() {
                    result = attempt(&fewer, db, admin).await.0;
                }
            }
            match result {
                Err(shown) => (steps, failure, shorter) = (fewer, shown, true),
                Ok(()) => at += size,
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    (steps, failure)
}

#[test]
fn random_histories_come_to_what_the_model_says() {
    run_histories(0..200);
}

/// `cargo test -p tallyline-queue --test it -- --ignored --nocapture ten_thousand_histories`;
/// `TALLYLINE_HISTORIES=from..to` before it names other seeds.
#[test]
#[ignore = "takes the better part of an hour"]
fn ten_thousand_histories() {
    run_histories(named_seeds().unwrap_or(0..10_000));
}

#[expect(clippy::disallowed_methods, reason = "the test kit has no configuration")]
fn named_seeds() -> Option<std::ops::Range<u64>> {
    let text = std::env::var("TALLYLINE_HISTORIES").ok()?;
    let (from, to) = text.split_once("..").expect("TALLYLINE_HISTORIES is from..to");
    Some(from.parse().unwrap()..to.parse().unwrap())
}
