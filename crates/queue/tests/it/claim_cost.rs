//! What a claim writes and reads, and what finds a claim again.

use serde_json::Value;
use sqlx::{Executor, PgConnection, Postgres, postgres::PgArguments, query::Query};
use tallyline_queue::store::{self, ClaimTerms, LaneShare, RescueTerms};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::scripted::{LONG, count, end_leases, sql};

/// As the queue's own connections are set up: each statement is planned once, for any table.
const OWN: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off";

const CLAIM: &str = concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/claim.sql"));
const RESCUE: &str = concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/rescue.sql"));
const UNKNOWN: &str =
    concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/release_unknown.sql"));

/// Jobs of one moment, as one statement adds them.
async fn add(db: &TestDb, jobs: i32) {
    let add = "INSERT INTO tally.jobs (kind, queue, payload, run_at, created_at)
         SELECT 'quick', 'default', '{\"n\": 1}', now(), now() FROM generate_series(1, $1)";
    sqlx::query(add).bind(jobs).execute(&db.admin).await.unwrap();
}

async fn lease(db: &TestDb) -> Uuid {
    let id = Uuid::new_v4();
    store::register_lease(&db.pool, id, "test", LONG).await.unwrap();
    id
}

fn terms() -> ClaimTerms {
    ClaimTerms { queue: "default".into(), deadlines: serde_json::json!({}), other_deadline: LONG }
}

async fn lane(db: &TestDb, share: usize) -> (LaneShare, bool) {
    let row = store::lanes(&db.pool, "default", 1, (-1, Uuid::nil(), "")).await.unwrap().remove(0);
    let (not_before, first_id) = (row.oldest_run_at, row.oldest_id);
    let share = LaneShare { priority: row.priority, tenant: row.tenant, kind: row.kind, not_before, first_id, share };
    (share, row.tenant_cap.is_some())
}

/// Broken by hand: with `WHERE state = 'ready'` at the index of lanes, with an index of
/// `lease_id`, with `jobs_to_cancel` by its lease, none of the updates is one in place.
#[tokio::test]
async fn a_claim_makes_no_entry_in_any_index_of_the_jobs() {
    for cap in ["DELETE FROM tally.queue_caps", "INSERT INTO tally.queue_caps VALUES ('default', 200, now())"] {
        let db = TestDb::new().await;
        sql(&db, cap).await;
        add(&db, 200).await;
        let mine = lease(&db).await;
        let (share, capped) = lane(&db, 200).await;
        assert_eq!(capped, cap.starts_with("INSERT"));
        store::make_permits(&db.pool, "default", &[Uuid::nil()]).await.unwrap();
        let mut tx = db.pool.begin().await.unwrap();
        assert_eq!(store::claim_from(&mut *tx, &terms(), mine, 200, &[share], capped).await.unwrap().len(), 200);
        let updates = "SELECT pg_stat_get_xact_tuples_updated('tally.jobs'::regclass),
            pg_stat_get_xact_tuples_hot_updated('tally.jobs'::regclass)";
        let updates: (i64, i64) = sqlx::query_as(updates).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(updates, (200, 200), "all, and in place");
    }
}

/// Scans of the live jobs: node, index, rows read, those that it dropped included.
#[derive(Debug, Default)]
struct Scans(Vec<(String, String, f64)>);

