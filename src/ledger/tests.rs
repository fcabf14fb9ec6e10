//! The ledger from outside: sums, the file, and the comparison with a database.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test writes each column by its name")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::{AssertSqlSafe, PgPool};
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::*;

const TENANT: Uuid = Uuid::from_u128(1);
const AGENTS: [Uuid; 2] = [Uuid::from_u128(11), Uuid::from_u128(12)];

fn call(started_at: &str, conversation_millis: i64) -> CallTruth {
    CallTruth {
        started_at: started_at.parse().unwrap(),
        outcome: Outcome::Answered,
        direction: Direction::Inbound,
        is_web: false,
        conversation_millis,
        cost_cent_100_000ths: 354_225,
        lead: Some(LeadTruth { scores: [3, 3, 2, 2, 2], clicks: [true, false, true, false, false], has_company: true }),
        customer: None,
        dials: Dials::default(),
        is_transferred: false,
    }
}

/// Four calls around the hour that New York repeats, at the end of a month.
fn ledger() -> Ledger {
    let terms = Terms {
        billing_pulse_seconds: 30,
        credits_per_minute_micros: 1_000_000,
        score_scale: 15,
        hot_threshold_percent: 80,
        warm_threshold_percent: 60,
        cold_threshold_percent: 40,
    };
    let mut tally = TenantTally::new(TENANT, "Tenant", Tz::America__New_York, terms);
    tally.record(AGENTS[0], &call("2026-11-01T03:59:59.999999Z", 61_000), 5);
    tally.record(AGENTS[0], &call("2026-11-01T05:30:00Z", 200_000), 5);
    tally.record(AGENTS[1], &call("2026-11-01T06:30:00Z", 900), 5);
    tally.record(AGENTS[1], &call("2026-11-02T05:00:00Z", 29_900), 5);
    Ledger {
        version: VERSION,
        seed: 7,
        generated_at: "2026-11-23T09:00:00Z".parse().unwrap(),
        events_sent: 21,
        distinct_events: 20,
        tenants: vec![tally.finish()],
    }
}

fn calls_by_start(ledger: &Ledger, agent: Option<Uuid>, grain: Grain) -> Vec<(String, i64)> {
    let of_kind = ledger.tenants[0].buckets.iter().filter(|b| b.agent_id == agent && b.grain == grain);
    of_kind.map(|b| (b.bucket_start.format("%m-%d %H:%M").to_string(), b.figures.total_calls)).collect()
}

#[test]
fn calls_lie_in_their_local_hours_days_and_months() {
    let ledger = ledger();
    let shown = |agent, grain| {
        let found = calls_by_start(&ledger, agent, grain);
        found.iter().map(|(start, calls)| format!("{start}={calls}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(None, Grain::Hour), "11-01 03:00=1 11-01 05:00=1 11-01 06:00=1 11-02 05:00=1");
    assert_eq!(shown(None, Grain::Day), "10-31 04:00=1 11-01 04:00=2 11-02 05:00=1");
    assert_eq!(shown(None, Grain::Month), "10-01 04:00=1 11-01 04:00=3");
    assert_eq!(shown(Some(AGENTS[0]), Grain::Day), "10-31 04:00=1 11-01 04:00=1");
    assert_eq!(shown(Some(AGENTS[1]), Grain::Month), "11-01 04:00=2");
}

#[test]
fn every_grain_sums_to_the_same() {
    let tenant = &ledger().tenants[0];
    for is_whole in [true, false] {
        for grain in Grain::ALL {
            let mut sum = Figures::default();
            let kind = tenant.buckets.iter().filter(|b| b.grain == grain && b.agent_id.is_none() == is_whole);
            kind.for_each(|bucket| sum.add(&bucket.figures));
            assert_eq!(sum, tenant.figures, "{grain:?}");
        }
    }
    assert_eq!(tenant.figures.talk_seconds, 61 + 200 + 29);
    assert_eq!(tenant.figures.total_duration_minutes, 2 + 4 + 1);
    assert_eq!(tenant.credit_balance_change_micros, -(1_500_000 + 3_500_000 + 500_000));
    assert_eq!(tenant.figures.cost_micros, 4 * 35_423);
}

#[test]
fn a_ledger_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let ledger = ledger();
    ledger.write(&path).unwrap();
    assert_eq!(Ledger::read(&path).unwrap(), ledger);
    let other = Ledger { version: 99, ..ledger };
    other.write(&path).unwrap();
    assert!(matches!(Ledger::read(&path), Err(LedgerError::Version(99))));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(Ledger::read(&path), Err(LedgerError::Form(_))));
}

async fn execute(admin: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(admin).await.unwrap();
}

/// A database in which everything is as the ledger says.
async fn database_of(ledger: &Ledger) -> TestDb {
    let db = TestDb::new().await;
    let [one, two] = AGENTS;
    execute(&db.admin, &format!(
        "SELECT tally.ensure_zone('America/New_York');
         INSERT INTO public.users (id, email, name, timezone) VALUES ('{TENANT}', 'a@example.test', 'Tenant', 'America/New_York');
         INSERT INTO public.agents (user_id, id, name, bolna_agent_id) VALUES ('{TENANT}', '{one}', 'One', 'one'), ('{TENANT}', '{two}', 'Two', 'two');
         INSERT INTO public.calls (user_id, id, agent_id) SELECT '{TENANT}', ('00000000-0000-4000-8000-00000000000' || n)::uuid, '{one}' FROM generate_series(1, 4) n;
         INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
         VALUES ('{TENANT}', 'bonus', 9000000, 9000000, 'welcome', NULL, NULL),
                ('{TENANT}', 'usage', {change}, 0, 'call', '00000000-0000-4000-8000-000000000001', 0);
         ALTER TABLE public.user_analytics DROP CONSTRAINT user_analytics_outcomes_check;
         ALTER TABLE public.agent_analytics DROP CONSTRAINT agent_analytics_outcomes_check;",
        change = ledger.tenants[0].credit_balance_change_micros,
    )).await;
    for bucket in &ledger.tenants[0].buckets {
        insert(&db.admin, bucket).await;
    }
    db
}

async fn insert(admin: &PgPool, bucket: &LedgerBucket) {
    let (names, values): (Vec<_>, Vec<_>) =
        bucket.figures.entries().map(|(name, value)| (name, value.to_string())).unzip();
    let (table, key, agent) = match bucket.agent_id {
        Some(agent) => ("agent_analytics", "agent_id, ", format!("'{agent}', ")),
        None => ("user_analytics", "", String::new()),
    };
    let hour = if bucket.grain == Grain::Hour { "0" } else { "NULL" };
    let set = if bucket.grain == Grain::Day { "'{}'" } else { "NULL" };
    let (grain, start) = (bucket.grain.as_str(), bucket.bucket_start);
    execute(admin, &format!(
        "INSERT INTO public.{table} (user_id, {key}grain, bucket_start, bucket_end, zone, date, hour, generation,
                contact_ids, duration_values, duration_counts, {})
         VALUES ('{TENANT}', {agent}'{grain}', '{start}', '{start}', 'America/New_York', '2026-11-01', {hour}, 1, {set}, {set}, {set}, {})",
        names.join(", "), values.join(", "),
    )).await;
}

