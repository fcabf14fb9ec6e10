//! A row of one tenant cannot point at a row of another, and a tenant goes with all its rows.

use sqlx::postgres::PgPool;
use tallyline_testkit::TestDb;
use uuid::Uuid;

use super::fixture::{self, Tenant};

type Target = fn(&Tenant) -> Uuid;

/// Each composite foreign key, a statement of the tenant $1 that points at the row $2, and what $2 is.
const POINTERS: &[(&str, &str, Target)] = &[
    (
        "call_aliases_user_id_call_id_fkey",
        "INSERT INTO tally.call_aliases (user_id, call_sid, call_id) VALUES ($1, 'CA1', $2)",
        call,
    ),
    (
        "call_attempts_user_id_call_id_fkey",
        "INSERT INTO tally.call_attempts (user_id, call_id, attempt, lifecycle, outcome, duration_seconds) VALUES ($1, $2, 9, '', '', 0)",
        call,
    ),
    (
        "call_analyses_user_id_call_id_fkey",
        "UPDATE tally.call_analyses SET call_id = $2 WHERE user_id = $1",
        spare_call,
    ),
    (
        "call_legs_user_id_call_id_fkey",
        "INSERT INTO tally.call_legs (user_id, call_id, leg_key, kind, lifecycle, outcome) VALUES ($1, $2, 'CA2', 'child', '', 'busy')",
        call,
    ),
    (
        "calls_user_id_agent_id_fkey",
        "UPDATE public.calls SET agent_id = $2 WHERE user_id = $1 AND bolna_execution_id = 'execution-1'",
        agent,
    ),
    (
        "calls_user_id_contact_id_fkey",
        "UPDATE public.calls SET contact_id = $2 WHERE user_id = $1 AND bolna_execution_id = 'execution-1'",
        spare_contact,
    ),
    (
        "contact_analyses_user_id_contact_id_fkey",
        "UPDATE tally.contact_analyses SET contact_id = $2 WHERE user_id = $1",
        spare_contact,
    ),
    (
        "contact_archive_user_id_contact_id_fkey",
        "UPDATE tally.contact_archive SET contact_id = $2 WHERE user_id = $1",
        spare_contact,
    ),
    (
        "customers_user_id_contact_id_fkey",
        "UPDATE public.customers SET contact_id = $2 WHERE user_id = $1",
        spare_contact,
    ),
    ("follow_ups_user_id_call_id_fkey", "UPDATE public.follow_ups SET call_id = $2 WHERE user_id = $1", spare_call),
    (
        "lead_analytics_user_id_contact_id_fkey",
        "UPDATE public.lead_analytics SET contact_id = $2 WHERE user_id = $1 AND analysis_type = 'complete'",
        spare_contact,
    ),
    (
        "lead_analytics_user_id_call_id_fkey",
        "UPDATE public.lead_analytics SET call_id = $2 WHERE user_id = $1 AND analysis_type = 'individual'",
        spare_call,
    ),
    (
        "notification_deliveries_user_id_endpoint_id_fkey",
        "UPDATE tally.notification_deliveries SET endpoint_id = $2 WHERE user_id = $1",
        endpoint,
    ),
    (
        "notification_deliveries_user_id_notification_id_fkey",
        "UPDATE tally.notification_deliveries SET notification_id = $2 WHERE user_id = $1",
        notification,
    ),
    ("transcripts_user_id_call_id_fkey", "UPDATE public.transcripts SET call_id = $2 WHERE user_id = $1", spare_call),
    (
        "twilio_processed_calls_user_id_contact_id_fkey",
        "UPDATE public.twilio_processed_calls SET contact_id = $2 WHERE user_id = $1",
        spare_contact,
    ),
];

/// Its target is numbered from one sequence for all tenants, so it is tried apart.
const OF_THE_INBOX: &str = "inbox_pending_user_id_inbox_id_fkey";

fn call(tenant: &Tenant) -> Uuid {
    tenant.call_id
}

fn spare_call(tenant: &Tenant) -> Uuid {
    tenant.spare_call_id
}

fn agent(tenant: &Tenant) -> Uuid {
    tenant.agent_id
}

fn endpoint(tenant: &Tenant) -> Uuid {
    tenant.endpoint_id
}

fn notification(tenant: &Tenant) -> Uuid {
    tenant.notification_id
}

fn spare_contact(tenant: &Tenant) -> Uuid {
    tenant.spare_contact_id
}

/// What the statement came to; undone.
async fn outcome(admin: &PgPool, sql: &'static str, user_id: Uuid, target: Uuid) -> String {
    let mut tx = admin.begin().await.unwrap();
    fixture::came_to(sqlx::query(sql).bind(user_id).bind(target).execute(&mut *tx).await)
}

/// Break seen: calls_user_id_contact_id_fkey dropped; that call points at another tenant's contact.
#[tokio::test]
async fn defect_35_a_row_of_another_tenant_is_out_of_reach() {
    let db = TestDb::new().await;
    let (ours, theirs) = (fixture::tenant(&db, "a").await, fixture::tenant(&db, "b").await);
    for (constraint, sql, target) in POINTERS {
        assert_eq!(outcome(&db.admin, sql, ours.user_id, target(&ours)).await, "1 rows", "{constraint}");
        assert_eq!(outcome(&db.admin, sql, ours.user_id, target(&theirs)).await, format!("23503 {constraint}"));
    }
    let sql = "INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at)
               SELECT $1, id, received_at FROM tally.inbox WHERE user_id = $2";
    assert_eq!(outcome(&db.admin, sql, ours.user_id, theirs.user_id).await, format!("23503 {OF_THE_INBOX}"));
}

/// Break seen: a composite foreign key more in the database.
#[tokio::test]
async fn every_composite_foreign_key_is_tried() {
    let db = TestDb::new().await;
    let sql = "SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND cardinality(conkey) > 1
               AND connamespace IN ('public'::regnamespace, 'tally'::regnamespace)";
    let mut found = fixture::texts(&db.admin, sql).await;
    found.sort();
    let mut tried: Vec<&str> = POINTERS.iter().map(|(constraint, ..)| *constraint).chain([OF_THE_INBOX]).collect();
    tried.sort_unstable();
    assert_eq!(found, tried);
}

/// Break seen: `ON DELETE CASCADE` left out of credit_transactions (user_id).
#[tokio::test]
async fn a_tenant_goes_with_its_rows_and_no_others() {
    let db = TestDb::new().await;
    let (ours, theirs) = (fixture::tenant(&db, "a").await, fixture::tenant(&db, "b").await);
    sqlx::query("DELETE FROM public.users WHERE id = $1").bind(ours.user_id).execute(&db.admin).await.unwrap();
    let sql = "SELECT DISTINCT user_id::text FROM (SELECT user_id FROM public.calls UNION ALL SELECT user_id FROM public.credit_transactions
               UNION ALL SELECT user_id FROM public.customers UNION ALL SELECT user_id FROM tally.customer_counters
               UNION ALL SELECT user_id FROM public.lead_analytics UNION ALL SELECT user_id FROM tally.call_events) rest";
    assert_eq!(fixture::texts(&db.admin, sql).await, [theirs.user_id.to_string()]);
}
