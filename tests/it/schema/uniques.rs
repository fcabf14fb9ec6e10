//! What may be there only once.

use std::collections::BTreeSet;

use sqlx::postgres::PgPool;
use tallyline_testkit::TestDb;

use super::fixture;

/// A unique index, a statement that it refuses, and a twin that it accepts. Of the tenants `a` and `b`, `a` is the first.
const CASES: &[(&str, &str, &str)] = &[
    (
        "agents_user_id_bolna_agent_id_key",
        "INSERT INTO public.agents (user_id, name, bolna_agent_id) SELECT user_id, 'Again', bolna_agent_id FROM public.agents LIMIT 1",
        "INSERT INTO public.agents (user_id, name, bolna_agent_id) SELECT user_id, 'Again', 'agent-2' FROM public.agents LIMIT 1",
    ),
    (
        "calls_user_id_bolna_execution_id_key",
        "UPDATE public.calls SET bolna_execution_id = 'execution-1' WHERE bolna_execution_id = 'execution-2'",
        "UPDATE public.calls SET bolna_execution_id = NULL",
    ),
    (
        "contacts_user_id_phone_e164_key",
        "UPDATE public.contacts SET phone_e164 = '+15550100' WHERE name = 'Spare'",
        "UPDATE public.contacts SET phone_e164 = NULL",
    ),
    (
        "contacts_user_id_phone_number_key",
        "UPDATE public.contacts SET phone_number = '15550100' WHERE name = 'Spare'",
        "UPDATE public.contacts SET phone_number = '15550102' WHERE name = 'Spare'",
    ),
    (
        "credit_transactions_user_id_call_id_charge_no_key",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
         SELECT user_id, 'usage', -1, 0, 'again', call_id, charge_no FROM public.credit_transactions",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
         SELECT user_id, 'usage', -1, 0, 'a correction', call_id, charge_no + 1 FROM public.credit_transactions",
    ),
    (
        "credit_transactions_user_id_idempotency_key_key",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, idempotency_key)
         SELECT id, 'bonus', 1, 1, 'twice', 'key' FROM public.users, generate_series(1, 2)",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, idempotency_key)
         SELECT id, 'bonus', 1, 1, 'once each', 'key-' || n FROM public.users, generate_series(1, 2) n",
    ),
    (
        "credit_transactions_user_id_stripe_payment_id_key",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, stripe_payment_id)
         SELECT id, 'purchase', 1, 1, 'twice', 'pi_1' FROM public.users, generate_series(1, 2)",
        "INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, stripe_payment_id)
         SELECT id, 'purchase', 1, 1, 'once each', 'pi_' || n FROM public.users, generate_series(1, 2) n",
    ),
    (
        "customers_user_id_contact_id_key",
        "INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name)
         SELECT user_id, contact_id, '', 'Again' FROM public.customers",
        "INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name)
         SELECT user_id, id, '', 'Other' FROM public.contacts WHERE name = 'Spare'",
    ),
    (
        "customers_user_id_customer_reference_number_key",
        "INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name)
         SELECT user_id, k.id, customer_reference_number, 'Other' FROM public.customers JOIN public.contacts k USING (user_id) WHERE k.name = 'Spare'",
        "INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name)
         SELECT user_id, k.id, 'B-' || customer_reference_number, 'Other' FROM public.customers JOIN public.contacts k USING (user_id) WHERE k.name = 'Spare'",
    ),
    (
        "inbox_user_id_provider_body_sha256_key",
        "INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256) SELECT user_id, provider, 'other', body_sha256 FROM tally.inbox",
        "INSERT INTO tally.inbox (user_id, provider, endpoint, body_sha256) SELECT user_id, 'twilio', endpoint, body_sha256 FROM tally.inbox",
    ),
    (
        "jobs_coalesced",
        "INSERT INTO tally.jobs (kind, queue, coalesce_key, run_at, created_at) SELECT 'work', 'default', 'key', now(), now() FROM generate_series(1, 2)",
        "INSERT INTO tally.jobs (kind, queue, coalesce_key, run_at, created_at) SELECT 'work', 'default', NULL, now(), now() FROM generate_series(1, 2)",
    ),
    (
        "follow_ups_analysis_key",
        "INSERT INTO public.follow_ups (user_id, lead_phone, follow_up_date, call_id, source)
         SELECT user_id, '1', '2026-01-06', id, 'analysis' FROM public.calls, generate_series(1, 2)",
        "INSERT INTO public.follow_ups (user_id, lead_phone, follow_up_date, call_id, source)
         SELECT user_id, '1', '2026-01-06', id, source FROM public.calls, unnest(ARRAY['analysis', 'manual', 'manual']) source",
    ),
    (
        "lead_analytics_complete_key",
        "INSERT INTO public.lead_analytics (user_id, call_id, analysis_type, contact_id)
         SELECT user_id, call_id, analysis_type, contact_id FROM public.lead_analytics WHERE analysis_type = 'complete'",
        "INSERT INTO public.lead_analytics (user_id, call_id, analysis_type, contact_id)
         SELECT user_id, call_id, analysis_type, k.id FROM public.lead_analytics JOIN public.contacts k USING (user_id)
         WHERE analysis_type = 'complete' AND k.name = 'Spare'",
    ),
    (
        "lead_analytics_individual_key",
        "INSERT INTO public.lead_analytics (user_id, call_id) SELECT user_id, call_id FROM public.lead_analytics WHERE analysis_type = 'individual'",
        "INSERT INTO public.lead_analytics (user_id, call_id) SELECT user_id, id FROM public.calls WHERE bolna_execution_id = 'execution-2'",
    ),
    (
        "phone_numbers_active_e164_key",
        "INSERT INTO public.phone_numbers (name, phone_number, phone_e164, bolna_phone_number_id, created_by_admin_id)
         SELECT n, n, '+15550188', n, gen_random_uuid() FROM (VALUES ('a'), ('b')) v (n)",
        "INSERT INTO public.phone_numbers (name, phone_number, phone_e164, bolna_phone_number_id, created_by_admin_id, is_active)
         SELECT n, n, '+15550188', n, gen_random_uuid(), n = 'a' FROM (VALUES ('a'), ('b')) v (n)",
    ),
    (
        "phone_numbers_active_number_key",
        "INSERT INTO public.phone_numbers (name, phone_number, bolna_phone_number_id, created_by_admin_id)
         SELECT 'Again', phone_number, 'number-2', created_by_admin_id FROM public.phone_numbers",
        "INSERT INTO public.phone_numbers (name, phone_number, bolna_phone_number_id, created_by_admin_id, is_active)
         SELECT 'Gone', phone_number, 'number-2', created_by_admin_id, false FROM public.phone_numbers",
    ),
    (
        "phone_numbers_bolna_phone_number_id_key",
        "INSERT INTO public.phone_numbers (name, phone_number, bolna_phone_number_id, created_by_admin_id)
         SELECT 'Other', '15550198', bolna_phone_number_id, created_by_admin_id FROM public.phone_numbers",
        "INSERT INTO public.phone_numbers (name, phone_number, bolna_phone_number_id, created_by_admin_id)
         SELECT 'Other', '15550198', 'number-2', created_by_admin_id FROM public.phone_numbers",
    ),
    (
        "quarantine_user_id_inbox_id_key",
        "INSERT INTO tally.quarantine (user_id, provider, endpoint, inbox_id, reason, received_at)
         SELECT user_id, provider, endpoint, inbox_id, 'unparsable', received_at FROM tally.quarantine",
        "INSERT INTO tally.quarantine (user_id, provider, endpoint, body, reason, received_at)
         SELECT user_id, provider, endpoint, '', 'unparsable', received_at FROM tally.quarantine, generate_series(1, 2)",
    ),
    (
        "notifications_user_id_idempotency_key_key",
        "INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key) SELECT user_id, kind, payload, idempotency_key FROM tally.notifications",
        "INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key) SELECT user_id, kind, payload, 'other' FROM tally.notifications",
    ),
    (
        "schedule_fires_clock",
        "INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at)
         SELECT schedule, fire_at, job_id, outcome, fired_at FROM tally.schedule_fires",
        "INSERT INTO tally.schedule_fires (schedule, fire_at, job_id, outcome, fired_at, manual)
         SELECT schedule, fire_at, job_id, outcome, fired_at, true FROM tally.schedule_fires, generate_series(1, 2)",
    ),
    (
        "system_config_config_key_key",
        "INSERT INTO public.system_config (config_key, config_value) VALUES ('key-1', 'other')",
        "INSERT INTO public.system_config (config_key, config_value) VALUES ('key-2', 'other')",
    ),
    (
        "transcripts_user_id_call_id_key",
        "INSERT INTO public.transcripts (user_id, call_id, content) SELECT user_id, call_id, 'Again' FROM public.transcripts",
        "INSERT INTO public.transcripts (user_id, call_id, content) SELECT user_id, id, 'Other' FROM public.calls WHERE bolna_execution_id = 'execution-2'",
    ),
    (
        "twilio_processed_calls_user_id_twilio_call_sid_key",
        "INSERT INTO public.twilio_processed_calls (user_id, twilio_call_sid, phone_number, call_status)
         SELECT user_id, twilio_call_sid, phone_number, 'failed' FROM public.twilio_processed_calls",
        "INSERT INTO public.twilio_processed_calls (user_id, twilio_call_sid, phone_number, call_status)
         SELECT user_id, 'CA' || repeat('1', 32), phone_number, 'failed' FROM public.twilio_processed_calls",
    ),
    (
        "user_emails_pkey",
        "UPDATE tally.user_emails SET email_lower = 'a@example.com' WHERE email_lower = 'b@example.com'",
        "UPDATE tally.user_emails SET email_lower = 'c@example.com' WHERE email_lower = 'b@example.com'",
    ),
    (
        "user_emails_user_id_key",
        "INSERT INTO tally.user_emails (email_lower, user_id) SELECT 'c@example.com', user_id FROM tally.user_emails LIMIT 1",
        "INSERT INTO tally.user_emails (email_lower, user_id) VALUES ('c@example.com', gen_random_uuid())",
    ),
    (
        "user_sessions_user_id_refresh_token_hash_key",
        "INSERT INTO public.user_sessions (user_id, token_hash, expires_at, refresh_token_hash, refresh_expires_at)
         SELECT id, 'token-' || n, now(), 'refresh-1', now() FROM public.users, generate_series(2, 3) n",
        "INSERT INTO public.user_sessions (user_id, token_hash, expires_at, refresh_token_hash, refresh_expires_at)
         SELECT id, 'token-' || n, now(), 'refresh-' || n, now() FROM public.users, generate_series(2, 3) n",
    ),
    (
        "user_sessions_user_id_token_hash_key",
        "INSERT INTO public.user_sessions (user_id, token_hash, expires_at) SELECT user_id, token_hash, now() FROM public.user_sessions",
        "INSERT INTO public.user_sessions (user_id, token_hash, expires_at) SELECT user_id, 'token-2', now() FROM public.user_sessions",
    ),
];

