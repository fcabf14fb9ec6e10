-- Returns one row: server, clock, tenants, the planner's estimate of calls, ages of the KPI view and of the oldest dashboard cache.
SELECT now() AS "at!",
       current_setting('server_version') AS "database_version!",
       (SELECT count(*) FROM public.users) AS "tenants!",
       -- Below zero: the table was never analysed, so there is no estimate.
       (SELECT reltuples::bigint FROM pg_class WHERE oid = 'public.calls'::regclass AND reltuples >= 0) AS calls_estimate,
       (SELECT extract(epoch FROM now())::float8 - config_value::float8
        FROM public.system_config WHERE config_key = 'last_kpi_refresh') AS kpi_view_age_seconds,
       (SELECT extract(epoch FROM now() - min(updated_at))::float8 FROM public.dashboard_cache) AS dashboard_cache_oldest_seconds
