//! What operators ask costs what it shows, not what history holds.

use serde_json::Value;
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use tallyline_queue::{
    admin::{self, Listing, State},
    keep_history,
};
use tallyline_testkit::TestDb;

use crate::scripted::{count, now, sql};

/// As many attempts as a page may look at, see admin/list.rs.
const LOOK: i64 = 20_000;
/// Attempts in the history: so many a day for ten days, every fourth of them a failure.
const ATTEMPTS: i64 = 300_000;

async fn filled() -> TestDb {
    let db = TestDb::new().await;
    keep_history(&db.pool, 1, 30).await.unwrap();
    // Past days, as the maintenance of those days has made them.
    sql(
        &db,
        "DO $$ BEGIN
             FOR n IN 1..9 LOOP
                 EXECUTE format('CREATE TABLE tally.%I PARTITION OF tally.job_history FOR VALUES FROM (%L) TO (%L)',
                     'job_history_' || to_char((now() AT TIME ZONE 'UTC')::date - n, 'YYYYMMDD'),
                     ((now() AT TIME ZONE 'UTC')::date - n)::timestamp AT TIME ZONE 'UTC',
                     ((now() AT TIME ZONE 'UTC')::date - n + 1)::timestamp AT TIME ZONE 'UTC');
             END LOOP;
         END $$;
         INSERT INTO tally.job_history (job_id, claim, kind, queue, attempt, outcome, queued_at, finished_at)
         SELECT n, 1, 'k' || n % 5, 'q', 1, CASE WHEN n % 4 = 0 THEN 'failed' ELSE 'succeeded' END,
             now(), now() - (300000 - n) * interval '2.7 seconds'
         FROM generate_series(1, 300000) n;
         ANALYZE tally.job_history;",
    )
    .await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history").await, ATTEMPTS);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history_other").await, 0);
    db
}

/// What running a statement came to.
#[derive(Debug, Default)]
struct Cost {
    /// Scans of the history: node, relation, rows read, those that it dropped included.
    scans: Vec<(String, String, f64)>,
}

