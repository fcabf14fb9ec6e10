//! A roll-up transaction that a test takes step by step, with the statements of
//! the product, and what tests of races need besides.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};
use tallyline_testkit::{TestDb, wait_until};
use uuid::Uuid;

use crate::support::*;

pub const QUARTER: i16 = 0;
pub const HOUR: i16 = 1;
pub const DAY: i16 = 2;
pub const MONTH: i16 = 3;

pub const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
pub const REPEATABLE_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

pub const QUARTER_UPSERT: &str = include_str!("../../../../sql/rollup/quarter_upsert.sql");
const ENSURE: &str = include_str!("../../../../sql/rollup/ensure_buckets.sql");
const LOCK: &str = include_str!("../../../../sql/rollup/lock_buckets.sql");
const CONSUME: &str = include_str!("../../../../sql/rollup/consume_marks.sql");
const QUARTER_DELETE: &str = include_str!("../../../../sql/rollup/quarter_delete_vanished.sql");
const RANGES: &str = include_str!("../../../../sql/rollup/ranges.sql");
const LOCAL_DELETE: [&str; 2] = [
    include_str!("../../../../sql/rollup/agent_delete_vanished.sql"),
    include_str!("../../../../sql/rollup/user_delete_vanished.sql"),
];
/// Of hours, days and months: agents, then users.
const LOCAL_UPSERTS: [[&str; 2]; 3] = [
    [
        include_str!("../../../../sql/rollup/hour_agent_upsert.sql"),
        include_str!("../../../../sql/rollup/hour_user_upsert.sql"),
    ],
    [
        include_str!("../../../../sql/rollup/day_agent_upsert.sql"),
        include_str!("../../../../sql/rollup/day_user_upsert.sql"),
    ],
    [
        include_str!("../../../../sql/rollup/month_agent_upsert.sql"),
        include_str!("../../../../sql/rollup/month_user_upsert.sql"),
    ],
];
const GRAINS: [&str; 3] = ["hour", "day", "month"];
const MARK_PARENTS: &str = include_str!("../../../../sql/rollup/mark_parents.sql");
const CANDIDATES: &str = include_str!("../../../../sql/rollup/candidates.sql");

/// Long enough for a busy machine; nothing waits for it to pass.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A database with one tenant and one agent.
pub struct Scene {
    pub db: TestDb,
    pub user: Uuid,
    pub agent: Uuid,
}

impl Scene {
    /// In a zone whose hours are not hours of UTC.
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let user = tenant(&db, "Asia/Kathmandu").await;
        let agent = agent(&db, user, "agent-of-the-scene").await;
        Scene { db, user, agent }
    }

    /// With a call at each of these times, rolled up.
    pub async fn rolled_up(calls: &[&str]) -> Self {
        let scene = Scene::new().await;
        for at in calls {
            scene.call(at).await;
        }
        assert_eq!(settle(&scene.db).await, Vec::<String>::new());
        scene
    }

    pub async fn call(&self, at: &str) -> Uuid {
        let mut conn = self.db.pool.acquire().await.unwrap();
        self.call_in(&mut conn, at).await
    }

    pub async fn call_in(&self, conn: &mut PgConnection, at: &str) -> Uuid {
        sqlx::query_scalar(
            "INSERT INTO calls (user_id, agent_id, started_at, outcome, status, duration_seconds, duration_minutes, cost_micros)
             VALUES ($1, $2, $3, 'answered', 'completed', 61, 2, 7) RETURNING id",
        )
        .bind(self.user)
        .bind(self.agent)
        .bind(time(at))
        .fetch_one(conn)
        .await
        .unwrap()
    }

    /// The quarters that begin at these times.
    pub fn quarters(&self, starts: &[&str]) -> Buckets {
        Buckets {
            user_ids: vec![self.user; starts.len()],
            starts: starts.iter().map(|at| time(at)).collect(),
            generations: Vec::new(),
        }
    }
}

pub fn time(at: &str) -> DateTime<Utc> {
    DateTime::parse_from_str(&format!("{at}:00 +0000"), "%Y-%m-%d %H:%M:%S %z").unwrap().to_utc()
}

/// Buckets of one tier, in parallel arrays.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    pub user_ids: Vec<Uuid>,
    pub starts: Vec<DateTime<Utc>>,
    pub generations: Vec<i64>,
}

