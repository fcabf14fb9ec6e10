-- Returns the tenants with analyses that failed within a day and why, with the command that tries them again.
SELECT format('%s of tenant %s (%s)', count(*), user_id, max(error_code)), format('tallyline analyses retry --tenant %s --failed', user_id)
FROM tally.call_analyses
WHERE state = 'failed' AND finished_at > now() - interval '1 day'
GROUP BY user_id
ORDER BY count(*) DESC
