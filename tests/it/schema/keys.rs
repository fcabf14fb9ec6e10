//! Tenant first: every key, index and foreign key of a tenant's table begins with its `user_id`.

use std::collections::BTreeSet;

use sqlx::FromRow;
use tallyline_testkit::TestDb;

use super::fixture;

/// Tables without a tenant. Every other one is a tenant's and begins with `user_id`.
const WITHOUT_TENANT: [&str; 23] = [
    "public.admin_audit_log",
    "public.login_attempts",
    "public.password_reset_attempts",
    "public.phone_numbers",
    "public.system_config",
    // A backfill may name a tenant, but most are for all; its units are tenants' rows.
    "tally.backfills",
    "tally.calendar",
    // Jobs may name a tenant, but the queue is one for all.
    "tally.dead_jobs",
    "tally.job_history",
    "tally.job_history_other",
    // Named `tenant` there, since jobs of no tenant have the nil uuid.
    "tally.job_keys",
    "tally.job_leases",
    "tally.job_permits",
    "tally.jobs",
    "tally.paused_kinds",
    "tally.paused_queues",
    "tally.queue_caps",
    "tally.schedule_fires",
    "tally.schedules",
    // One row: the process that exports them.
    "tally.service_exporter",
    "tally.spools",
    "tally.zone_offsets",
    "tally.zones",
];

/// Indexes of tenants' tables that begin with something else.
const OTHER_INDEXES: [&str; 11] = [
    // What has expired is deleted for all tenants at once.
    "public.dashboard_cache_expires_idx",
    // The tenant itself: its id is the user_id of the others.
    "public.users_pkey",
    // What is past its retention is deleted for all tenants at once.
    "tally.audit_differences_detected_at_idx",
    // The newest days of all tenants come first.
    "tally.backfill_units_next_idx",
    // Unique over all tenants: a request names nothing but its endpoint.
    "tally.endpoints_pkey",
    // Webhooks of all tenants by the hour of their receipt.
    "tally.inbox_received_idx",
    // The lag is that of the oldest event, whosever it is.
    "tally.inbox_pending_received_idx",
    // The oldest marks come first, whosever they are.
    "tally.lead_marks_seq_idx",
    // What is past its retention is deleted for all tenants at once.
    "tally.provider_checks_checked_at_idx",
    // The lag is that of the oldest mark, whosever it is.
    "tally.rollup_marks_marked_at_idx",
    // Unique over all tenants: a login names nothing but its address.
    "tally.user_emails_pkey",
];

/// Foreign keys of tenants' tables that do not carry the tenant.
const OTHER_FOREIGN_KEYS: [&str; 1] = [
    // Zones are the same few rows for every tenant.
    "public.users_timezone_fkey",
];

#[derive(Debug, FromRow)]
struct Index(String, String, String, bool);

#[derive(Debug, FromRow)]
struct ForeignKey(String, String, String, String, String, String);

fn has_tenant(table: &str) -> bool {
    !WITHOUT_TENANT.contains(&table)
}

async fn tables(db: &TestDb) -> BTreeSet<String> {
    let sql = "SELECT schemaname || '.' || tablename FROM pg_tables
               WHERE schemaname IN ('public', 'tally') AND tablename <> '_sqlx_migrations'";
    fixture::texts(&db.admin, sql).await.into_iter().collect()
}

async fn indexes(db: &TestDb) -> Vec<Index> {
    sqlx::query_as(include_str!("indexes.sql")).fetch_all(&db.admin).await.unwrap()
}

async fn foreign_keys(db: &TestDb) -> Vec<ForeignKey> {
    sqlx::query_as(include_str!("foreign_keys.sql")).fetch_all(&db.admin).await.unwrap()
}

/// Breaks seen: a table without user_id; user_id made nullable.
#[tokio::test]
async fn every_tenants_table_has_a_user_id() {
    let db = TestDb::new().await;
    let sql = "SELECT table_schema || '.' || table_name FROM information_schema.columns
               WHERE table_schema IN ('public', 'tally') AND column_name = 'user_id' AND is_nullable = 'NO'";
    let with: BTreeSet<String> = fixture::texts(&db.admin, sql).await.into_iter().collect();
    let all = tables(&db).await;
    for table in WITHOUT_TENANT {
        assert!(all.contains(table), "no table {table}");
        assert!(!with.contains(table), "{table} has a tenant");
    }
    let without: Vec<_> = all.iter().filter(|table| has_tenant(table) && !with.contains(*table)).collect();
    assert_eq!(without, ["public.users"]);
}

/// Break seen: an index on calls (started_at); it is named.
#[tokio::test]
async fn every_index_of_a_tenant_begins_with_it() {
    let db = TestDb::new().await;
    let indexes = indexes(&db).await;
    let others = indexes.iter().filter(|Index(table, _, first, _)| has_tenant(table) && first != "user_id");
    assert_eq!(others.map(|index| index.1.as_str()).collect::<Vec<_>>(), OTHER_INDEXES);
    let mut keyed: BTreeSet<String> = indexes.into_iter().filter(|index| index.3).map(|index| index.0).collect();
    // Appended to by the statement that ends an attempt, a claim at a time; nothing refers to a row.
    keyed.extend(["tally.job_history", "tally.job_history_other"].map(str::to_owned));
    assert_eq!(keyed, tables(&db).await, "tables with a primary key");
}

/// Break seen: a foreign key calls (agent_id); it is named.
#[tokio::test]
async fn every_foreign_key_of_a_tenant_carries_it() {
    let db = TestDb::new().await;
    let keys = foreign_keys(&db).await;
    let carries = |ForeignKey(_, _, first, target, target_first, _): &ForeignKey| {
        first == "user_id" && (target_first == "user_id" || (target == "public.users" && target_first == "id"))
    };
    let others = keys.iter().filter(|key| has_tenant(&key.0) && !carries(key));
    assert_eq!(others.map(|key| key.1.as_str()).collect::<Vec<_>>(), OTHER_FOREIGN_KEYS);
}

/// Break seen: a foreign key phone_numbers (assigned_to_user_id); it is named.
#[tokio::test]
async fn nothing_without_a_tenant_points_at_one() {
    let db = TestDb::new().await;
    let keys = foreign_keys(&db).await;
    assert!(!keys.is_empty());
    let wrong: Vec<_> = keys.iter().filter(|key| !has_tenant(&key.0) && has_tenant(&key.3)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A composite key set to null would lose its tenant.
///
/// Break seen: `ON DELETE SET NULL` on calls (user_id, contact_id).
#[tokio::test]
async fn no_delete_sets_keys_to_null() {
    let db = TestDb::new().await;
    let mut keys = foreign_keys(&db).await;
    keys.retain(|key| !["a", "c"].contains(&key.5.as_str()));
    assert!(keys.is_empty(), "{keys:?}");
}

/// Break seen: an IDENTITY column added to tally.lanes; it is named.
#[tokio::test]
async fn no_column_is_an_identity() {
    let db = TestDb::new().await;
    let sql = "SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
               WHERE relnamespace IN ('public'::regnamespace, 'tally'::regnamespace) AND attidentity <> ''";
    assert_eq!(fixture::texts(&db.admin, sql).await, Vec::<String>::new());
}
