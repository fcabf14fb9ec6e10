//! The sampler and the nightly verification find what is wrong, keep it, explain it, and have it put right.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "EXPLAIN goes before statements of files")]

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tallyline_history::Grain;
use tallyline_jobs::audit_rollups::{self, Options};
use tallyline_jobs::verify::{
    Against, Calendars, Difference, Explanation, FoundBy, Sample, Value, VerifyOptions, VerifyReport, keep,
    sample_tenant, verify,
};
use tallyline_jobs::verify_rollups;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::verify_fixture::{calls, named, new_york, roll_up_all, run, tenant, verified};

/// More buckets than any test has.
const ALL: i64 = 100_000;

async fn sampled(db: &TestDb, user_id: Uuid, buckets: i64, seed: u64) -> VerifyReport {
    let mut connection = db.pool.acquire().await.unwrap();
    sample_tenant(&mut connection, &mut Calendars::new(), user_id, buckets, seed).await.unwrap()
}

/// Runs statements that no trigger sees, as a lost mark would leave things.
async fn unseen(db: &TestDb, statement: &'static str, user_id: Uuid) -> u64 {
    let mut tx = db.admin.begin().await.unwrap();
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
    let changed = sqlx::query(statement).bind(user_id).execute(&mut *tx).await.unwrap().rows_affected();
    tx.commit().await.unwrap();
    changed
}

async fn count(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.admin).await.unwrap()
}

/// A tenant that comes before all others and whose zone has no calendar.
async fn poisoned(db: &TestDb) -> Uuid {
    let user_id = Uuid::from_u128(1);
    for statement in [
        "SELECT tally.ensure_zone('Africa/Cairo') WHERE $1::uuid IS NOT NULL",
        "INSERT INTO public.users (id, email, name, timezone) VALUES ($1, 'p@example.com', 'P', 'Africa/Cairo')",
        "DELETE FROM tally.calendar WHERE zone = 'Africa/Cairo' AND $1::uuid IS NOT NULL",
    ] {
        run(db, statement, user_id).await;
    }
    user_id
}

/// What is broken in one row, and a difference that both checks must name.
const DAMAGES: &[(&str, &str)] = &[
    (
        "DELETE FROM tally.quarter_rollups WHERE ctid = (SELECT ctid FROM tally.quarter_rollups WHERE user_id = $1 LIMIT 1)",
        "agent quarter row",
    ),
    (
        "DELETE FROM public.agent_analytics WHERE ctid = (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'hour' LIMIT 1)",
        "agent hour row",
    ),
    (
        "DELETE FROM public.user_analytics WHERE user_id = $1 AND grain = 'day' AND date = '2025-11-02'",
        "tenant day row",
    ),
    ("DELETE FROM public.user_analytics WHERE user_id = $1 AND grain = 'month'", "tenant month row"),
    (
        "UPDATE tally.quarter_rollups SET bucket_start = bucket_start + interval '364 days' WHERE ctid =
         (SELECT ctid FROM tally.quarter_rollups WHERE user_id = $1 LIMIT 1)",
        "agent quarter row",
    ),
    (
        "UPDATE public.agent_analytics SET bucket_start = bucket_start + interval '1 minute' WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'hour' LIMIT 1)",
        "agent hour row",
    ),
    (
        "UPDATE public.user_analytics SET bucket_start = '2021-05-01 04:00Z' WHERE user_id = $1 AND grain = 'month'",
        "tenant month row",
    ),
    (
        "UPDATE tally.quarter_rollups SET cta_demo_clicks = cta_demo_clicks + 1 WHERE ctid =
         (SELECT ctid FROM tally.quarter_rollups WHERE user_id = $1 LIMIT 1)",
        "agent quarter cta_demo_clicks",
    ),
    (
        "UPDATE public.agent_analytics SET fingerprint_lo = fingerprint_lo + 1 WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'hour' LIMIT 1)",
        "agent hour fingerprint_lo",
    ),
    (
        "UPDATE public.user_analytics SET fingerprint_hi = fingerprint_hi - 1 WHERE user_id = $1 AND date = '2025-11-02' AND grain = 'day'",
        "tenant day fingerprint_hi",
    ),
    (
        "UPDATE public.agent_analytics SET total_score_sum = total_score_sum + 1 WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'month' LIMIT 1)",
        "agent month total_score_sum",
    ),
    (
        "UPDATE tally.quarter_rollups SET contact_ids = ARRAY[gen_random_uuid()] WHERE ctid =
         (SELECT ctid FROM tally.quarter_rollups WHERE user_id = $1 AND cardinality(contact_ids) = 1 LIMIT 1)",
        "agent quarter contact_ids",
    ),
    (
        "UPDATE public.agent_analytics SET contact_ids = contact_ids[2:] WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'day' LIMIT 1)",
        "agent day distinct_contacts",
    ),
    (
        "UPDATE public.user_analytics SET duration_values = duration_values[1:cardinality(duration_values) - 1] || 9999
         WHERE user_id = $1 AND grain = 'day' AND date = '2025-11-02'",
        "tenant day duration_values",
    ),
    ("UPDATE public.user_analytics SET zone = 'UTC' WHERE user_id = $1 AND grain = 'month'", "tenant month zone"),
    (
        "UPDATE public.agent_analytics SET date = date + 1 WHERE ctid =
         (SELECT ctid FROM public.agent_analytics WHERE user_id = $1 AND grain = 'day' LIMIT 1)",
        "agent day date",
    ),
    (
        "UPDATE public.user_analytics SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND grain = 'hour'",
        "tenant hour cost_micros",
    ),
];

