-- Returns provider accounts with how far each has been read, those furthest behind first, at most $1; with calls that the provider
-- does not know and answers that cannot be used.
SELECT a.user_id AS "user_id!", u.name AS "name!", a.provider AS "provider!", a.disabled_reason, a.reconciled_until,
       extract(epoch FROM now() - coalesce(a.reconciled_until, a.created_at))::float8 AS behind_seconds, a.last_run_at, a.last_error,
       coalesce(c.unknown, 0) AS "unknown!", coalesce(c.refused, 0) AS "refused!"
FROM tally.provider_accounts a
JOIN public.users u ON u.id = a.user_id
LEFT JOIN (
    SELECT user_id, provider, count(*) FILTER (WHERE result = 'unknown') AS unknown, count(*) FILTER (WHERE result = 'refused') AS refused
    FROM tally.provider_checks WHERE conflict IS NULL GROUP BY user_id, provider
) c ON c.user_id = a.user_id AND c.provider = a.provider
ORDER BY a.disabled_at IS NOT NULL, coalesce(a.reconciled_until, a.created_at), a.user_id, a.provider
LIMIT $1
