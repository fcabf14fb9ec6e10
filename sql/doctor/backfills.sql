-- Returns the backfills that are paused, or have failed within a week, with the command that goes on with them.
SELECT format('%s is %s', id, state), format('tallyline backfill resume %s', id)
FROM tally.backfills
WHERE state = 'paused' OR (state = 'failed' AND finished_at > now() - interval '7 days')
ORDER BY created_at DESC
