//! What the runner keeps in order beside jobs: partitions, keys, snoozes, old snapshots.

use std::time::Duration;

use tallyline_queue::{JobError, bloat, keep_history};
use tallyline_testkit::{TestDb, wait_until};

use crate::scripted::{LONG, Quick, World, count, enqueue, outcomes, runner, sql, stop, until_count, until_empty};

const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'tally.job_history'::regclass";

#[tokio::test]
async fn history_has_a_partition_a_day_and_loses_whole_days() {
    let db = TestDb::new().await;
    assert_eq!(keep_history(&db.pool, 7, 14).await.unwrap(), (8, 0));
    assert_eq!(keep_history(&db.pool, 7, 14).await.unwrap(), (0, 0), "twice is once");
    // A day past its retention and one that is not, as if made when they were to come.
    let make = "DO $$ DECLARE day date; part text; BEGIN
        FOREACH day IN ARRAY ARRAY[current_date - 15, current_date - 14] LOOP
            part := 'job_history_' || to_char(day, 'YYYYMMDD');
            EXECUTE format('CREATE TABLE tally.%I PARTITION OF tally.job_history FOR VALUES FROM (%L) TO (%L)', part, day, day + 1);
            EXECUTE format('ALTER TABLE tally.%I OWNER TO tallyline_owner', part);
        END LOOP;
        END $$";
    sql(&db, make).await;
    assert_eq!(keep_history(&db.pool, 7, 14).await.unwrap(), (0, 1), "the older one, and only that");
    assert_eq!(count(&db, PARTITIONS).await, 10, "eight days, the day that is kept, and the rest");
}

/// A runner makes them by itself, and what ends lands in the day's.
#[tokio::test(flavor = "multi_thread")]
async fn a_runner_makes_the_partitions_that_it_writes_to() {
    let db = TestDb::new().await;
    let world = World::new(|_, _| async { Ok(()) });
    let runner = runner(&db, &world).start().unwrap();
    wait_until("partitions are made", LONG, async || count(&db, PARTITIONS).await > 1).await;
    enqueue(&db, &Quick { n: 1 }).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history").await, 1);
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history_other").await, 0);
}

/// Without partitions nothing is lost: late maintenance finds the day begun
/// in the default partition and leaves it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_began_without_its_partition_goes_on_without_it() {
    let db = TestDb::new().await;
    sql(&db, "REVOKE EXECUTE ON FUNCTION tally.keep_job_history FROM tallyline_worker").await;
    let world = World::new(|_, _| async { Ok(()) });
    let runner = runner(&db, &world).start().unwrap();
    enqueue(&db, &Quick { n: 1 }).await;
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.job_history_other").await, 1);
    sql(&db, "GRANT EXECUTE ON FUNCTION tally.keep_job_history TO tallyline_worker").await;
    assert_eq!(keep_history(&db.pool, 7, 14).await.unwrap(), (7, 0), "all but this day");
}

/// Maintenance does not make completions wait: a lock that does not come at once
/// is left for the next time.
#[tokio::test(flavor = "multi_thread")]
async fn maintenance_gives_way_to_whoever_reads_history() {
    let db = TestDb::new().await;
    let mut reader = db.admin.begin().await.unwrap();
    sqlx::query("SELECT FROM tally.job_history").execute(&mut *reader).await.unwrap();
    let refused = keep_history(&db.pool, 7, 14).await.unwrap_err();
    assert!(refused.to_string().contains("lock timeout"), "{refused}");
    reader.rollback().await.unwrap();
    assert_eq!(keep_history(&db.pool, 7, 14).await.unwrap(), (8, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snooze_is_neither_a_failure_nor_an_attempt() {
    let db = TestDb::new().await;
    let world = World::new(|_, ctx| async move {
        match ctx.state.runs() {
            1 | 2 => Err(JobError::snooze(Duration::from_secs(3_600))),
            _ => Ok(()),
        }
    });
    let runner = runner(&db, &world).start().unwrap();
    let job = enqueue(&db, &Quick { n: 1 }).await;
    for snoozes in 1..=2 {
        let snoozed =
            "SELECT count(*) FROM tally.job_history WHERE outcome = 'snoozed' AND error IS NULL AND attempt = 1";
        until_count(&db, "it was snoozed", snoozed, snoozes).await;
        assert_eq!(count(&db, "SELECT count(*) FROM tally.jobs WHERE attempt = 0 AND run_at > now()").await, 1);
        sql(&db, "UPDATE tally.jobs SET run_at = now()").await;
    }
    until_empty(&db).await;
    stop(runner).await;
    assert_eq!(outcomes(&db, job).await, ["snoozed", "snoozed", "succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_snapshot_is_told_with_its_holder() {
    let db = TestDb::new().await;
    let mut old = db.admin.begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *old).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *old).await.unwrap();
    // By the administrator, who sees all sessions. Others of this server may hold older ones.
    wait_until("it is told", LONG, async || {
        let bloat = bloat(&db.admin).await.unwrap();
        bloat.oldest_snapshot_seconds.is_some_and(|age| age >= 0.0) && bloat.oldest_snapshot_holder.is_some()
    })
    .await;
    let held: bool = sqlx::query_scalar("SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = $1")
        .bind(pid)
        .fetch_one(&db.admin)
        .await
        .unwrap();
    assert!(held);
    old.rollback().await.unwrap();
    let tables: Vec<String> = bloat(&db.pool).await.unwrap().tables.into_iter().map(|table| table.table).collect();
    assert_eq!(tables, ["dead_jobs", "job_keys", "job_leases", "job_permits", "jobs", "schedules"]);
}
