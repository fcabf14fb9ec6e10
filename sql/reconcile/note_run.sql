-- Notes how a run over an account ended; returns nothing. $1 tenant, $2 provider, $3 when it began, $4 the error's code or null.
UPDATE tally.provider_accounts SET last_run_at = $3, last_error = $4 WHERE user_id = $1 AND provider = $2
