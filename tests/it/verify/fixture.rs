//! Tenants with calls around the days on which their clocks change, rolled up.

use sqlx::PgPool;
use tallyline_jobs::roll_up;
use tallyline_jobs::verify::{Difference, VerifyOptions, VerifyReport, verify};
use tallyline_testkit::TestDb;
use uuid::Uuid;

/// Zones with the first of three days of which the second or third has an odd length:
/// 25 and 23 hours in New York, 24 h 30 and 23 h 30 on Lord Howe; none in Kathmandu.
pub const ODD_DAYS: [(&str, &str); 5] = [
    ("America/New_York", "2025-11-01T04:00:00Z"),
    ("America/New_York", "2025-03-08T05:00:00Z"),
    ("Australia/Lord_Howe", "2025-04-04T13:00:00Z"),
    ("Australia/Lord_Howe", "2025-10-03T13:30:00Z"),
    ("Asia/Kathmandu", "2025-06-29T18:15:00Z"),
];

/// A tenant in a zone, with two agents `A0` and `A1` and seven contacts.
pub async fn tenant(db: &TestDb, zone: &str) -> Uuid {
    sqlx::query("SELECT tally.ensure_zone($1)").bind(zone).execute(&db.admin).await.unwrap();
    let user_id: Uuid = sqlx::query_scalar(
        "INSERT INTO public.users (email, name, timezone) VALUES (gen_random_uuid() || '@example.com', 'T', $1) RETURNING id",
    )
    .bind(zone)
    .fetch_one(&db.admin)
    .await
    .unwrap();
    for statement in [
        "INSERT INTO public.agents (user_id, name, bolna_agent_id) SELECT $1, 'A' || n, n FROM generate_series(0, 1) n",
        "INSERT INTO public.contacts (user_id, name, phone_number) SELECT $1, 'C' || n, n FROM generate_series(0, 6) n",
    ] {
        sqlx::query(statement).bind(user_id).execute(&db.admin).await.unwrap();
    }
    user_id
}

/// A call every eleven minutes from `from` on, of every kind, a third of them with a
/// lead, and their charges: a thousand micro-credits for the second, two for the third …
pub async fn calls(db: &TestDb, user_id: Uuid, from: &str, count: i32) {
    for statement in [CALLS, LEADS, CHARGES] {
        sqlx::query(statement).bind(user_id).bind(from).bind(count).execute(&db.admin).await.unwrap();
    }
    run(db, BALANCE, user_id).await;
}

const CALLS: &str = "
    INSERT INTO public.calls (user_id, agent_id, contact_id, started_at, outcome, status, duration_seconds,
        duration_minutes, credits_micros, cost_micros, lead_type, call_source)
    SELECT $1, (SELECT id FROM public.agents a WHERE a.user_id = $1 AND a.name = 'A' || n % 2),
           (SELECT id FROM public.contacts c WHERE c.user_id = $1 AND c.name = 'C' || n % 8),
           $2::timestamptz + n * interval '11 minutes', o.outcome,
           CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 'completed'
                WHEN o.outcome IN ('no_answer', 'busy', 'failed') THEN 'failed' ELSE o.outcome END,
           CASE WHEN o.outcome IN ('answered', 'voicemail') THEN 1 + n * 37 % 400 ELSE 0 END,
           CASE WHEN o.outcome IN ('answered', 'voicemail') THEN ceil((1 + n * 37 % 400) / 60.0) ELSE 0 END,
           n * 1000, n * 70,
           CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'inbound' ELSE 'outbound' END,
           (ARRAY['phone', 'internet', 'unknown'])[1 + n % 3]
    FROM generate_series(0, $3::integer - 1) n
    CROSS JOIN LATERAL (SELECT (ARRAY['answered', 'voicemail', 'no_answer', 'busy', 'failed', 'cancelled',
        'in_progress', 'answered'])[1 + n % 8] AS outcome) o";

