-- Who may do what.
--
-- tallyline_worker  the daemon: every tenant, all rows.
-- tallyline_api     a request of one tenant: its own rows, read only; the tenant
--                   comes from the transaction-local setting tally.user_id.
-- Row-level security is ENABLED, not FORCED: the owner's functions (mark triggers,
-- the refresh of the KPI view) must see all rows, and nobody logs in as the owner.

GRANT USAGE ON SCHEMA tally TO tallyline_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, tally TO tallyline_worker;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA tally TO tallyline_worker;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA tally FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tally TO tallyline_worker;

-- Fails closed: without a tenant (or with the empty string that a finished
-- transaction leaves behind) no row matches.
CREATE FUNCTION public.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT nullif(current_setting('tally.user_id', true), '')::uuid $$;

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY users_worker ON public.users TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY users_api ON public.users FOR SELECT TO tallyline_api USING (id = public.current_tenant());
GRANT SELECT (id, email, name, credits_micros, credits, is_active, created_at, updated_at, role, company, website, location, bio, phone,
    last_login, timezone, currency, default_country_code, score_scale, dimension_scale, hot_threshold_percent, warm_threshold_percent,
    cold_threshold_percent, billing_pulse_seconds, credits_per_minute_micros, low_credit_level) ON public.users TO tallyline_api;

ALTER TABLE public.agents ENABLE ROW LEVEL SECURITY;
CREATE POLICY agents_worker ON public.agents TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY agents_api ON public.agents FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.agents TO tallyline_api;

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY contacts_worker ON public.contacts TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY contacts_api ON public.contacts FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.contacts TO tallyline_api;

ALTER TABLE public.calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY calls_worker ON public.calls TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY calls_api ON public.calls FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.calls TO tallyline_api;

ALTER TABLE public.transcripts ENABLE ROW LEVEL SECURITY;
CREATE POLICY transcripts_worker ON public.transcripts TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY transcripts_api ON public.transcripts FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.transcripts TO tallyline_api;

ALTER TABLE public.twilio_processed_calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY twilio_processed_calls_worker ON public.twilio_processed_calls TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY twilio_processed_calls_api ON public.twilio_processed_calls FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.twilio_processed_calls TO tallyline_api;

ALTER TABLE public.lead_analytics ENABLE ROW LEVEL SECURITY;
CREATE POLICY lead_analytics_worker ON public.lead_analytics TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY lead_analytics_api ON public.lead_analytics FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.lead_analytics TO tallyline_api;

ALTER TABLE public.credit_transactions ENABLE ROW LEVEL SECURITY;
CREATE POLICY credit_transactions_worker ON public.credit_transactions TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY credit_transactions_api ON public.credit_transactions FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.credit_transactions TO tallyline_api;

ALTER TABLE public.follow_ups ENABLE ROW LEVEL SECURITY;
CREATE POLICY follow_ups_worker ON public.follow_ups TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY follow_ups_api ON public.follow_ups FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.follow_ups TO tallyline_api;

ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY customers_worker ON public.customers TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY customers_api ON public.customers FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.customers TO tallyline_api;

ALTER TABLE public.user_sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_sessions_worker ON public.user_sessions TO tallyline_worker USING (true) WITH CHECK (true);

ALTER TABLE public.user_analytics ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_analytics_worker ON public.user_analytics TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY user_analytics_api ON public.user_analytics FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.user_analytics TO tallyline_api;

ALTER TABLE public.agent_analytics ENABLE ROW LEVEL SECURITY;
CREATE POLICY agent_analytics_worker ON public.agent_analytics TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY agent_analytics_api ON public.agent_analytics FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.agent_analytics TO tallyline_api;

ALTER TABLE public.call_analytics_cache ENABLE ROW LEVEL SECURITY;
CREATE POLICY call_analytics_cache_worker ON public.call_analytics_cache TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY call_analytics_cache_api ON public.call_analytics_cache FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.call_analytics_cache TO tallyline_api;

ALTER TABLE public.dashboard_cache ENABLE ROW LEVEL SECURITY;
CREATE POLICY dashboard_cache_worker ON public.dashboard_cache TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY dashboard_cache_api ON public.dashboard_cache FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON public.dashboard_cache TO tallyline_api;

GRANT SELECT ON public.user_daily_analytics TO tallyline_api;

-- A materialized view knows no row-level security, so a tenant reads its row through this.
CREATE VIEW public.my_kpi_summary WITH (security_barrier = true) AS
SELECT * FROM public.user_kpi_summary WHERE user_id = public.current_tenant();
GRANT SELECT ON public.my_kpi_summary TO tallyline_api;
