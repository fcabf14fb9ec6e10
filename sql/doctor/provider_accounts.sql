-- Returns the accounts whose last run failed or that the provider refuses, with the command that sets their key again.
SELECT format('%s of tenant %s: %s', provider, user_id, coalesce(disabled_reason, last_error)),
       format('tallyline tenant provider set --tenant %s --provider %s%s', user_id, provider, ' --account-sid ' || account_sid)
FROM tally.provider_accounts
WHERE coalesce(disabled_reason, last_error) IS NOT NULL AND disabled_reason IS DISTINCT FROM 'operator'
ORDER BY user_id, provider
