-- Sets backfill $1 to the state $2: running, paused or cancelled. Units under way end; none begins after a pause.
UPDATE tally.backfills b
SET state = $2,
    running_since = CASE WHEN $2 = 'running' THEN t.at ELSE b.running_since END,
    finished_at = CASE WHEN $2 = 'cancelled' THEN t.at END
FROM (SELECT clock_timestamp() AS at) t
WHERE b.id = $1
