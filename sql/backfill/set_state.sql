-- Pauses, resumes or cancels backfill $1 if it is in one of the states $3; returns its new state.
-- $2 running, paused or cancelled. Units under way end; none begins after a pause.
UPDATE tally.backfills b
SET state = $2,
    running_since = CASE WHEN $2 = 'running' THEN t.at ELSE b.running_since END,
    finished_at = CASE WHEN $2 = 'cancelled' THEN t.at END
FROM (SELECT clock_timestamp() AS at) t
WHERE b.id = $1 AND b.state = ANY ($3::text[])
RETURNING b.state
