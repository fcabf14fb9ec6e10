-- Asks for the reconciliation of every active tenant with an account in use, and counts the active tenants without any.
-- In the order of tenants. $1 the reserved account that is no tenant, $2 queue, $3 priority, $4 attempts.
SELECT count(tally.request_job('reconcile_calls', 'tenant', t.id, interval '0', '{}', $2, $3, $4)) FILTER (WHERE t.has_account) AS "requests!",
       count(*) FILTER (WHERE NOT t.has_account) AS "without!"
FROM (
    SELECT u.id, EXISTS (SELECT FROM tally.provider_accounts a WHERE a.user_id = u.id AND a.disabled_at IS NULL) AS has_account
    FROM public.users u
    WHERE u.is_active AND u.id <> $1
    ORDER BY u.id
) t