/// Breaks tried: `missing` left out of the sampler (deleted rows); the rows' own tables left out of the walk (the
/// ghost of another year); labels not compared; nothing marked.
#[tokio::test]
async fn each_kind_of_damage_is_found_by_sample_and_by_everything_and_repaired() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    assert_eq!(named(&sampled(&db, user_id, ALL, 1).await), Vec::<String>::new());
    for (damage, name) in DAMAGES {
        assert!(run(&db, damage, user_id).await > 0, "{damage}");
        let sample = sampled(&db, user_id, ALL, 7).await;
        assert!(named(&sample).contains(&(*name).to_owned()), "sample of {damage}: {:?}", named(&sample));
        if damage.contains("SET bucket_start") {
            let ghost = |d: &Difference| d.figure == "row" && d.expected == Value::Absent;
            assert!(sample.differences.iter().any(ghost), "{damage}: {:?}", sample.differences);
        }
        let full = verified(&db).await;
        assert!(named(&full).contains(&(*name).to_owned()), "all of {damage}: {:?}", named(&full));

        assert!(keep(&db.pool, user_id, FoundBy::Full, &full).await.unwrap() > 0);
        let marked = sampled(&db, user_id, ALL, 7).await;
        assert!(marked.skipped_dirty > 0, "{damage}");
        roll_up_all(&db.pool).await;
        assert_eq!(named(&sampled(&db, user_id, ALL, 8).await), Vec::<String>::new(), "{damage}");
        assert_eq!(named(&verified(&db).await), Vec::<String>::new(), "{damage}");
    }
}

/// Break tried: the agents' rows left out of the sampler's sums.
#[tokio::test]
async fn a_tenants_row_is_compared_with_its_children_and_with_its_agents() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    let damage = "UPDATE public.user_analytics SET credits_micros = credits_micros + 1
                  WHERE user_id = $1 AND grain = 'day' AND date = '2025-11-02'";
    assert_eq!(run(&db, damage, user_id).await, 1);
    let said: Vec<(Option<Grain>, Against)> =
        sampled(&db, user_id, ALL, 1).await.differences.iter().map(|d| (d.grain, d.compared_with)).collect();
    let (day, month) = (Some(Grain::Day), Some(Grain::Month));
    assert_eq!(said, [(day, Against::Children), (day, Against::Agents), (month, Against::Children)]);
}

