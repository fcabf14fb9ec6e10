-- Returns the figures of the hours, days or months of tenant $1 that start in [$3, $4), equal to its calls at this instant, or
-- as stored where more than $7 quarters are marked; at least one row, whose bucket_start is null when there are no figures.
-- Counters in the order of tallyline_history::COUNTERS. $2 grain, $5 per agent, $6 with percentiles and contacts.
SELECT as_of AS "as_of!", fresh AS "fresh!", lag_seconds AS "lag_seconds!",
       agent_id, bucket_start, bucket_end, date, hour,
       CASE WHEN bucket_start IS NOT NULL THEN ARRAY[
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
       ]::bigint[] END AS counters,
       duration_p50, duration_p95, duration_p99, distinct_contacts
FROM tally.exact_analytics($1, $2, $3, $4, $5, $6, $7)
