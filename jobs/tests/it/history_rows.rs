//! Rows that history computes for writing equal those that the job computes.

use tallyline_history::{Calendar, rebuild};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use crate::support::*;

/// Zones with instants at which something odd happens there, or a month ends.
const ZONES: [(&str, [&str; 3]); 4] = [
    ("Australia/Lord_Howe", ["2025-04-05T15:00Z", "2025-10-04T15:30Z", "2025-12-31T13:00Z"]),
    ("Asia/Kathmandu", ["2025-06-15T12:00Z", "2025-06-30T18:15Z", "2025-07-01T00:00Z"]),
    ("Africa/Cairo", ["2025-04-24T22:00Z", "2025-10-30T21:00Z", "2025-04-30T21:00Z"]),
    ("America/New_York", ["2025-03-09T07:00Z", "2025-11-02T06:00Z", "2025-11-01T04:00Z"]),
];

async fn run(db: &TestDb, user_id: Uuid, statement: &'static str) {
    sqlx::query(statement).bind(user_id).execute(&db.admin).await.unwrap();
}

/// Three agents, 25 contacts, and 300 calls in the 40 hours around each instant.
async fn seed(db: &TestDb, zone: &str, around: &[&str]) -> Uuid {
    let user_id = tenant(db, zone).await;
    agent(db, user_id, "second").await;
    agent(db, user_id, "third").await;
    run(db, user_id, "INSERT INTO contacts (user_id, name, phone_number) SELECT $1, 'C', '+1202555' || 1000 + n FROM generate_series(1, 25) n").await;
    for instant in around {
        sqlx::query(
            "INSERT INTO calls (user_id, agent_id, contact_id, started_at, outcome, status, duration_seconds, duration_minutes,
                                credits_micros, cost_micros, lead_type, call_source)
             SELECT $1, a.id, c.id, $2::timestamptz + (h % 144000 - 72000) * interval '1 second' + h % 1000000 * interval '1 microsecond',
                    o.outcome, CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed' ELSE 'failed' END,
                    o.seconds, ceil(o.seconds / 60.0), ceil(o.seconds / 60.0) * 1000000, h % 77777,
                    (ARRAY['inbound', 'outbound', NULL])[1 + h % 3], (ARRAY['phone', 'internet', 'unknown'])[1 + h / 7 % 3]
             FROM generate_series(1, 300) n
             CROSS JOIN LATERAL (SELECT abs(hashint4(n)) AS h) x
             CROSS JOIN LATERAL (SELECT id FROM agents WHERE user_id = $1 ORDER BY id OFFSET h / 3 % 3 LIMIT 1) a
             LEFT JOIN LATERAL (SELECT id FROM contacts WHERE user_id = $1 ORDER BY id OFFSET h / 5 % 32 LIMIT 1) c ON true
             CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'voicemail', 'no_answer', 'busy', 'failed'])[1 + h / 11 % 5] AS outcome,
                                        CASE WHEN h / 11 % 5 < 2 THEN h % 40 ELSE 0 END AS seconds) o",
        )
        .bind(user_id)
        .bind(*instant)
        .execute(&db.admin)
        .await
        .unwrap();
    }
    sqlx::query(
        "INSERT INTO lead_analytics (user_id, call_id, total_score, quality, intent_score, urgency_score, budget_score, company_name,
                                     dimension_scale, cta_demo_clicked, cta_escalated_to_human)
         SELECT user_id, id, nullif(h % 16, 0), CASE WHEN h % 16 > 0 THEN (ARRAY['hot', 'warm', 'cold', 'unqualified'])[1 + h % 4] END,
                h % 4, nullif(h / 5 % 4, 0), h / 3 % 4, (ARRAY[NULL, '', 'Ñandú', '株式会社'])[1 + h / 2 % 4], 3 + h % 2, h % 3 = 0, h % 5 = 0
         FROM calls CROSS JOIN LATERAL (SELECT abs(hashtext(id::text)) AS h) x
         WHERE user_id = $1 AND outcome = 'answered'",
    )
    .bind(user_id)
    .execute(&db.admin)
    .await
    .unwrap();
    user_id
}

/// Differences of a stage and its table in both directions. Containment compares
/// every column that the stage has; arrays once more, since it ignores their order.
const DIFFERENCES: [&str; 3] = [
    "SELECT count(*) FROM stage_quarters s
     FULL JOIN (SELECT * FROM tally.quarter_rollups WHERE user_id = $1) r USING (user_id, bucket_start, agent_id)
     WHERE r.generation IS NULL OR s.total_calls IS NULL OR NOT to_jsonb(r) @> to_jsonb(s)
        OR (r.duration_values, r.duration_counts, r.contact_ids) IS DISTINCT FROM (s.duration_values, s.duration_counts, s.contact_ids)",
    "SELECT count(*) FROM stage_agents s
     FULL JOIN (SELECT * FROM agent_analytics WHERE user_id = $1) r USING (user_id, agent_id, grain, bucket_start)
     WHERE r.generation IS NULL OR s.total_calls IS NULL OR NOT to_jsonb(r) @> to_jsonb(s)
        OR (r.duration_values, r.duration_counts, r.contact_ids) IS DISTINCT FROM (s.duration_values, s.duration_counts, s.contact_ids)",
    "SELECT count(*) FROM stage_users s
     FULL JOIN (SELECT * FROM user_analytics WHERE user_id = $1) r USING (user_id, grain, bucket_start)
     WHERE r.generation IS NULL OR s.total_calls IS NULL OR NOT to_jsonb(r) @> to_jsonb(s)
        OR (r.duration_values, r.duration_counts, r.contact_ids) IS DISTINCT FROM (s.duration_values, s.duration_counts, s.contact_ids)",
];

/// Breaks tried in rebuild: the local label of a bucket taken from its end, an
/// array's lower bound left out, contacts in order of appearance.
#[tokio::test]
async fn staged_rows_are_the_rows_of_the_job() {
    let db = TestDb::new().await;
    let mut users = Vec::new();
    for (zone, around) in ZONES {
        users.push((zone, seed(&db, zone, &around).await));
    }
    roll_up(&db).await;
    for (zone, user_id) in users {
        let mut tx = db.pool.begin().await.unwrap();
        let calendar = Calendar::load(&mut tx, zone).await.unwrap();
        let (from, to) = ("2025-01-01T00:00:00Z".parse().unwrap(), "2026-12-31T00:00:00Z".parse().unwrap());
        let calls = tallyline_history::scan(&mut tx, user_id, from, to).await.unwrap();
        let rows = rebuild::rows(&calls, &calendar).unwrap();
        rebuild::create_stages(&mut tx).await.unwrap();
        let copied = rebuild::copy_in(&mut tx, user_id, zone, &rows).await.unwrap();
        assert!(copied > 300, "{copied} rows of {} calls", calls.len());
        for differences in DIFFERENCES {
            let found: i64 = sqlx::query_scalar(differences).bind(user_id).fetch_one(&mut *tx).await.unwrap();
            assert_eq!(found, 0, "{zone}: {differences}");
        }
    }
}
