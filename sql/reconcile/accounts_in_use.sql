-- Returns the accounts in use of an active tenant. $1 tenant, $2 the reserved account that is no tenant.
SELECT a.provider, a.base_url, a.account_sid, a.sealed_key, a.reconciled_until, h.frozen_before AS "frozen_before?"
FROM tally.provider_accounts a
JOIN public.users u ON u.id = a.user_id
LEFT JOIN tally.history_horizons h ON h.user_id = a.user_id
WHERE a.user_id = $1 AND a.user_id <> $2 AND a.disabled_at IS NULL AND u.is_active
ORDER BY a.provider
