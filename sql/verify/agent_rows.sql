-- Returns the rows of agent_analytics of tenant $1 and grains $4 that start in [$2, $3), with the counters in the order of
-- tallyline_history::COUNTERS.
SELECT agent_id AS "agent_id?", grain AS "grain!", bucket_start, bucket_end AS "bucket_end!",
       zone AS "zone?", date AS "date?", hour,
       ARRAY[
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
           fingerprint_hi, fingerprint_lo
       ]::bigint[] AS "counters!",
       duration_values, duration_counts, contact_ids
FROM public.agent_analytics
WHERE user_id = $1 AND grain = ANY($4::text[]) AND bucket_start >= $2 AND bucket_start < $3
