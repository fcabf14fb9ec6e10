-- The figures of one tier of a tenant by plain GROUP BY over its calls, agents and tenant, with p50, p95 and distinct contacts;
-- counts the rows, so that nothing is written or sent. $1 tenant, $2 tier (0 quarter, 1 hour, 2 day, 3 month).
SELECT count(x), sum(length(x::text))
FROM (
        SELECT b.bucket_start, m.agent_id,
               count(*) AS total_calls,
               count(*) FILTER (WHERE m.outcome = 'answered') AS successful_calls,
               count(*) FILTER (WHERE m.outcome = 'voicemail') AS voicemail_calls,
               count(*) FILTER (WHERE m.outcome = 'no_answer') AS no_answer_calls,
               count(*) FILTER (WHERE m.outcome = 'busy') AS busy_calls,
               count(*) FILTER (WHERE m.outcome = 'failed') AS failed_outcome_calls,
               count(*) FILTER (WHERE m.outcome = 'cancelled') AS cancelled_calls,
               count(*) FILTER (WHERE m.outcome = 'in_progress') AS in_progress_calls,
               count(*) FILTER (WHERE m.lead_type = 'inbound') AS inbound_calls,
               count(*) FILTER (WHERE m.lead_type = 'outbound') AS outbound_calls,
               count(*) FILTER (WHERE m.call_source = 'phone') AS phone_calls,
               count(*) FILTER (WHERE m.call_source = 'internet') AS internet_calls,
               count(*) FILTER (WHERE m.call_source = 'unknown') AS unknown_source_calls,
               sum(m.duration_minutes) AS total_duration_minutes,
               count(*) FILTER (WHERE m.is_lead) AS leads_generated,
               count(*) FILTER (WHERE m.quality = 'hot') AS hot_leads,
               count(*) FILTER (WHERE m.quality = 'warm') AS warm_leads,
               count(*) FILTER (WHERE m.quality = 'cold') AS cold_leads,
               count(*) FILTER (WHERE m.quality = 'unqualified') AS unqualified_leads,
               count(*) FILTER (WHERE m.has_company) AS leads_with_company,
               count(m.intent_score) AS intent_score_count,
               count(m.urgency_score) AS urgency_score_count,
               count(m.budget_score) AS budget_score_count,
               count(m.fit_score) AS fit_score_count,
               count(m.engagement_score) AS engagement_score_count,
               count(m.total_score) AS total_score_count,
               count(*) FILTER (WHERE m.high_intent) AS high_intent_leads,
               count(*) FILTER (WHERE m.high_budget) AS high_budget_leads,
               count(*) FILTER (WHERE m.urgent) AS urgent_leads,
               count(*) FILTER (WHERE m.cta_pricing_clicked) AS cta_pricing_clicks,
               count(*) FILTER (WHERE m.cta_demo_clicked) AS cta_demo_clicks,
               count(*) FILTER (WHERE m.cta_followup_clicked) AS cta_followup_clicks,
               count(*) FILTER (WHERE m.cta_sample_clicked) AS cta_sample_clicks,
               count(*) FILTER (WHERE m.cta_escalated_to_human) AS cta_human_escalations,
               count(*) FILTER (WHERE m.cta_pricing_clicked OR m.cta_demo_clicked OR m.cta_followup_clicked
                                   OR m.cta_sample_clicked OR m.cta_escalated_to_human) AS leads_with_cta,
               sum(m.duration_seconds) AS talk_seconds,
               sum(m.credits_micros)::bigint AS credits_micros,
               sum(m.cost_micros)::bigint AS cost_micros,
               coalesce(sum(m.intent_score), 0)::bigint AS intent_score_sum,
               coalesce(sum(m.urgency_score), 0)::bigint AS urgency_score_sum,
               coalesce(sum(m.budget_score), 0)::bigint AS budget_score_sum,
               coalesce(sum(m.fit_score), 0)::bigint AS fit_score_sum,
               coalesce(sum(m.engagement_score), 0)::bigint AS engagement_score_sum,
               coalesce(sum(m.total_score), 0)::bigint AS total_score_sum,
               sum(tally.fingerprint_hi(m.fingerprint))::bigint AS fingerprint_hi,
               sum(tally.fingerprint_lo(m.fingerprint))::bigint AS fingerprint_lo,
               percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY m.duration_seconds) FILTER (WHERE m.duration_seconds > 0) AS percentiles,
               count(DISTINCT m.contact_id) AS distinct_contacts
        FROM tally.call_metrics m
        JOIN (
            SELECT q.quarter_start, coalesce(l.bucket_start, q.quarter_start) AS bucket_start
            FROM (SELECT DISTINCT tally.quarter_of(c.started_at) AS quarter_start FROM public.calls c WHERE c.user_id = $1) q
            JOIN public.users u ON u.id = $1
            LEFT JOIN LATERAL tally.local_bucket(u.timezone, $2, q.quarter_start) l ON true
        ) b ON b.quarter_start = m.quarter_start
        WHERE m.user_id = $1
        GROUP BY GROUPING SETS ((b.bucket_start, m.agent_id), (b.bucket_start))
) x
