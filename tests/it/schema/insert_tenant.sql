-- Writes the tenant $1 with a row in every table that has a user_id, and a spare contact and call; returns the ids.
WITH u AS (
    INSERT INTO public.users (email, name, password_hash) VALUES ($1 || '@example.com', $1, 'secret') RETURNING id AS user_id
), k AS (
    SELECT user_id, gen_random_uuid() AS agent_id, gen_random_uuid() AS contact_id, gen_random_uuid() AS call_id,
           gen_random_uuid() AS spare_contact_id, gen_random_uuid() AS spare_call_id,
           gen_random_uuid() AS notification_id, gen_random_uuid() AS endpoint_id,
           timestamptz '2026-01-05 00:00Z' AS t, sha256(convert_to($1, 'UTF8')) AS digest, nextval('tally.inbox_seq') AS inbox_id
    FROM u
), user_emails AS (
    INSERT INTO tally.user_emails (email_lower, user_id) SELECT lower($1 || '@example.com'), user_id FROM k
), agents AS (
    INSERT INTO public.agents (user_id, id, name, bolna_agent_id) SELECT user_id, agent_id, 'Agent', 'agent-1' FROM k
), contacts AS (
    INSERT INTO public.contacts (user_id, id, name, phone_number, phone_e164)
    SELECT user_id, contact_id, 'Contact', '15550100', '+15550100' FROM k
    UNION ALL SELECT user_id, spare_contact_id, 'Spare', '15550101', '+15550101' FROM k
), calls AS (
    INSERT INTO public.calls (user_id, id, agent_id, contact_id, bolna_execution_id, started_at)
    SELECT user_id, call_id, agent_id, contact_id, 'execution-1', t FROM k
    UNION ALL SELECT user_id, spare_call_id, agent_id, NULL, 'execution-2', t FROM k
), transcripts AS (
    INSERT INTO public.transcripts (user_id, call_id, content) SELECT user_id, call_id, 'Hello' FROM k
), leads AS (
    INSERT INTO public.lead_analytics (user_id, call_id, phone_number, total_score, quality)
    SELECT user_id, call_id, '15550100', 12, 'hot' FROM k
), complete_leads AS (
    INSERT INTO public.lead_analytics (user_id, call_id, analysis_type, phone_number, contact_id, latest_call_id)
    SELECT user_id, call_id, 'complete', '15550100', contact_id, call_id FROM k
), twilio AS (
    INSERT INTO public.twilio_processed_calls (user_id, twilio_call_sid, phone_number, call_status, contact_id)
    SELECT user_id, 'CA' || repeat('0', 32), '15550100', 'busy', contact_id FROM k
), credits AS (
    INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
    SELECT user_id, 'usage', -1, 99999999, 'call', call_id, 0 FROM k
), follow_ups AS (
    INSERT INTO public.follow_ups (user_id, lead_phone, follow_up_date, call_id) SELECT user_id, '15550100', '2026-01-06', call_id FROM k
), notifications AS (
    INSERT INTO tally.notifications (user_id, id, kind, payload, idempotency_key) SELECT user_id, notification_id, 'credits.low', '{}', 'key' FROM k
), notification_endpoints AS (
    INSERT INTO tally.notification_endpoints (user_id, id, url, sealed_key) SELECT user_id, endpoint_id, 'https://example.com/', digest FROM k
), deliveries AS (
    INSERT INTO tally.notification_deliveries (user_id, notification_id, endpoint_id) SELECT user_id, notification_id, endpoint_id FROM k
), customers AS (
    INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name) SELECT user_id, contact_id, '', 'Contact' FROM k
), sessions AS (
    INSERT INTO public.user_sessions (user_id, token_hash, expires_at) SELECT user_id, 'token-1', t FROM k
), user_analytics AS (
    INSERT INTO public.user_analytics (user_id, grain, bucket_start, bucket_end, zone, date, generation, total_calls, in_progress_calls,
        duration_values, duration_counts, contact_ids)
    SELECT user_id, 'day', t, t + interval '1 day', 'UTC', '2026-01-05', 1, 2, 2, '{}', '{}', '{}' FROM k
), agent_analytics AS (
    INSERT INTO public.agent_analytics (user_id, agent_id, grain, bucket_start, bucket_end, zone, date, generation, total_calls,
        in_progress_calls, duration_values, duration_counts, contact_ids)
    SELECT user_id, agent_id, 'day', t, t + interval '1 day', 'UTC', '2026-01-05', 1, 2, 2, '{}', '{}', '{}' FROM k
), call_cache AS (
    INSERT INTO public.call_analytics_cache (user_id, date_period, period_type, zone, generation)
    SELECT user_id, '2026-01-05', 'daily', 'UTC', 1 FROM k
), dashboard_cache AS (
    INSERT INTO public.dashboard_cache (user_id, cache_key, cache_data, generation, expires_at) SELECT user_id, 'overview', '{}', 1, t FROM k
), endpoints AS (
    INSERT INTO tally.endpoints (endpoint, user_id, provider, secret_sha256) SELECT 'endpoint-' || $1, user_id, 'bolna', digest FROM k
), lanes AS (
    INSERT INTO tally.lanes (user_id) SELECT user_id FROM k
), inbox AS (
    INSERT INTO tally.inbox (user_id, id, provider, endpoint, body_sha256) SELECT user_id, inbox_id, 'bolna', 'endpoint-' || $1, digest FROM k
), pending AS (
    INSERT INTO tally.inbox_pending (user_id, inbox_id, received_at) SELECT user_id, inbox_id, t FROM k
), quarantine AS (
    INSERT INTO tally.quarantine (user_id, provider, endpoint, inbox_id, reason, received_at)
    SELECT user_id, 'bolna', 'endpoint-' || $1, inbox_id, 'unknown_agent', t FROM k
), audit AS (
    INSERT INTO tally.audit_differences (user_id, found_by, tier, bucket_start, bucket_end, agent_id, figure, compared_with, expected, found)
    SELECT user_id, 'sample', 0, t, t + interval '15 minutes', agent_id, 'total_calls', 'calls', '2', '1' FROM k
), call_events AS (
    INSERT INTO tally.call_events (user_id, call_id, provider, body_sha256, inbox_id, received_at, facts)
    SELECT user_id, call_id, 'bolna', digest, inbox_id, t, '{}' FROM k
), attempts AS (
    INSERT INTO tally.call_attempts (user_id, call_id, attempt, lifecycle, outcome, duration_seconds)
    SELECT user_id, call_id, 0, 'initiated', 'in_progress', 0 FROM k
), legs AS (
    INSERT INTO tally.call_legs (user_id, call_id, leg_key, kind, lifecycle, outcome) SELECT user_id, call_id, 'CA1', 'transfer', '', 'failed' FROM k
), aliases AS (
    INSERT INTO tally.call_aliases (user_id, call_sid, call_id) SELECT user_id, 'CA' || repeat('0', 32), call_id FROM k
), buckets AS (
    INSERT INTO tally.rollup_buckets (user_id, tier, bucket_start) SELECT user_id, 0, t FROM k
), quarters AS (
    INSERT INTO tally.quarter_rollups (user_id, bucket_start, agent_id, generation, duration_values, duration_counts, contact_ids)
    SELECT user_id, t, agent_id, 1, '{}', '{}', '{}' FROM k
), backfill_units AS (
    INSERT INTO tally.backfill_units (user_id, backfill_id, from_time, to_time, days, calls)
    SELECT user_id, agent_id, t, t + interval '1 day', 1, 2 FROM k
), history_files AS (
    INSERT INTO tally.history_files (user_id, month_start, month_end, path, calls, fingerprint_hi, fingerprint_lo)
    SELECT user_id, t, t + interval '1 month', 'file', 1, 1, 1 FROM k
), analysis_settings AS (
    INSERT INTO tally.analysis_settings (user_id, provider) SELECT user_id, 'rules' FROM k
), analysis_spend AS (
    INSERT INTO tally.analysis_spend (user_id, spent_on, spent_micros) SELECT user_id, '2026-01-05', 1 FROM k
), call_analyses AS (
    INSERT INTO tally.call_analyses (user_id, call_id, provider, input_sha256, analyzed_at) SELECT user_id, call_id, 'rules', digest, t FROM k
), contact_analyses AS (
    INSERT INTO tally.contact_analyses (user_id, contact_id) SELECT user_id, contact_id FROM k
), lead_marks AS (
    INSERT INTO tally.lead_marks (user_id, contact_id) SELECT user_id, contact_id FROM k
), contact_archive AS (
    INSERT INTO tally.contact_archive (user_id, contact_id, total_calls, first_call_at, last_call_at) SELECT user_id, contact_id, 1, t, t FROM k
), provider_accounts AS (
    INSERT INTO tally.provider_accounts (user_id, provider, base_url, account_sid, sealed_key)
    SELECT user_id, 'twilio', 'https://api.example.com', 'AC' || repeat('0', 32), '\x00' FROM k
), provider_checks AS (
    INSERT INTO tally.provider_checks (user_id, provider, ref, result, first_checked_at, checked_at, next_check_at)
    SELECT user_id, 'bolna', 'execution-1', 'found', t, t, t FROM k
), api_tokens AS (
    INSERT INTO tally.api_tokens (user_id, name, token_hash) SELECT user_id, 'reports', 'hash' FROM k
), jobs AS (
    INSERT INTO tally.jobs (kind, queue, user_id, coalesce_key, run_at, created_at) SELECT 'work', 'default', user_id, 'key', t, t FROM k
), job_history AS (
    INSERT INTO tally.job_history (job_id, claim, kind, queue, user_id, attempt, outcome, queued_at, started_at, finished_at, lease_id)
    SELECT 1, 1, 'work', 'default', user_id, 1, 'succeeded', t, t, t, agent_id FROM k
), dead_jobs AS (
    INSERT INTO tally.dead_jobs (job_id, claims, kind, queue, user_id, payload, priority, attempts, max_attempts, reason, created_at, dead_at)
    SELECT 1, 1, 'work', 'default', user_id, '{}', 1, 1, 1, 'failed', t, t FROM k
), job_keys AS (
    INSERT INTO tally.job_keys (kind, tenant, key, job_id) SELECT 'work', user_id, 'key', 1 FROM k
), job_permits AS (
    INSERT INTO tally.job_permits (queue, tenant, slot) SELECT 'default', user_id, 1 FROM k
)
SELECT user_id, agent_id, call_id, spare_contact_id, spare_call_id, notification_id, endpoint_id FROM k
