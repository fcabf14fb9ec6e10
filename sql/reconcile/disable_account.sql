-- Takes a tenant's account out of use; returns nothing. $1 tenant, $2 provider, $3 reason, $4 the sealed key that was used, or null.
UPDATE tally.provider_accounts a SET disabled_at = coalesce(a.disabled_at, clock.now), disabled_reason = coalesce(a.disabled_reason, $3)
FROM (SELECT now() AS now) clock
WHERE a.user_id = $1 AND a.provider = $2 AND ($4::bytea IS NULL OR a.sealed_key = $4)