/// A call that changed without a mark is seen in its quarter only: all that lies above agrees with it.
/// Break tried: the quarters' rows compared with themselves.
#[tokio::test]
async fn a_call_changed_unseen_is_found_in_each_age() {
    for age in ["-2 hours", "-3 days", "-60 days", "-200 days"] {
        let db = TestDb::new().await;
        let user_id = tenant(&db, "Asia/Kathmandu").await;
        let from: String = sqlx::query_scalar(
            "SELECT CASE WHEN $1 LIKE '-%' THEN now() + $1::interval ELSE now() - interval '1 hour' END::text",
        )
        .bind(if age.starts_with('-') { age } else { "-1 hour" })
        .fetch_one(&db.admin)
        .await
        .unwrap();
        calls(&db, user_id, &from, 3).await;
        calls(&db, user_id, "2025-06-29T18:15:00Z", 30).await;
        roll_up_all(&db.pool).await;
        let change =
            "UPDATE public.calls SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND started_at > '2025-12-01'";
        assert_eq!(unseen(&db, change, user_id).await, 3);
        let found = sampled(&db, user_id, 3, 5).await;
        assert!(!found.is_clean(), "{age}");
        assert!(found.differences.iter().all(|d| d.grain == Some(Grain::Quarter) && d.compared_with == Against::Calls));
    }
}

/// Break tried: the sampler without marks.
#[tokio::test]
async fn marked_buckets_are_passed_over_by_the_sampler() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    let change =
        "UPDATE public.calls SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND started_at < '2025-11-02'";
    assert!(run(&db, change, user_id).await > 0);
    let report = sampled(&db, user_id, ALL, 1).await;
    assert_eq!(named(&report), Vec::<String>::new());
    assert!(report.skipped_dirty > 0 && report.buckets_checked > 0);
}

/// Break tried: the cursor that was saved is not used.
#[tokio::test]
async fn every_tenant_has_its_turn_and_one_that_cannot_be_read_stops_nobody() {
    let db = TestDb::new().await;
    let mut tenants = Vec::new();
    for _ in 0..4 {
        let user_id = tenant(&db, "Asia/Kathmandu").await;
        calls(&db, user_id, "2025-06-29T18:15:00Z", 20).await;
        tenants.push(user_id);
    }
    tenants.sort_unstable();
    poisoned(&db).await;
    roll_up_all(&db.pool).await;
    let damage =
        "UPDATE public.user_analytics SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND grain = 'month'";
    for user_id in &tenants {
        assert_eq!(run(&db, damage, *user_id).await, 1);
    }
    let options = Options { tenants: 2, buckets: ALL };
    let mut summaries = Vec::new();
    for seed in 0..3 {
        summaries.push(audit_rollups::run_once(&db.pool, &options, seed).await.unwrap());
    }
    assert_eq!(summaries.iter().map(|s| s.tenants_failed).sum::<usize>(), 2);
    // Six turns of five tenants: the first, which is the poisoned one, has two.
    assert_eq!(summaries.iter().map(|s| s.tenants_checked + s.tenants_failed).sum::<usize>(), 6);
    let owners: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT user_id FROM tally.audit_differences WHERE found_by = 'sample' ORDER BY 1")
            .fetch_all(&db.admin)
            .await
            .unwrap();
    assert_eq!(owners, tenants);
    // Whatever the cursor says, there is a next one.
    sqlx::query("UPDATE public.system_config SET config_value = 'nonsense' WHERE config_key = 'audit_cursor'")
        .execute(&db.admin)
        .await
        .unwrap();
    let again = audit_rollups::run_once(&db.pool, &options, 9).await.unwrap();
    assert_eq!(again.tenants_checked + again.tenants_failed, 2);
}

