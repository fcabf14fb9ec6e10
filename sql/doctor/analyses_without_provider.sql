-- Returns the tenants with analyses to be made and nobody to make them, with the command that sets a provider.
SELECT format('%s of tenant %s', count(*), a.user_id), format('tallyline tenant analysis set %s --provider rules', a.user_id)
FROM tally.call_analyses a
LEFT JOIN tally.analysis_settings s ON s.user_id = a.user_id
WHERE a.state = 'pending' AND coalesce(s.provider, 'off') = 'off'
GROUP BY a.user_id
ORDER BY count(*) DESC
