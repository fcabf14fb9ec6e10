-- Asks for the caches of the given tenants and for the KPI view; returns nothing of use.
-- $1 tenants in order, $2 debounce of the caches in seconds, $3 debounce of the view in seconds.
SELECT count(r.id) AS "requests!"
FROM (
    SELECT tally.request_job('rebuild_dashboards', 'tenant', t.user_id, make_interval(secs => $2)) AS id
    FROM unnest($1::uuid[]) AS t (user_id)
    UNION ALL
    SELECT tally.request_job('refresh_kpi_summary', 'view', NULL, make_interval(secs => $3))
) r
