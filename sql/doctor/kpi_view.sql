-- Returns a row when the KPI view was refreshed more than $1 seconds ago, with the command that refreshes it.
SELECT format('refreshed %s s ago', (extract(epoch FROM now()) - config_value::float8)::bigint), 'tallyline jobs enqueue refresh_kpi_summary'
FROM public.system_config
WHERE config_key = 'last_kpi_refresh' AND config_value ~ '^[0-9]+(\.[0-9]+)?$'
  AND config_value::float8 < extract(epoch FROM now()) - $1