async fn found(db: &TestDb, ledger: &Ledger) -> Vec<String> {
    compare(&db.pool, ledger).await.unwrap().iter().map(ToString::to_string).collect()
}

// Breaks if a column is left out of the statements, or stands under another's name.
#[tokio::test]
async fn every_wrong_figure_is_named_and_no_other() {
    let ledger = ledger();
    let db = database_of(&ledger).await;
    assert_eq!(found(&db, &ledger).await, Vec::<String>::new());
    let day: DateTime<Utc> = "2026-11-01T04:00:00Z".parse().unwrap();
    for (table, agent) in [("user_analytics", None), ("agent_analytics", Some(AGENTS[1]))] {
        let bucket = ledger.tenants[0]
            .buckets
            .iter()
            .find(|b| b.agent_id == agent && b.grain == Grain::Day && b.bucket_start == day);
        for (figure, expected) in bucket.unwrap().figures.entries() {
            let whose = agent.map(|agent| format!("AND agent_id = '{agent}'")).unwrap_or_default();
            let change = |by: &str| {
                format!(
                    "UPDATE public.{table} SET {figure} = {figure} {by} WHERE grain = 'day' AND bucket_start = '{day}' {whose}"
                )
            };
            execute(&db.admin, &change("+ 1")).await;
            let wanted = Difference {
                tenant: TENANT,
                agent,
                grain: "day".into(),
                bucket_start: Some(day),
                figure: figure.into(),
                expected: Some(expected),
                found: Some(expected + 1),
            };
            assert_eq!(compare(&db.pool, &ledger).await.unwrap(), [wanted]);
            execute(&db.admin, &change("- 1")).await;
        }
    }
}

#[tokio::test]
async fn missing_and_unknown_rows_and_wrong_totals_are_named() {
    let ledger = ledger();
    let db = database_of(&ledger).await;
    let [one, _] = AGENTS;
    for (sql, wanted) in [
        (
            "DELETE FROM public.user_analytics WHERE grain = 'month' AND bucket_start = '2026-11-01 04:00Z'".to_owned(),
            format!("tenant {TENANT}, month 2026-11-01T04:00:00Z: row missing, 3 calls expected"),
        ),
        (
            format!(
                "UPDATE public.agent_analytics SET bucket_start = '2026-11-01 05:30Z' WHERE agent_id = '{one}' AND grain = 'hour' AND bucket_start = '2026-11-01 05:00Z'"
            ),
            format!("tenant {TENANT}, agent {one}, hour 2026-11-01T05:30:00Z: row too many, with 1 calls"),
        ),
        (
            "UPDATE public.credit_transactions SET amount_micros = amount_micros - 1 WHERE type = 'usage'".to_owned(),
            format!("tenant {TENANT}, all: credit_transactions expected -5500000, found -5500001"),
        ),
        (
            "DELETE FROM public.calls WHERE id = '00000000-0000-4000-8000-000000000004'".to_owned(),
            format!("tenant {TENANT}, all: calls expected 4, found 3"),
        ),
    ] {
        execute(&db.admin, &sql).await;
        let differences = found(&db, &ledger).await;
        assert!(differences.contains(&wanted), "{differences:#?} lacks {wanted}");
    }
    // The moved hour is missing at its place too.
    assert_eq!(found(&db, &ledger).await.len(), 5);
}

#[tokio::test]
async fn tenants_that_the_ledger_does_not_know_are_left_alone() {
    let ledger = ledger();
    let db = database_of(&ledger).await;
    let nobody = Ledger { tenants: Vec::new(), ..ledger.clone() };
    assert_eq!(found(&db, &nobody).await, Vec::<String>::new());
    let stranger = LedgerTenant { user_id: Uuid::from_u128(2), buckets: Vec::new(), ..ledger.tenants[0].clone() };
    let by_grain = found(&db, &Ledger { tenants: vec![stranger], ..ledger }).await;
    let kinds: BTreeMap<bool, usize> = by_grain.iter().fold(BTreeMap::new(), |mut kinds, line| {
        *kinds.entry(line.contains(", all: ")).or_default() += 1;
        kinds
    });
    assert_eq!(kinds, BTreeMap::from([(true, 2)]), "{by_grain:#?}");
}
