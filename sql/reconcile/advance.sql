-- Moves the watermark forward, never back; returns nothing. $1 tenant, $2 provider, $3 until when, $4 address, $5 account
-- that were read: one that was changed meanwhile is not.
UPDATE tally.provider_accounts SET reconciled_until = greatest(reconciled_until, $3)
WHERE user_id = $1 AND provider = $2 AND base_url = $4 AND account_sid IS NOT DISTINCT FROM $5
