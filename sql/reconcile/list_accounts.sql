-- Returns the accounts of a tenant, or of all when null, without their keys. $1 tenant.
SELECT user_id, provider, base_url, account_sid, created_at, disabled_at, disabled_reason, reconciled_until, last_run_at, last_error
FROM tally.provider_accounts
WHERE $1::uuid IS NULL OR user_id = $1
ORDER BY user_id, provider