/// A transaction of a worker.
pub struct Worker {
    pub tx: Transaction<'static, Postgres>,
    tier: i16,
    pub buckets: Buckets,
}

impl Worker {
    pub async fn begin(pool: &PgPool, tier: i16) -> Self {
        Self::begin_as(pool, tier, READ_COMMITTED).await
    }

    pub async fn begin_as(pool: &PgPool, tier: i16, begin: &'static str) -> Self {
        Worker { tx: pool.begin_with(begin).await.unwrap(), tier, buckets: Buckets::default() }
    }

    /// Makes and locks buckets as the product does: those that nobody else holds.
    pub async fn lock(&mut self, pool: &PgPool, wanted: &Buckets) -> usize {
        self.ensure(pool, wanted).await;
        let rows = sqlx::query(LOCK)
            .bind(&wanted.user_ids)
            .bind(self.tier)
            .bind(&wanted.starts)
            .bind(1_000_i64)
            .fetch_all(&mut *self.tx)
            .await
            .unwrap();
        self.buckets = Buckets::default();
        for row in &rows {
            self.buckets.user_ids.push(row.get(0));
            self.buckets.starts.push(row.get(1));
            self.buckets.generations.push(row.get(2));
        }
        rows.len()
    }

    /// A break: the buckets are taken as if locked.
    pub async fn take_without_lock(&mut self, pool: &PgPool, wanted: &Buckets) {
        self.ensure(pool, wanted).await;
        self.buckets = wanted.clone();
        self.buckets.generations = vec![1_000; wanted.starts.len()];
    }

    pub async fn ensure(&self, pool: &PgPool, wanted: &Buckets) {
        sqlx::query(ENSURE).bind(&wanted.user_ids).bind(self.tier).bind(&wanted.starts).execute(pool).await.unwrap();
    }

    /// Returns how many marks were taken.
    pub async fn consume(&mut self) -> i64 {
        sqlx::query(CONSUME)
            .bind(&self.buckets.user_ids)
            .bind(self.tier)
            .bind(&self.buckets.starts)
            .fetch_one(&mut *self.tx)
            .await
            .unwrap()
            .get(0)
    }

    pub async fn replace(&mut self) {
        self.delete_vanished().await;
        self.upsert().await;
    }

    pub async fn delete_vanished(&mut self) {
        let b = &self.buckets;
        if self.tier == QUARTER {
            let query = sqlx::query(QUARTER_DELETE).bind(&b.user_ids).bind(&b.starts);
            query.execute(&mut *self.tx).await.unwrap();
            return;
        }
        let r = self.ranges().await;
        let grain = GRAINS[usize::try_from(self.tier).unwrap() - 1];
        for statement in LOCAL_DELETE {
            let query = sqlx::query(statement).bind(&r.user_ids).bind(&r.starts).bind(&r.ends).bind(grain);
            query.execute(&mut *self.tx).await.unwrap();
        }
    }

    pub async fn upsert(&mut self) {
        let b = &self.buckets;
        if self.tier == QUARTER {
            let query = sqlx::query(QUARTER_UPSERT).bind(&b.user_ids).bind(&b.starts).bind(&b.generations);
            query.execute(&mut *self.tx).await.unwrap();
            return;
        }
        let r = self.ranges().await;
        for statement in LOCAL_UPSERTS[usize::try_from(self.tier).unwrap() - 1] {
            let query = sqlx::query(statement).bind(&r.user_ids).bind(&r.starts).bind(&r.ends).bind(&r.zones);
            query.bind(&r.dates).bind(&r.hours).bind(&r.generations).execute(&mut *self.tx).await.unwrap();
        }
    }

    async fn ranges(&mut self) -> Ranges {
        let b = &self.buckets;
        let query = sqlx::query(RANGES).bind(&b.user_ids).bind(&b.starts).bind(i32::from(self.tier));
        let mut ranges = Ranges::default();
        for row in query.bind(&b.generations).fetch_all(&mut *self.tx).await.unwrap() {
            ranges.user_ids.push(row.get(0));
            ranges.starts.push(row.get(1));
            ranges.generations.push(row.get(2));
            ranges.zones.push(row.get(3));
            ranges.ends.push(row.get(4));
            ranges.dates.push(row.get(5));
            ranges.hours.push(row.get(6));
        }
        ranges
    }

