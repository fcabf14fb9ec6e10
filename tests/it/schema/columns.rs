//! The 22 relations of the seed are there under their names, with every column that it names.

use std::collections::BTreeSet;

use tallyline_testkit::TestDb;

use super::fixture;

/// Relation, its kind in `pg_class`, its columns.
const SEED: &[(&str, &str, &str)] = &[
    (
        "users",
        "r",
        "id email name credits is_active auth_provider email_verified email_verification_sent_at created_at updated_at role \
         password_hash password_reset_token password_reset_expires email_verification_token company website location bio \
         phone last_login",
    ),
    (
        "agents",
        "r",
        "id user_id name agent_type is_active created_at updated_at description bolna_agent_id bolna_webhook_url \
         bolna_voice_config bolna_llm_config bolna_task_config",
    ),
    (
        "calls",
        "r",
        "id agent_id user_id contact_id phone_number duration_minutes credits_used status recording_url metadata created_at \
         completed_at call_source caller_name caller_email lead_type duration_seconds updated_at bolna_execution_id \
         bolna_conversation_id bolna_call_config bolna_voice_settings bolna_metadata",
    ),
    (
        "contacts",
        "r",
        "id user_id name phone_number email company notes created_at updated_at auto_created_from_call_id is_auto_created \
         auto_creation_source is_customer not_connected",
    ),
    (
        "phone_numbers",
        "r",
        "id name phone_number assigned_to_user_id created_by_admin_id is_active created_at updated_at bolna_phone_number_id",
    ),
    ("transcripts", "r", "id call_id content speaker_segments created_at user_id analysis_status"),
    ("twilio_processed_calls", "r", "id twilio_call_sid phone_number call_status processed_at user_id contact_id"),
    (
        "lead_analytics",
        "r",
        "id call_id intent_level intent_score urgency_level urgency_score budget_constraint budget_score fit_alignment \
         fit_score engagement_health engagement_score total_score lead_status_tag reasoning cta_interactions created_at \
         user_id company_name extracted_name extracted_email cta_pricing_clicked cta_demo_clicked cta_followup_clicked \
         cta_sample_clicked cta_escalated_to_human smart_notification demo_book_datetime demo_scheduled_at is_read",
    ),
    (
        "credit_transactions",
        "r",
        "id user_id type amount balance_after description stripe_payment_id call_id created_by created_at",
    ),
    (
        "follow_ups",
        "r",
        "id user_id lead_phone lead_email lead_name follow_up_date remark is_completed created_at updated_at created_by \
         completed_at completed_by follow_up_status",
    ),
    (
        "customers",
        "r",
        "id user_id contact_id customer_reference_number name email phone company status conversion_date \
         original_lead_source assigned_sales_rep last_interaction_date notes created_at updated_at",
    ),
    (
        "agent_analytics",
        "r",
        "id agent_id user_id date hour total_calls successful_calls failed_calls total_duration_minutes avg_duration_minutes \
         leads_generated qualified_leads conversion_rate avg_engagement_score avg_intent_score avg_urgency_score \
         avg_budget_score avg_fit_score credits_used cost_per_lead success_rate answer_rate created_at updated_at \
         cta_pricing_clicks cta_demo_clicks cta_followup_clicks cta_sample_clicks cta_human_escalations \
         total_cta_interactions cta_conversion_rate avg_total_score",
    ),
    (
        "user_analytics",
        "r",
        "id user_id date hour total_calls successful_calls failed_calls total_duration_minutes avg_duration_minutes \
         leads_generated qualified_leads conversion_rate cta_pricing_clicks cta_demo_clicks cta_followup_clicks \
         cta_sample_clicks cta_human_escalations total_cta_interactions cta_conversion_rate avg_engagement_score \
         avg_intent_score avg_urgency_score avg_budget_score avg_fit_score credits_used cost_per_lead success_rate \
         answer_rate created_at updated_at",
    ),
    (
        "call_analytics_cache",
        "r",
        "id user_id date_period period_type total_calls successful_calls failed_calls missed_calls connection_rate \
         total_call_duration average_call_duration hot_leads warm_leads cold_leads unqualified_leads total_leads \
         average_lead_score conversion_rate pricing_clicks demo_requests followup_requests sample_requests \
         human_escalations high_intent_leads high_budget_leads urgent_leads inbound_calls outbound_calls calculated_at \
         created_at updated_at",
    ),
    (
        "user_daily_analytics",
        "v",
        "id user_id date total_calls successful_calls failed_calls total_duration_minutes leads_generated qualified_leads \
         credits_used avg_engagement_score avg_intent_score created_at updated_at",
    ),
    (
        "user_kpi_summary",
        "m",
        "user_id email name credits is_active user_created_at total_calls_30d successful_calls_30d failed_calls_30d \
         success_rate_30d total_duration_30d avg_duration_30d total_credits_used_30d total_leads_30d qualified_leads_30d \
         conversion_rate_30d avg_lead_score_30d avg_intent_score_30d avg_engagement_score_30d total_agents active_agents \
         draft_agents avg_conversations_per_hour_30d best_performing_agent_id best_performing_agent_name \
         best_agent_success_rate calls_last_7d leads_last_7d credits_used_last_7d total_calls_lifetime \
         total_leads_lifetime total_credits_used_lifetime calculated_at expires_at",
    ),
    ("dashboard_cache", "r", "id user_id cache_key cache_data expires_at created_at updated_at"),
    (
        "user_sessions",
        "r",
        "id user_id token_hash expires_at created_at last_used_at ip_address user_agent is_active refresh_token_hash \
         refresh_expires_at",
    ),
    ("login_attempts", "r", "id email ip_address attempted_at success failure_reason"),
    ("password_reset_attempts", "r", "id email ip_address attempted_at success"),
    (
        "admin_audit_log",
        "r",
        "id admin_user_id action resource_type resource_id target_user_id details ip_address user_agent created_at",
    ),
    ("system_config", "r", "id config_key config_value is_encrypted description updated_by created_at updated_at"),
];