/// Breaks tried: the night ends at the first tenant that cannot be read; nothing marked.
#[tokio::test]
async fn defect_57_the_night_verifies_everyone_and_the_next_one_finds_nothing() {
    let db = TestDb::new().await;
    let (sound, poisoned) = (new_york(&db).await, poisoned(&db).await);
    let change =
        "UPDATE public.calls SET cost_micros = cost_micros + 1 WHERE user_id = $1 AND started_at < '2025-11-01 04:30Z'";
    assert_eq!(unseen(&db, change, sound).await, 3);
    let first = verify_rollups::run_once(&db.pool).await.unwrap();
    assert_eq!((first.tenants_checked, first.tenants_failed), (1, 1));
    assert!(first.differences[..4].iter().all(|found| *found > 0), "{first:?}");
    let kept = count(&db, "SELECT count(*) FROM tally.audit_differences WHERE found_by = 'full'").await;
    assert_eq!(kept, i64::try_from(first.differences.iter().sum::<usize>()).unwrap());
    roll_up_all(&db.pool).await;
    run(&db, "DELETE FROM public.users WHERE id = $1", poisoned).await;
    let second = verify_rollups::run_once(&db.pool).await.unwrap();
    assert_eq!((second.tenants_failed, second.differences, second.skipped_dirty), (0, [0; 5], 0));
    // What goes with its tenant.
    run(&db, "DELETE FROM public.users WHERE id = $1", sound).await;
    assert_eq!(count(&db, "SELECT count(*) FROM tally.audit_differences").await, 0);
}

fn of<'a>(report: &'a VerifyReport, grain: Grain, agent: bool, figure: &str) -> &'a Difference {
    let wanted = |d: &&Difference| d.grain == Some(grain) && d.agent_id.is_some() == agent && d.figure == figure;
    report.differences.iter().find(wanted).unwrap_or_else(|| panic!("no {figure} of {grain:?}: {:?}", named(report)))
}

/// Break tried: expected and found exchanged in one half of the fingerprint.
#[tokio::test]
async fn the_call_that_explains_a_difference_is_named() {
    let db = TestDb::new().await;
    let user_id = new_york(&db).await;
    let call_id = Uuid::from_u128(77);
    let copy = "INSERT INTO public.calls (user_id, id, agent_id, started_at, outcome, status)
                SELECT user_id, '00000000-0000-0000-0000-00000000004d', agent_id, started_at, 'busy', 'failed'
                FROM public.calls WHERE user_id = $1 ORDER BY started_at LIMIT 1";
    assert_eq!(unseen(&db, copy, user_id).await, 1);
    let report = verified(&db).await;
    let quarter = of(&report, Grain::Quarter, true, "total_calls");
    assert_eq!(quarter.explanation, Some(Explanation::Missing { call_id }));
    assert_eq!((&quarter.expected, &quarter.found), (&Value::Number(2), &Value::Number(1)));
    assert!(quarter.describe().ends_with(&format!("(call {call_id} is missing)")), "{}", quarter.describe());
    let starts = vec![quarter.bucket_start.unwrap()];
    let hour = of(&report, Grain::Hour, false, "busy_calls");
    assert_eq!(hour.explanation, Some(Explanation::Children { grain: "quarter", starts }));
    let day = of(&report, Grain::Day, true, "busy_calls");
    let starts = vec![hour.bucket_start.unwrap()];
    assert_eq!(day.explanation, Some(Explanation::Children { grain: "hour", starts }));

    keep(&db.pool, user_id, FoundBy::Sample, &sampled(&db, user_id, ALL, 3).await).await.unwrap();
    let stored = count(
        &db,
        "SELECT count(*) FROM tally.audit_differences WHERE tier = 0 AND figure = 'total_calls' AND explanation = 'missing'
         AND call_ids = '{00000000-0000-0000-0000-00000000004d}' AND (expected, found) = ('2', '1') AND compared_with = 'calls'",
    )
    .await;
    assert_eq!(stored, 1);
    roll_up_all(&db.pool).await;
    assert!(verified(&db).await.is_clean());

    assert_eq!(unseen(&db, TWICE, user_id).await, 1);
    let report = verified(&db).await;
    let quarter = of(&report, Grain::Quarter, true, "total_calls");
    assert_eq!(quarter.explanation, Some(Explanation::CountedTwice { call_id }));

    // Of a row that is not there, the only call is missing.
    let last = "DELETE FROM tally.quarter_rollups WHERE user_id = $1 AND bucket_start =
                (SELECT max(bucket_start) FROM tally.quarter_rollups WHERE user_id = $1)";
    assert_eq!(run(&db, last, user_id).await, 1);
    let call_id: Uuid = sqlx::query_scalar("SELECT id FROM public.calls ORDER BY started_at DESC LIMIT 1")
        .fetch_one(&db.admin)
        .await
        .unwrap();
    assert_eq!(
        of(&verified(&db).await, Grain::Quarter, true, "row").explanation,
        Some(Explanation::Missing { call_id })
    );
}