    /// Notes the new generations; no debounce here, whatever the product notes besides.
    pub async fn bump(&mut self) {
        sqlx::query(
            "UPDATE tally.rollup_buckets r SET generation = b.generation
             FROM unnest($1::uuid[], $3::timestamptz[], $4::bigint[]) AS b (user_id, bucket_start, generation)
             WHERE r.user_id = b.user_id AND r.tier = $2 AND r.bucket_start = b.bucket_start",
        )
        .bind(&self.buckets.user_ids)
        .bind(self.tier)
        .bind(&self.buckets.starts)
        .bind(&self.buckets.generations)
        .execute(&mut *self.tx)
        .await
        .unwrap();
    }

    pub async fn mark_parents(&mut self) {
        mark_parents(&mut self.tx, self.tier, &self.buckets).await;
    }

    /// What comes after the replacement.
    pub async fn finish(mut self) {
        self.bump().await;
        if self.tier < MONTH {
            self.mark_parents().await;
        }
        self.tx.commit().await.unwrap();
    }

    /// All after the lock.
    pub async fn work(mut self) {
        self.consume().await;
        self.replace().await;
        self.finish().await;
    }
}

/// Where local buckets end and what they are called, in parallel arrays.
#[derive(Default)]
struct Ranges {
    user_ids: Vec<Uuid>,
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
    zones: Vec<String>,
    dates: Vec<NaiveDate>,
    hours: Vec<Option<i32>>,
    generations: Vec<i64>,
}

/// Marks the buckets of the tier above.
pub async fn mark_parents(conn: &mut PgConnection, tier: i16, children: &Buckets) {
    sqlx::query(MARK_PARENTS)
        .bind(&children.user_ids)
        .bind(&children.starts)
        .bind(i32::from(tier + 1))
        .execute(conn)
        .await
        .unwrap();
}

/// What the product would work on next.
pub async fn candidates(conn: &mut PgConnection, tier: i16) -> Buckets {
    let query = sqlx::query(CANDIDATES).bind(tier).bind(1_000_i64).bind(1_000_i64);
    let mut found = Buckets::default();
    for row in query.fetch_all(conn).await.unwrap() {
        found.user_ids.push(row.get(0));
        found.starts.push(row.get(1));
    }
    found
}

/// Rolls up until nothing is marked; returns where roll-ups then differ from calls.
pub async fn settle(db: &TestDb) -> Vec<String> {
    roll_up(db).await;
    assert_eq!(number(db, MARKS).await, 0);
    differences(db).await
}

pub const MARKS: &str = "SELECT count(*) FROM tally.rollup_marks";

/// Calls that no quarter of an hour counts, less those counted twice.
pub async fn uncounted(db: &TestDb) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM calls) - (SELECT coalesce(sum(total_calls), 0) FROM tally.quarter_rollups)";
    number(db, sql).await
}

/// Sessions of this database that wait for a lock.
pub async fn waiters(db: &TestDb) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    number(db, sql).await
}

/// Returns when so many sessions of this database wait for a lock.
pub async fn wait_for_waiters(db: &TestDb, expected: i64) {
    wait_until("sessions wait for locks", DEADLINE, || async { waiters(db).await == expected }).await;
}

pub async fn wait_for_a_waiter(db: &TestDb) {
    wait_for_waiters(db, 1).await;
}

/// Writes a function of the database anew with one passage replaced.
pub async fn break_function(db: &TestDb, function: &str, passage: &str, broken: &str) {
    let mut tx = db.admin.begin().await.unwrap();
    let found: bool = sqlx::query_scalar(
        "SELECT strpos(pg_get_functiondef($1::text::regproc), $2) > 0
         FROM (SELECT set_config('test.function', $1, true), set_config('test.passage', $2, true), set_config('test.broken', $3, true)) s",
    )
    .bind(function)
    .bind(passage)
    .bind(broken)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert!(found, "{function} has no passage {passage}");
    sqlx::raw_sql(
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef(current_setting('test.function')::regproc),
             current_setting('test.passage'), current_setting('test.broken')); END $$",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

pub async fn run(db: &TestDb, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&db.admin).await.unwrap();
}

/// SQLSTATE of a refusal.
pub fn sqlstate<T: std::fmt::Debug>(result: Result<T, sqlx::Error>) -> String {
    let error = result.unwrap_err();
    error.as_database_error().and_then(|e| e.code()).unwrap_or_else(|| panic!("no refusal: {error}")).into_owned()
}
