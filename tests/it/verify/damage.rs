//! Whatever is damaged is named, with both values.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "columns are named by constants of this file")]

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row};
use tallyline_history::{COUNTERS, Grain};
use tallyline_jobs::verify::{Difference, Value, mark_differences};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::fixture::{ODD_DAYS, calls, named, new_york, roll_up_all, run, stored_rows, tenant, verified};

#[tokio::test]
async fn figures_across_clock_changes_are_those_of_the_calls() {
    // Fails when hours are not cut where the offset changes (Lord Howe), and
    // when days are taken to have 24 hours.
    let db = TestDb::new().await;
    for (zone, from) in ODD_DAYS {
        let user_id = tenant(&db, zone).await;
        calls(&db, user_id, from, 400).await;
    }
    roll_up_all(&db.pool).await;
    let report = verified(&db).await;
    assert_eq!(report.differences, []);
    assert_eq!((report.tenants_checked, report.skipped_dirty), (ODD_DAYS.len(), 0));
    assert_eq!(report.buckets_checked, stored_rows(&db).await);
}

/// Adds 1 to the first counter of one row, 2 to the second, and so on, and
/// expects exactly these differences of that row.
async fn every_counter_is_compared(table: &'static str, grain: Grain, agent: bool) {
    let db = TestDb::new().await;
    new_york(&db).await;
    let grain_is = if grain == Grain::Quarter { String::new() } else { format!("WHERE grain = '{}'", grain.as_str()) };
    if grain != Grain::Quarter {
        let name = table.trim_start_matches("public.");
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}_outcomes_check");
        sqlx::query(AssertSqlSafe(drop)).execute(&db.admin).await.unwrap();
    }
    let added: Vec<String> = COUNTERS.iter().zip(1..).map(|(name, n)| format!("{name} = {name} + {n}")).collect();
    let pick = format!("SELECT ctid FROM {table} {grain_is} ORDER BY bucket_start LIMIT 1 OFFSET 2");
    let pick = if grain == Grain::Month { pick.replace("OFFSET 2", "") } else { pick };
    let who = if agent { "agent_id" } else { "NULL::uuid" };
    let update = format!(
        "UPDATE {table} SET {} WHERE ctid = ({pick}) RETURNING user_id, {who} AS agent_id, bucket_start",
        added.join(", ")
    );
    let row = sqlx::query(AssertSqlSafe(update)).fetch_one(&db.admin).await.unwrap();

    let report = verified(&db).await;
    let names: Vec<&str> = report.differences.iter().map(|d| d.figure).collect();
    assert_eq!(names, COUNTERS);
    for (difference, n) in report.differences.iter().zip(1..) {
        assert_eq!((difference.user_id, difference.agent_id), (row.get("user_id"), row.get("agent_id")));
        assert_eq!(difference.bucket_start, Some(row.get::<DateTime<Utc>, _>("bucket_start")));
        assert_eq!(difference.grain, Some(grain));
        let (Value::Number(expected), Value::Number(found)) = (&difference.expected, &difference.found) else {
            panic!("no numbers: {}", difference.describe());
        };
        assert_eq!(found - expected, n, "{}", difference.describe());
    }
}

#[tokio::test]
async fn every_counter_of_a_quarter_is_compared() {
    every_counter_is_compared("tally.quarter_rollups", Grain::Quarter, true).await;
}

#[tokio::test]
async fn every_counter_of_a_tenants_hour_is_compared() {
    every_counter_is_compared("public.user_analytics", Grain::Hour, false).await;
}

#[tokio::test]
async fn every_counter_of_an_agents_day_is_compared() {
    every_counter_is_compared("public.agent_analytics", Grain::Day, true).await;
}

#[tokio::test]
async fn every_counter_of_a_tenants_month_is_compared() {
    every_counter_is_compared("public.user_analytics", Grain::Month, false).await;
}

#[tokio::test]
async fn a_deleted_row_is_missing() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    let (agent_id, start, calls): (Uuid, DateTime<Utc>, i32) = sqlx::query_as(
        "DELETE FROM public.agent_analytics WHERE ctid = (SELECT ctid FROM public.agent_analytics
         WHERE user_id = $1 AND grain = 'day' ORDER BY bucket_start, agent_id LIMIT 1)
         RETURNING agent_id, bucket_start, total_calls",
    )
    .bind(user_id)
    .fetch_one(&db.admin)
    .await
    .unwrap();
    let report = verified(&db).await;
    let [Difference { agent_id: agent, grain, bucket_start, figure, expected, found, .. }] = &report.differences[..]
    else {
        panic!("not one difference: {:?}", named(&report));
    };
    assert_eq!((*agent, *grain, *bucket_start), (Some(agent_id), Some(Grain::Day), Some(start)));
    assert_eq!((*figure, expected, found), ("row", &Value::Number(calls.into()), &Value::Absent));
}

