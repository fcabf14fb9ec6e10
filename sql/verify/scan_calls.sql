-- Returns one row a call of the tenant and range named by the transaction's tally.scan_* settings, in binary COPY.
-- The columns and their order are those of crates/history/src/scan.rs. The fingerprint travels as the 16 bytes it is.
COPY (
    SELECT agent_id, started_at, outcome, duration_seconds, duration_minutes, credits_micros, cost_micros,
           lead_type, call_source, contact_id, fingerprint::uuid, quality,
           intent_score, urgency_score, budget_score, fit_score, engagement_score, total_score,
           is_lead, has_company, high_intent, high_budget, urgent,
           cta_pricing_clicked, cta_demo_clicked, cta_followup_clicked, cta_sample_clicked, cta_escalated_to_human
    FROM tally.call_metrics
    WHERE user_id = current_setting('tally.scan_user')::uuid
      AND started_at >= current_setting('tally.scan_from')::timestamptz
      AND started_at < current_setting('tally.scan_to')::timestamptz
) TO STDOUT (FORMAT binary)