/// In schema public beside the seed's.
const OURS: [&str; 3] = ["_sqlx_migrations r", "customer_figures v", "my_kpi_summary v"];

/// Break seen: `user_daily_analytics` made a table, or a relation more in schema public.
#[tokio::test]
async fn the_relations_are_those_of_the_seed() {
    assert_eq!(SEED.len(), 22);
    let db = TestDb::new().await;
    let sql = "SELECT relname || ' ' || relkind::text FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let found: BTreeSet<String> = fixture::texts(&db.admin, sql).await.into_iter().collect();
    let seed = SEED.iter().map(|(relation, kind, _)| format!("{relation} {kind}"));
    let expected: BTreeSet<String> = seed.chain(OURS.map(str::to_owned)).collect();
    assert_eq!(found, expected);
}

/// Break seen: `transcripts.analysis_status` dropped; it is named.
#[tokio::test]
async fn every_column_of_the_seed_is_there() {
    let db = TestDb::new().await;
    let sql = "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped";
    let found: BTreeSet<String> = fixture::texts(&db.admin, sql).await.into_iter().collect();
    let columns = |&(relation, _, names): &(&str, &str, &'static str)| {
        names.split_whitespace().map(move |column| format!("{relation}.{column}")).collect::<Vec<_>>()
    };
    let expected: BTreeSet<String> = SEED.iter().flat_map(columns).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

/// What the seed claims and its own database never had.
#[tokio::test]
async fn the_claims_of_the_seed_are_true() {
    let db = TestDb::new().await;
    let nullable = "SELECT is_nullable FROM information_schema.columns WHERE table_schema = 'public'
                    AND table_name = 'phone_numbers' AND column_name = 'bolna_phone_number_id'";
    assert_eq!(fixture::texts(&db.admin, nullable).await, ["NO"]);
    let old = "SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
               WHERE relnamespace = 'public'::regnamespace AND attname LIKE '%elevenlabs%'";
    assert_eq!(fixture::texts(&db.admin, old).await, Vec::<String>::new());
}
