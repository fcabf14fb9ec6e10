-- Returns the tenants with differences that were found since last night, with the command that looks again.
SELECT format('%s figures of tenant %s', count(*), user_id), format('tallyline verify --tenant %s', user_id)
FROM tally.audit_differences
WHERE detected_at > now() - interval '26 hours'
GROUP BY user_id
ORDER BY count(*) DESC
