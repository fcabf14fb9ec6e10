-- Returns one row a call of the tenant and range named by the transaction's tally.scan_* settings, in binary COPY: what
-- figures and fingerprint depend on, from the tables themselves, so that neither depends on tally.call_metrics.
-- The columns and their order are those of crates/history/src/scan.rs.
COPY (
    SELECT c.id, c.agent_id, c.started_at, c.outcome, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros,
           c.lead_type, c.call_source, c.contact_id,
           l.id, l.quality, l.company_name, l.dimension_scale::integer,
           l.intent_score, l.urgency_score, l.budget_score, l.fit_score, l.engagement_score, l.total_score,
           l.cta_pricing_clicked, l.cta_demo_clicked, l.cta_followup_clicked, l.cta_sample_clicked, l.cta_escalated_to_human
    FROM public.calls c
    LEFT JOIN public.lead_analytics l
           ON l.user_id = c.user_id AND l.call_id = c.id AND l.analysis_type = 'individual'
    WHERE c.user_id = current_setting('tally.scan_user')::uuid
      AND c.started_at >= current_setting('tally.scan_from')::timestamptz
      AND c.started_at < current_setting('tally.scan_to')::timestamptz
) TO STDOUT (FORMAT binary)