impl Scans {
    fn add(&mut self, node: &Value) {
        let text = |key: &str| node[key].as_str().unwrap_or("").to_owned();
        let number = |key: &str| node[key].as_f64().unwrap_or(0.0);
        if text("Relation Name") == "jobs" || text("Index Name").starts_with("jobs_") {
            let rows = number("Actual Loops") * (number("Actual Rows") + number("Rows Removed by Filter"));
            self.0.push((text("Node Type"), text("Index Name"), rows));
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
    }

    fn rows(&self, index: &str) -> f64 {
        self.0.iter().filter(|(_, name, _)| name == index).map(|(_, _, rows)| rows).sum()
    }
}

async fn scans(db: &mut PgConnection, query: Query<'_, Postgres, PgArguments>) -> Scans {
    use sqlx::Row;
    let plan: Value = query.fetch_one(db).await.unwrap().get(0);
    let mut scans = Scans::default();
    scans.add(&plan[0]["Plan"]);
    scans
}

/// What runs stays in the index, and many jobs are due at the same moment. Broken by
/// hand: with `j.run_at >= lane.not_before` alone in claim.sql, the claim reads over all that runs.
#[tokio::test]
async fn a_claim_goes_on_behind_the_last_one() {
    let db = TestDb::new().await;
    add(&db, 3_000).await;
    let mine = lease(&db).await;
    let (share, _) = lane(&db, 2_000).await;
    let rows = store::claim_from(&db.pool, &terms(), mine, 2_000, std::slice::from_ref(&share), false).await.unwrap();
    let last = rows.last().unwrap();
    let mut connection = db.pool.acquire().await.unwrap();
    connection.execute(OWN).await.unwrap();
    let query = sqlx::query(CLAIM)
        .bind("default")
        .bind(mine)
        .bind(10_i64)
        .bind(vec![share.priority])
        .bind(vec![share.tenant])
        .bind(vec![share.kind])
        .bind(vec![last.run_at])
        .bind(vec![last.id])
        .bind(vec![10_i64])
        .bind(serde_json::json!({}))
        .bind(60.0);
    let scans = scans(&mut connection, query).await;
    assert_eq!(scans.rows("jobs_lanes"), 11.0, "the last one and ten: {scans:?}");
}

/// Whatever the planner knows, which is little: the tables are empty when a process
/// starts.
#[tokio::test]
async fn what_is_claimed_is_found_by_reading_the_table_once() {
    for analyzed in [false, true] {
        let db = TestDb::new().await;
        let mine = lease(&db).await;
        if analyzed {
            add(&db, 5_000).await;
            assert_eq!(store::claim(&db.pool, &terms(), mine, 20).await.unwrap().len(), 20);
            sql(&db, "ANALYZE tally.jobs, tally.job_leases").await;
            end_leases(&db).await;
        }
        let jobs = if analyzed { 5_000.0 } else { 0.0 };
        let mut connection = db.pool.acquire().await.unwrap();
        connection.execute(OWN).await.unwrap();
        let unknown = sqlx::query(UNKNOWN).bind("default").bind(mine).bind(vec![0_i64]).bind(0_i64).bind(1_000_i64);
        let rescue = sqlx::query(RESCUE).bind(500_i64).bind(10.0).bind(5).bind(true).bind(0_i64).bind(1_000_i64);
        for query in [rescue, unknown] {
            let mut tx = sqlx::Connection::begin(&mut *connection).await.unwrap();
            let scans = scans(&mut tx, query).await;
            let table: Vec<_> =
                scans.0.iter().filter(|(node, ..)| ["Tid Range Scan", "Seq Scan"].contains(&&**node)).collect();
            assert!(matches!(table[..], [(node, _, rows)] if node == "Tid Range Scan" && *rows == jobs), "{scans:?}");
            assert_eq!(scans.rows("jobs_lanes"), 0.0, "{scans:?}");
            tx.rollback().await.unwrap();
        }
    }
}

/// Broken by hand: with each stretch begun one block late, and with `limit` given to
/// every stretch anew.
#[tokio::test]
async fn a_rescue_of_many_stretches_takes_each_job_once() {
    let db = TestDb::new().await;
    add(&db, 300).await;
    let mine = lease(&db).await;
    let mut claimed = store::claim(&db.pool, &terms(), mine, 200).await.unwrap();
    let blocks = count(&db, "SELECT pg_relation_size('tally.jobs') / 8192").await;
    assert!(blocks > 5, "{blocks}");
    end_leases(&db).await;
    let terms = RescueTerms { blocks: 2, limit: 90, ..Default::default() };
    let mut rescued = Vec::new();
    for expected in [90, 90, 20, 0] {
        let rows = store::rescue(&db.pool, &terms).await.unwrap();
        assert_eq!(rows.len(), expected);
        rescued.extend(rows.into_iter().map(|row| row.job_id));
    }
    rescued.sort_unstable();
    claimed.sort_by_key(|row| row.id);
    assert_eq!(rescued, claimed.iter().map(|row| row.id).collect::<Vec<_>>());
}

/// Its lease is looked for in vain by the rounds that look at ended leases only.
#[tokio::test]
async fn a_job_whose_lease_was_swept_is_taken_back_by_a_thorough_round() {
    let db = TestDb::new().await;
    add(&db, 1).await;
    let mine = lease(&db).await;
    assert_eq!(store::claim(&db.pool, &terms(), mine, 1).await.unwrap().len(), 1);
    sql(&db, "UPDATE tally.job_leases SET expires_at = now() - interval '61 minutes'").await;
    assert_eq!(store::sweep_leases(&db.pool).await.unwrap(), 1);
    let quick = RescueTerms { thorough: false, ..Default::default() };
    assert_eq!(store::rescue(&db.pool, &quick).await.unwrap().len(), 0);
    assert_eq!(store::rescue(&db.pool, &RescueTerms::default()).await.unwrap().len(), 1);
}
