-- Makes the temporary table stage_quarters, empty, until the end of the transaction: rows for tally.quarter_rollups; returns nothing.
-- The columns and their order are those that crates/history/src/rebuild/encode.rs sends.
CREATE TEMPORARY TABLE stage_quarters ON COMMIT DROP AS
SELECT
    user_id, bucket_start, agent_id,
    total_calls, successful_calls, voicemail_calls, no_answer_calls,
    busy_calls, failed_outcome_calls, cancelled_calls, in_progress_calls,
    inbound_calls, outbound_calls, phone_calls, internet_calls,
    unknown_source_calls, total_duration_minutes, leads_generated, hot_leads,
    warm_leads, cold_leads, unqualified_leads, leads_with_company,
    intent_score_count, urgency_score_count, budget_score_count, fit_score_count,
    engagement_score_count, total_score_count, high_intent_leads, high_budget_leads,
    urgent_leads, cta_pricing_clicks, cta_demo_clicks, cta_followup_clicks,
    cta_sample_clicks, cta_human_escalations, leads_with_cta, talk_seconds,
    credits_micros, cost_micros, intent_score_sum, urgency_score_sum,
    budget_score_sum, fit_score_sum, engagement_score_sum, total_score_sum,
    fingerprint_hi, fingerprint_lo,
    duration_values, duration_counts, contact_ids
FROM tally.quarter_rollups
WITH NO DATA