/// Rows of a materialized view are not written.
const NOT_TRIED: [&str; 1] = ["user_kpi_summary_user_key"];

async fn outcome(admin: &PgPool, sql: &'static str) -> String {
    let mut tx = admin.begin().await.unwrap();
    fixture::came_to(sqlx::raw_sql(sql).execute(&mut *tx).await)
}

/// Both tenants have the same ids of their own everywhere, so that each accepted twin also
/// shows that what is unique is so within a tenant.
///
/// Break seen: lead_analytics_individual_key dropped.
#[tokio::test]
async fn what_is_there_is_not_there_twice() {
    let db = TestDb::new().await;
    fixture::tenant(&db, "a").await;
    fixture::tenant(&db, "b").await;
    fixture::platform(&db).await;
    for (index, refused, accepted) in CASES {
        assert_eq!(outcome(&db.admin, refused).await, format!("23505 {index}"));
        let accepted = outcome(&db.admin, accepted).await;
        assert!(accepted.ends_with(" rows") && accepted != "0 rows", "{index}: {accepted}");
    }
}

/// Break seen: a unique index more in the database.
#[tokio::test]
async fn every_unique_index_is_tried() {
    let db = TestDb::new().await;
    let sql = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique
               AND NOT i.indisprimary AND c.relnamespace IN ('public'::regnamespace, 'tally'::regnamespace)";
    let mut expected: BTreeSet<String> = fixture::texts(&db.admin, sql).await.into_iter().collect();
    expected.insert("user_emails_pkey".to_owned());
    let tried: BTreeSet<String> = CASES.iter().map(|case| case.0).chain(NOT_TRIED).map(str::to_owned).collect();
    assert_eq!(tried, expected);
}

/// Break seen: `CHECK (credits_micros >= 0)` on users; likewise on balance_after_micros.
#[tokio::test]
async fn defect_29_a_balance_may_go_below_zero() {
    let db = TestDb::new().await;
    let tenant = fixture::tenant(&db, "a").await;
    let balances: (String, String) = sqlx::query_as(
        "WITH u AS (UPDATE public.users SET credits_micros = -1500000 WHERE id = $1 RETURNING credits), t AS (
         UPDATE public.credit_transactions SET balance_after_micros = -1500000 WHERE user_id = $1 RETURNING balance_after)
         SELECT credits::text, balance_after::text FROM u, t",
    )
    .bind(tenant.user_id)
    .fetch_one(&db.admin)
    .await
    .unwrap();
    assert_eq!(balances, ("-1.500000".to_owned(), "-1.500000".to_owned()));
}
