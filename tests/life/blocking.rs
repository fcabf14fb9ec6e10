//! How long a filled database is held up by its migrations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tallyline_db::apply::Patience;
use tallyline_db::migrate::{self, MIGRATOR};
use tallyline_testkit::{TestDb, wait_until};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::process::LONG;

const CALLS: i32 = 5_000_000;
const CHUNK: i32 = 50_000;
/// Migrations after this one are measured: those of one release to the next.
const FROM: i64 = 20_260_501_000_500;
/// An ingest that waits longer would be answered 503 soon.
const LONGEST_INGEST: Duration = Duration::from_secs(1);
/// Between two writes of a lane.
const EVERY: Duration = Duration::from_millis(10);

/// One kind of write that goes on all the time.
struct Lane {
    name: &'static str,
    writes: AtomicU64,
    longest_micros: AtomicU64,
}

impl Lane {
    fn start(name: &'static str, pool: &PgPool, stop: &Arc<AtomicBool>) -> Arc<Self> {
        let lane = Arc::new(Lane { name, writes: AtomicU64::new(0), longest_micros: AtomicU64::new(0) });
        let (mine, pool, stop) = (Arc::clone(&lane), pool.clone(), Arc::clone(stop));
        tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !stop.load(Ordering::Relaxed) {
                ticks.tick().await;
                let number = mine.writes.load(Ordering::Relaxed);
                let began = Instant::now();
                write(mine.name, number, &pool).await;
                mine.longest_micros.fetch_max(u64::try_from(began.elapsed().as_micros()).unwrap(), Ordering::Relaxed);
                mine.writes.fetch_add(1, Ordering::Relaxed);
            }
        });
        lane
    }

    /// The longest write since the last time, once those are over that were under way.
    async fn longest(&self) -> Duration {
        let before = self.writes.load(Ordering::Relaxed);
        wait_until("the lane writes", LONG * 10, async || self.writes.load(Ordering::Relaxed) >= before + 2).await;
        Duration::from_micros(self.longest_micros.swap(0, Ordering::Relaxed))
    }
}

async fn write(lane: &str, number: u64, pool: &PgPool) {
    let n = i32::try_from(number % 1_000_000).unwrap();
    let written = match lane {
        "ingest" => return ingest(number, pool).await,
        "calls" => sqlx::query(
            "UPDATE calls SET hangup_reason = 'x' WHERE user_id = md5('tenant ' || 1 + $1 % 20)::uuid AND id = md5('call ' || $1)::uuid",
        ),
        "contacts" => sqlx::query(
            "UPDATE contacts SET name = 'x' WHERE user_id = md5('tenant ' || 1 + $1 * 10 % 20)::uuid AND id = md5('contact ' || $1)::uuid",
        ),
        "leads" => sqlx::query(
            "UPDATE lead_analytics SET is_read = true WHERE user_id = md5('tenant ' || 1 + $1 * 8 % 20)::uuid AND id = md5('lead ' || $1 * 8)::uuid",
        ),
        _ => sqlx::query("SELECT tally.enqueue_job('rehearsal', jsonb_build_object('n', $1))"),
    };
    let result = written.bind(n).execute(pool).await;
    if let Err(error) = result {
        // What jobs are enqueued with changes its form in one of the migrations.
        assert_eq!(lane, "jobs", "{error}");
    }
}

/// What the receiver writes for one webhook, by its own statement.
async fn ingest(number: u64, pool: &PgPool) {
    let tenant: Uuid = sqlx::query_scalar("SELECT md5('tenant ' || 1 + $1 % 20)::uuid")
        .bind(i32::try_from(number).unwrap())
        .fetch_one(pool)
        .await
        .unwrap();
    let body = format!("{{\"number\":{number}}}{}", "x".repeat(1_500)).into_bytes();
    let hash = Sha256::digest(&body).to_vec();
    sqlx::query(include_str!("../../sql/receiver/store_group.sql"))
        .bind(vec![tenant])
        .bind(vec!["bolna"])
        .bind(vec!["endpoint-1"])
        .bind(vec![hash])
        .bind(vec![body])
        .bind(vec!["{}"])
        .bind(vec![None::<chrono::DateTime<chrono::Utc>>])
        .execute(pool)
        .await
        .unwrap();
}

/// Fewer, for a machine that has no time: TALLYLINE_BLOCKING_CALLS=500000.
fn calls() -> i32 {
    std::env::var_os("TALLYLINE_BLOCKING_CALLS").map_or(CALLS, |it| it.to_str().unwrap().parse().unwrap())
}

async fn fill(admin: &PgPool) {
    sqlx::query(include_str!("../faults/fill_tenants.sql")).bind(20).execute(admin).await.unwrap();
    let mut filler = admin.acquire().await.unwrap();
    sqlx::query("SET session_replication_role = replica").execute(&mut *filler).await.unwrap();
    for first in (0..calls()).step_by(usize::try_from(CHUNK).unwrap()) {
        let chunk = sqlx::query(include_str!("fill_calls.sql")).bind(first).bind(first + CHUNK - 1);
        chunk.execute(&mut *filler).await.unwrap();
    }
    for table in ["ANALYZE calls", "ANALYZE contacts", "ANALYZE lead_analytics", "ANALYZE tally.inbox"] {
        sqlx::query(table).execute(&mut *filler).await.unwrap();
    }
    sqlx::query("RESET session_replication_role").execute(&mut *filler).await.unwrap();
}

/// Prints, for each migration, the longest write of each lane while it was applied.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "fills five million calls, some ten minutes and 10 GB; prints its figures"]
async fn migrations_hold_up_no_ingest_for_a_second_over_five_million_calls() {
    let db = TestDb::new().await;
    migrate::down_to(&db.url, FROM).await.unwrap();
    let began = Instant::now();
    fill(&db.admin).await;
    println!("{} calls filled in {:.0} s", calls(), began.elapsed().as_secs_f64());

    let stop = Arc::new(AtomicBool::new(false));
    let lanes = ["ingest", "calls", "contacts", "leads", "jobs"].map(|name| Lane::start(name, &db.pool, &stop));
    let mut longest_ingest = Duration::ZERO;
    for lane in &lanes {
        println!("{}: {} ms at most without a migration", lane.name, lane.longest().await.as_millis());
    }
    for (version, name) in migrate::check(&db.url).await.unwrap().pending {
        let until_here =
            Migrator::with_migrations(MIGRATOR.iter().filter(|it| it.version <= version).cloned().collect());
        let began = Instant::now();
        migrate::migrate_with(&db.url, &until_here, Patience::default(), &mut |it| println!("{it:?}")).await.unwrap();
        let took = began.elapsed();
        let mut longest = String::new();
        for lane in &lanes {
            let waited = lane.longest().await;
            longest += &format!(" {} {} ms", lane.name, waited.as_millis());
            if lane.name == "ingest" {
                longest_ingest = longest_ingest.max(waited);
            }
        }
        println!("{version} {name}: {:.1} s; longest:{longest}", took.as_secs_f64());
    }
    stop.store(true, Ordering::Relaxed);
    assert!(longest_ingest < LONGEST_INGEST, "an ingest was held up for {longest_ingest:?}");
}