const LEADS: &str = "
    INSERT INTO public.lead_analytics (user_id, call_id, intent_score, urgency_score, budget_score, fit_score,
        engagement_score, total_score, quality, company_name, dimension_scale, cta_pricing_clicked, cta_demo_clicked,
        cta_followup_clicked, cta_sample_clicked, cta_escalated_to_human)
    SELECT user_id, id, nullif(n % 4, 0), nullif(n % 5 % 4, 0), n % 4, n % 3, 3, t.total,
           CASE WHEN t.total IS NOT NULL THEN (ARRAY['hot', 'warm', 'cold', 'unqualified'])[1 + n % 4] END,
           CASE n % 3 WHEN 0 THEN 'Acme' WHEN 1 THEN '' END, 3, n % 2 = 0, n % 3 = 0, n % 5 = 0, n % 7 = 0, n % 11 = 0
    FROM (SELECT c.*, (row_number() OVER (ORDER BY started_at))::integer AS n FROM public.calls c
          WHERE user_id = $1 AND started_at >= $2::timestamptz
            AND started_at < $2::timestamptz + $3::integer * interval '11 minutes') c
    CROSS JOIN LATERAL (SELECT CASE WHEN n % 6 > 0 THEN n % 15 END AS total) t
    WHERE n % 3 = 0";

const CHARGES: &str = "
    INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
    SELECT u.id, 'usage', -c.credits_micros,
           u.credits_micros - sum(c.credits_micros) OVER (ORDER BY c.started_at), 'call', c.id, 0
    FROM public.users u JOIN public.calls c ON c.user_id = u.id
    WHERE u.id = $1 AND c.credits_micros > 0 AND c.started_at >= $2::timestamptz
      AND c.started_at < $2::timestamptz + $3::integer * interval '11 minutes'
    ORDER BY c.started_at";

const BALANCE: &str = "
    UPDATE public.users u
    SET credits_micros = (SELECT sum(amount_micros) FROM public.credit_transactions WHERE user_id = $1)
    WHERE id = $1";

/// Works until nothing is marked.
pub async fn roll_up_all(pool: &PgPool) {
    let options = roll_up::Options { batch_buckets: 500, ..roll_up::Options::default() };
    while roll_up::run_unit(pool, &options).await.unwrap() > 0 {}
}

/// One tenant in New York with the calls of three days, one of 25 hours, rolled up.
pub async fn new_york(db: &TestDb) -> Uuid {
    let (zone, from) = ODD_DAYS[0];
    let user_id = tenant(db, zone).await;
    calls(db, user_id, from, 400).await;
    roll_up_all(&db.pool).await;
    user_id
}

/// Verifies everything.
pub async fn verified(db: &TestDb) -> VerifyReport {
    verify(&db.pool, VerifyOptions::default(), |_| {}).await.unwrap()
}

/// Rows in all three tables.
pub async fn stored_rows(db: &TestDb) -> usize {
    let rows: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM tally.quarter_rollups) + (SELECT count(*) FROM public.user_analytics)
              + (SELECT count(*) FROM public.agent_analytics)",
    )
    .fetch_one(&db.admin)
    .await
    .unwrap();
    usize::try_from(rows).unwrap()
}

/// `table.figure` of each difference, in order: what was found, without values.
pub fn named(report: &VerifyReport) -> Vec<String> {
    let mut names: Vec<String> = report.differences.iter().map(name).collect();
    names.sort();
    names
}

fn name(difference: &Difference) -> String {
    let whose = if difference.agent_id.is_some() { "agent" } else { "tenant" };
    let grain = difference.grain.map_or("money", |grain| grain.as_str());
    format!("{whose} {grain} {}", difference.figure)
}

/// Runs a statement as administrator, and says how many rows it changed.
pub async fn run(db: &TestDb, statement: &'static str, user_id: Uuid) -> u64 {
    sqlx::query(statement).bind(user_id).execute(&db.admin).await.unwrap().rows_affected()
}