impl Cost {
    fn add(&mut self, node: &Value) {
        let text = |key: &str| node[key].as_str().unwrap_or("").to_owned();
        let number = |key: &str| node[key].as_f64().unwrap_or(0.0);
        if text("Node Type").ends_with("Scan") && text("Relation Name").starts_with("job_history") {
            let rows = number("Actual Loops") * (number("Actual Rows") + number("Rows Removed by Filter"));
            self.scans.push((text("Node Type"), text("Relation Name"), rows));
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
    }

    fn rows(&self) -> f64 {
        self.scans.iter().map(|(_, _, rows)| rows).sum()
    }

    /// Whether a table with something in it was read from one end to the other.
    fn is_sequential(&self) -> bool {
        self.scans.iter().any(|(node, _, rows)| node == "Seq Scan" && *rows > 0.0)
    }
}

async fn cost(db: &TestDb, query: Query<'_, Postgres, PgArguments>) -> Cost {
    use sqlx::Row;
    let plan: Value = query.fetch_one(&db.pool).await.unwrap().get(0);
    let mut cost = Cost::default();
    cost.add(&plan[0]["Plan"]);
    cost
}

const ENDED: &str = concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/jobs_ended.sql"));
const SUCCEEDED: &str =
    concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/jobs_succeeded.sql"));
const ATTEMPTS_OF_JOB: &str =
    concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/job_attempts.sql"));
const STANDING: &str =
    concat!("EXPLAIN (ANALYZE, FORMAT JSON)\n", include_str!("../../../../sql/queue/jobs_standing.sql"));

async fn ended(db: &TestDb, days: i32, kind: Option<&str>) -> Cost {
    let now = now(db).await;
    let query = sqlx::query(ENDED)
        .bind("failed")
        .bind(kind)
        .bind(None::<&str>)
        .bind(None::<uuid::Uuid>)
        .bind(now - chrono::TimeDelta::days(days.into()))
        .bind(now + chrono::TimeDelta::days(1))
        .bind(i64::MAX)
        .bind(i64::MAX)
        .bind(LOOK)
        .bind(50_i64);
    cost(db, query).await
}

async fn succeeded(db: &TestDb, kind: Option<&str>) -> Cost {
    // The last second of yesterday: nearly all of that day's partition lies before it.
    let midnight = now(db).await.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let query = sqlx::query(SUCCEEDED)
        .bind(kind)
        .bind(None::<&str>)
        .bind(None::<uuid::Uuid>)
        .bind(midnight - chrono::TimeDelta::seconds(1))
        .bind(i64::MAX)
        .bind(i64::MAX)
        .bind(LOOK)
        .bind(50_i64);
    cost(db, query).await
}

/// Broken by hand: without the index of what did not succeed, whole days are read; with
/// the bound of time in jobs_succeeded.sql beside the order, what it drops is read without end.
#[tokio::test(flavor = "multi_thread")]
async fn lists_and_single_jobs_read_what_they_show() {
    let db = filled().await;
    // Ten partitions may each look ahead by a row, and a sort within a job by one more.
    let slack = 40.0;
    for (what, cost, most) in [
        ("a page of failures of a day", ended(&db, 1, None).await, 50.0),
        ("a page of failures of all days", ended(&db, 12, None).await, 50.0),
        ("failures of a kind that has none", ended(&db, 12, Some("none")).await, LOOK as f64),
        ("a page of successes", succeeded(&db, None).await, 50.0 * 2.0),
        ("successes of a kind that has none", succeeded(&db, Some("none")).await, LOOK as f64),
        ("the attempts of a job", cost(&db, sqlx::query(ATTEMPTS_OF_JOB).bind(77_i64).bind(20_i64)).await, 1.0),
        ("how three jobs stand", cost(&db, sqlx::query(STANDING).bind(vec![5_i64, 77, 290_000])).await, 3.0),
    ] {
        assert!(!cost.is_sequential(), "{what}: {cost:?}");
        assert!(cost.rows() <= most + slack, "{what}: {} rows, {cost:?}", cost.rows());
        assert!(cost.rows() >= 1.0, "{what}: nothing was read, so nothing was shown: {cost:?}");
    }
    let day = ended(&db, 1, None).await;
    let days: Vec<_> = day.scans.iter().filter(|(_, table, _)| !table.ends_with("_other")).collect();
    assert!(days.len() <= 3, "other days are left out by their bounds: {days:?}");
}

/// Broken by hand: with `next` given only by a full page, the walk ends at the first stretch without a match.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_a_match_says_where_to_go_on() {
    let db = filled().await;
    sql(&db, "UPDATE tally.job_history SET kind = 'rare' WHERE job_id = 40").await;
    for state in ["failed", "succeeded"] {
        let state: State = state.parse().unwrap();
        let mut listing = Listing {
            state,
            kind: Some("rare".into()),
            queue: None,
            tenant: None,
            since: now(&db).await - chrono::TimeDelta::days(12),
            since_for_all: false,
            limit: 10,
            before: None,
        };
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut connection = db.pool.acquire().await.unwrap();
        loop {
            let page = admin::list(&mut connection, &listing).await.unwrap();
            found.extend(page.jobs.iter().map(|line| line.job_id));
            pages += 1;
            assert_eq!(page.next.is_some(), page.looked_at == Some(LOOK), "{page:?}");
            match page.next {
                Some(next) => listing.before = Some(next),
                None => break,
            }
        }
        let (expected, stretch): (&[i64], i64) = match state.as_str() {
            "failed" => (&[40], ATTEMPTS / 4 / LOOK),
            _ => (&[], ATTEMPTS / LOOK),
        };
        assert_eq!((found.as_slice(), pages), (expected, stretch + 1), "{state:?}");
    }
}
