-- Returns the tenants with buckets that fail and the last error, with the command that looks into them.
SELECT format('%s of tenant %s: %s', count(*), user_id, left(max(last_error), 100)), format('tallyline verify --tenant %s --repair', user_id)
FROM tally.rollup_buckets
WHERE failures > 0
GROUP BY user_id
ORDER BY count(*) DESC
