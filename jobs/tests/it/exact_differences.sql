-- Every hour, day and month of every tenant, and of its agents, by the exact read and by plain GROUP BY over calls.
WITH expected AS (
    SELECT c.user_id, g.grain, CASE WHEN by_agent THEN c.agent_id END AS agent_id, l.bucket_start,
           count(*) AS calls, count(*) FILTER (WHERE c.outcome = 'answered') AS answered, sum(c.duration_seconds) AS seconds,
           sum(c.credits_micros) AS credits, sum(c.cost_micros) AS cost, count(l2.id) AS leads,
           count(*) FILTER (WHERE l2.quality = 'hot') AS hot, count(DISTINCT c.contact_id) AS contacts,
           sum(tally.fingerprint_hi(tally.fingerprint(ARRAY[
               c.id::text, c.agent_id::text, extract(epoch FROM c.started_at)::text, c.outcome, c.duration_seconds::text,
               c.duration_minutes::text, c.credits_micros::text, c.cost_micros::text, c.lead_type, c.call_source, c.contact_id::text,
               l2.id::text, l2.quality, l2.company_name, l2.dimension_scale::text, l2.intent_score::text, l2.urgency_score::text,
               l2.budget_score::text, l2.fit_score::text, l2.engagement_score::text, l2.total_score::text, l2.cta_pricing_clicked::text,
               l2.cta_demo_clicked::text, l2.cta_followup_clicked::text, l2.cta_sample_clicked::text, l2.cta_escalated_to_human::text
           ]))) AS fingerprint
    FROM calls c
    JOIN users u ON u.id = c.user_id
    LEFT JOIN lead_analytics l2 ON l2.user_id = c.user_id AND l2.call_id = c.id AND l2.analysis_type = 'individual'
    CROSS JOIN (VALUES ('hour', 1), ('day', 2), ('month', 3)) AS g (grain, tier)
    CROSS JOIN (VALUES (true), (false)) AS a (by_agent)
    CROSS JOIN LATERAL tally.local_bucket(u.timezone, g.tier, c.started_at) l
    GROUP BY 1, 2, 3, 4
), found AS (
    SELECT u.id AS user_id, g.grain, r.agent_id, r.bucket_start, r.total_calls, r.successful_calls, r.talk_seconds, r.credits_micros,
           r.cost_micros, r.leads_generated, r.hot_leads, r.distinct_contacts, r.fingerprint_hi
    FROM users u
    CROSS JOIN (VALUES ('hour'), ('day'), ('month')) AS g (grain)
    CROSS JOIN (VALUES (true), (false)) AS a (by_agent)
    CROSS JOIN LATERAL tally.exact_analytics(u.id, g.grain, '2025-12-01', '2026-06-01', a.by_agent, true, 100000) r
    WHERE r.bucket_start IS NOT NULL
)
SELECT 'missing or wrong: ' || e::text FROM (SELECT * FROM expected EXCEPT SELECT * FROM found) e
UNION ALL
SELECT 'found: ' || f::text FROM (SELECT * FROM found EXCEPT SELECT * FROM expected) f