/// Counts the call of the test above once more in its quarter.
const TWICE: &str = "
    UPDATE tally.quarter_rollups r
    SET total_calls = total_calls + 1, busy_calls = busy_calls + 1,
        fingerprint_hi = r.fingerprint_hi + tally.fingerprint_hi(m.fingerprint),
        fingerprint_lo = r.fingerprint_lo + tally.fingerprint_lo(m.fingerprint)
    FROM tally.call_metrics m
    WHERE m.call_id = '00000000-0000-0000-0000-00000000004d' AND r.user_id = $1
      AND r.bucket_start = m.quarter_start AND r.agent_id = m.agent_id";

#[tokio::test]
async fn where_no_call_explains_it_those_changed_last_are_named() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Asia/Kathmandu").await;
    calls(&db, user_id, "2025-06-29T18:15:00Z", 30).await;
    run(&db, "UPDATE public.calls SET started_at = '2025-06-30 00:01Z' WHERE user_id = $1", user_id).await;
    roll_up_all(&db.pool).await;
    let change = "UPDATE public.calls SET cost_micros = cost_micros + 7, updated_at = now() + interval '1 hour'
                  WHERE user_id = $1 AND id = (SELECT max(id::text)::uuid FROM public.calls WHERE user_id = $1)";
    assert_eq!(unseen(&db, change, user_id).await, 1);
    let changed: Uuid =
        sqlx::query_scalar("SELECT max(id::text)::uuid FROM public.calls").fetch_one(&db.admin).await.unwrap();
    let report = verified(&db).await;
    let quarter = of(&report, Grain::Quarter, true, "cost_micros");
    let Some(Explanation::ChangedLast { call_ids }) = &quarter.explanation else { panic!("{quarter:?}") };
    assert_eq!(call_ids.first(), Some(&changed));
    assert!(call_ids.len() <= 20);
}

#[tokio::test]
async fn a_sample_of_months_is_repeatable_and_all_of_them_are_everything() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Asia/Kathmandu").await;
    for month in 1..=9 {
        calls(&db, user_id, &format!("2025-{month:02}-15T00:00:00Z"), 3).await;
    }
    roll_up_all(&db.pool).await;
    let take = async |percent, seed| {
        let options = VerifyOptions { sample: Some(Sample { percent, seed }), ..VerifyOptions::default() };
        let report = verify(&db.pool, options, |_| {}).await.unwrap();
        (report.stretches_checked, report.stretches_left_out, report.buckets_checked)
    };
    let (all, none_left, buckets) = take(100.0, 1).await;
    assert_eq!((all, none_left, buckets), (9, 0, verified(&db).await.buckets_checked));
    let (some, left, _) = take(40.0, 1).await;
    assert!(some + left == 9 && some > 0 && left > 0, "{some} and {left}");
    assert_eq!(take(40.0, 1).await.0, some);
}

