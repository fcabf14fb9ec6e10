-- Writes a tenant's account at a provider; no row when there is no such tenant. Another address or account begins anew.
-- $1 tenant, $2 provider, $3 address, $4 Twilio's account, $5 the sealed key.
INSERT INTO tally.provider_accounts AS a (user_id, provider, base_url, account_sid, sealed_key)
SELECT u.id, $2, $3, $4, $5 FROM public.users u WHERE u.id = $1
ON CONFLICT (user_id, provider) DO UPDATE SET
    base_url = EXCLUDED.base_url,
    account_sid = EXCLUDED.account_sid,
    sealed_key = EXCLUDED.sealed_key,
    disabled_at = NULL,
    disabled_reason = NULL,
    last_error = NULL,
    reconciled_until = CASE
        WHEN a.base_url = EXCLUDED.base_url AND a.account_sid IS NOT DISTINCT FROM EXCLUDED.account_sid THEN a.reconciled_until
    END