#[tokio::test]
async fn rows_without_calls_are_ghosts_in_every_table() {
    // Moved rows: each is missing where it was and a ghost where it is, the last
    // of them at a time that is the start of no hour.
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    for statement in [
        "UPDATE tally.quarter_rollups SET bucket_start = bucket_start + interval '364 days' WHERE ctid =
         (SELECT ctid FROM tally.quarter_rollups WHERE user_id = $1 ORDER BY bucket_start LIMIT 1)",
        "UPDATE public.user_analytics SET bucket_start = '2021-05-01 04:00Z' WHERE user_id = $1 AND grain = 'month'",
        "UPDATE public.agent_analytics SET bucket_start = bucket_start + interval '1 minute' WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'hour' ORDER BY bucket_start LIMIT 1)",
    ] {
        assert_eq!(run(&db, statement, user_id).await, 1);
    }
    let report = verified(&db).await;
    let ghosts: Vec<_> = report.differences.iter().filter(|d| d.expected == Value::Absent).collect();
    assert_eq!(
        named(&report),
        [
            "agent hour row",
            "agent hour row",
            "agent quarter row",
            "agent quarter row",
            "tenant month row",
            "tenant month row"
        ]
    );
    assert_eq!(ghosts.len(), 3);
    assert!(ghosts.iter().all(|ghost| ghost.describe().ends_with("none in calls")));
}

#[tokio::test]
async fn sets_and_histograms_of_equal_size_are_told_apart() {
    // Fails when only their sizes are compared.
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    for statement in [
        "UPDATE public.user_analytics SET duration_values = duration_values[1:cardinality(duration_values) - 1] || 9999
         WHERE ctid = (SELECT ctid FROM public.user_analytics WHERE user_id = $1 AND grain = 'day' ORDER BY bucket_start LIMIT 1)",
        "UPDATE tally.quarter_rollups SET contact_ids = ARRAY[gen_random_uuid()] WHERE ctid =
         (SELECT ctid FROM tally.quarter_rollups WHERE user_id = $1 AND cardinality(contact_ids) = 1 LIMIT 1)",
        "UPDATE public.agent_analytics SET contact_ids = contact_ids[2:] WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'day' LIMIT 1)",
    ] {
        assert_eq!(run(&db, statement, user_id).await, 1);
    }
    let report = verified(&db).await;
    assert_eq!(
        named(&report),
        ["agent day distinct_contacts", "agent quarter contact_ids", "tenant day duration_values"]
    );
}

#[tokio::test]
async fn labels_are_those_of_the_calendar() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    for statement in [
        "UPDATE public.user_analytics SET bucket_end = bucket_end + interval '1 hour', zone = 'UTC' WHERE user_id = $1 AND grain = 'month'",
        "UPDATE public.agent_analytics SET date = date + 1, hour = (hour + 1) % 24 WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'hour' LIMIT 1)",
    ] {
        assert_eq!(run(&db, statement, user_id).await, 1);
    }
    assert_eq!(
        named(&verified(&db).await),
        ["agent hour date", "agent hour hour", "tenant month bucket_end", "tenant month zone"]
    );
}

/// Makes one call longer without its bucket being marked.
async fn change_a_call_unseen(db: &TestDb, user_id: Uuid) {
    let mut tx = db.admin.begin().await.unwrap();
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
    let changed = sqlx::query(
        "UPDATE public.calls SET duration_seconds = duration_seconds + 5 WHERE id =
         (SELECT id FROM public.calls WHERE user_id = $1 AND outcome = 'answered' ORDER BY started_at LIMIT 1)",
    )
    .bind(user_id)
    .execute(&mut *tx)
    .await
    .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_call_changed_behind_our_back_is_found_in_every_tier_and_repaired() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    change_a_call_unseen(&db, user_id).await;
    let report = verified(&db).await;
    let mut expected = Vec::new();
    for row in ["agent quarter", "agent hour", "agent day", "agent month", "tenant hour", "tenant day", "tenant month"]
    {
        expected.extend(["talk_seconds", "fingerprint_hi", "fingerprint_lo"].map(|figure| format!("{row} {figure}")));
        if row.ends_with("quarter") || row.ends_with("day") {
            expected.push(format!("{row} duration_values"));
        }
    }
    expected.sort();
    assert_eq!(named(&report), expected);
    assert!(report.differences.iter().all(|d| d.user_id == user_id));

    // One quarter, and an hour, a day and a month above it.
    assert_eq!(mark_differences(&db.pool, &report).await.unwrap(), 4);
    let marked = verified(&db).await;
    assert_eq!((named(&marked), marked.is_clean()), (vec![], true));
    roll_up_all(&db.pool).await;
    let repaired = verified(&db).await;
    assert_eq!((named(&repaired), repaired.skipped_dirty), (vec![], 0));
}

#[tokio::test]
async fn damaged_rows_above_right_quarters_and_ghosts_are_repaired() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    for statement in [
        "UPDATE public.user_analytics SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND grain = 'month'",
        "DELETE FROM public.user_analytics WHERE user_id = $1 AND grain = 'day'",
        "UPDATE public.agent_analytics SET bucket_start = bucket_start + interval '364 days 1 minute' WHERE user_id = $1 AND grain = 'hour'",
        "UPDATE tally.quarter_rollups SET bucket_start = bucket_start + interval '364 days' WHERE user_id = $1",
    ] {
        assert!(run(&db, statement, user_id).await > 0);
    }
    let report = verified(&db).await;
    assert!(report.differences.len() > 400);
    mark_differences(&db.pool, &report).await.unwrap();
    roll_up_all(&db.pool).await;
    let repaired = verified(&db).await;
    assert_eq!((named(&repaired), repaired.skipped_dirty), (vec![], 0));
    assert_eq!(repaired.buckets_checked, stored_rows(&db).await);
}