/// What the server plans for the sampler's statements on filled tables.
#[tokio::test]
async fn the_sampler_reads_no_table_from_end_to_end() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "Asia/Kathmandu").await;
    for _ in 0..3 {
        let other = tenant(&db, "Asia/Kathmandu").await;
        fill(&db, other).await;
    }
    fill(&db, user_id).await;
    let mut connection = PgConnection::connect(&db.admin_url).await.unwrap();
    sqlx::raw_sql("ANALYZE").execute(&mut connection).await.unwrap();
    let id = &*format!("'{user_id}'");
    let (from, to) = ("timestamptz '2025-03-01'", "timestamptz '2025-06-01'");
    let (hour, zone) = ("timestamptz '2025-03-01 01:00'", "'Asia/Kathmandu'");
    for (statement, parameters) in [
        (include_str!("../../../sql/audit/extent_quarters.sql"), &[id][..]),
        (include_str!("../../../sql/audit/extent_rows.sql"), &[id, "'hour'"]),
        (include_str!("../../../sql/audit/walk_quarters.sql"), &[id, from, to, "4"]),
        (include_str!("../../../sql/audit/walk_rows.sql"), &[id, from, to, "'day'", "2", zone, "4"]),
        (include_str!("../../../sql/audit/count_quarters.sql"), &[id, from, hour]),
        (include_str!("../../../sql/audit/marks.sql"), &[id, from, hour, "3"]),
        (include_str!("../../../sql/verify/quarter_rows.sql"), &[id, from, hour]),
        (include_str!("../../../sql/verify/user_rows.sql"), &[id, from, hour, "'{day}'"]),
        (include_str!("../../../sql/verify/agent_rows.sql"), &[id, from, hour, "'{day}'"]),
    ] {
        let mut text = format!("EXPLAIN {statement}");
        for (n, parameter) in parameters.iter().enumerate() {
            text = text.replace(&format!("${}", n + 1), parameter);
        }
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut connection).await.unwrap();
        let plan = plan.join("\n");
        for table in ["calls", "quarter_rollups", "user_analytics", "agent_analytics", "rollup_marks"] {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "{statement}\n{plan}");
        }
    }
}

/// A year and more of one tenant: a call and its rows every half an hour, without rolling up.
async fn fill(db: &TestDb, user_id: Uuid) {
    const FILL: [&str; 4] = [
        "INSERT INTO public.calls (user_id, agent_id, started_at)
         SELECT $1, (SELECT id FROM public.agents WHERE user_id = $1 LIMIT 1), t
         FROM generate_series(timestamptz '2025-01-01', '2025-12-31', '30 min') t",
        "INSERT INTO tally.quarter_rollups (user_id, bucket_start, agent_id, generation, duration_values, duration_counts, contact_ids)
         SELECT user_id, tally.quarter_of(started_at), agent_id, 0, '{}', '{}', '{}' FROM public.calls WHERE user_id = $1",
        "INSERT INTO public.user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, hour, generation)
         SELECT user_id, 'hour', started_at, started_at, 'UTC', '2025-01-01', 0, 0 FROM public.calls WHERE user_id = $1",
        "INSERT INTO public.agent_analytics (user_id, agent_id, grain, bucket_start, bucket_end, zone, date, hour, generation)
         SELECT user_id, agent_id, 'hour', started_at, started_at, 'UTC', '2025-01-01', 0, 0 FROM public.calls WHERE user_id = $1",
    ];
    for statement in FILL {
        assert!(run(db, statement, user_id).await > 10_000);
    }
}

#[tokio::test]
async fn differences_are_kept_for_their_time() {
    let db = TestDb::new().await;
    let user_id = tenant(&db, "UTC").await;
    for age in ["'91 days'", "'89 days'"] {
        let insert = format!(
            "INSERT INTO tally.audit_differences (user_id, found_by, figure, compared_with, expected, detected_at)
             SELECT $1, 'full', 'credits_micros', 'ledger', '1', now() - interval {age}"
        );
        sqlx::query(AssertSqlSafe(insert)).bind(user_id).execute(&db.admin).await.unwrap();
    }
    let purge = include_str!("../../../sql/purge/audit_differences.sql");
    assert_eq!(sqlx::query(purge).bind(90).execute(&db.pool).await.unwrap().rows_affected(), 1);
    assert_eq!(
        count(&db, "SELECT count(*) FROM tally.audit_differences WHERE detected_at > now() - interval '90 days'").await,
        1
    );
}
