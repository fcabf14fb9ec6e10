DROP FUNCTION tally.exact_analytics;
DROP FUNCTION tally.month_figures;
DROP FUNCTION tally.hour_or_day_figures;
DROP FUNCTION tally.stored_figures;
DROP FUNCTION tally.quarter_figures;
DROP FUNCTION tally.range_end;
DROP FUNCTION tally.read_state;
DROP FUNCTION tally.marked_quarters;
DROP FUNCTION tally.count_calls;
CREATE OR REPLACE VIEW tally.call_metrics AS
SELECT c.user_id, c.id AS call_id, c.agent_id, c.started_at, tally.quarter_of(c.started_at) AS quarter_start,
       c.outcome, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros,
       c.lead_type, c.call_source, c.contact_id,
       l.id IS NOT NULL AS is_lead, l.quality, coalesce(l.company_name, '') <> '' AS has_company,
       l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.total_score,
       l.intent_score * 100 >= 70 * l.dimension_scale AS high_intent,
       l.budget_score * 100 >= 70 * l.dimension_scale AS high_budget,
       l.urgency_score * 100 >= 70 * l.dimension_scale AS urgent,
       l.cta_pricing_clicked, l.cta_demo_clicked, l.cta_followup_clicked, l.cta_sample_clicked, l.cta_escalated_to_human,
       tally.fingerprint(ARRAY[
           c.id::text, c.agent_id::text, extract(epoch FROM c.started_at)::text, c.outcome, c.duration_seconds::text,
           c.duration_minutes::text, c.credits_micros::text, c.cost_micros::text, c.lead_type, c.call_source, c.contact_id::text,
           l.id::text, l.quality, l.company_name, l.dimension_scale::text, l.intent_score::text, l.urgency_score::text,
           l.budget_score::text, l.fit_score::text, l.engagement_score::text, l.total_score::text, l.cta_pricing_clicked::text,
           l.cta_demo_clicked::text, l.cta_followup_clicked::text, l.cta_sample_clicked::text, l.cta_escalated_to_human::text
       ]) AS fingerprint
FROM public.calls c
LEFT JOIN public.lead_analytics l
       ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual';
DROP FUNCTION tally.frozen_before;
DROP TABLE tally.history_horizons;
ALTER TABLE tally.rollup_buckets DROP COLUMN last_error, DROP COLUMN failures, DROP COLUMN not_before;
