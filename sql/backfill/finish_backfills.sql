-- Ends running backfills without a unit left to do; returns their ids and how they ended.
UPDATE tally.backfills b
SET state = CASE WHEN EXISTS (SELECT FROM tally.backfill_units u WHERE u.backfill_id = b.id AND u.state = 'failed')
                 THEN 'failed' ELSE 'done' END,
    finished_at = t.at
FROM (SELECT clock_timestamp() AS at) t
WHERE b.state = 'running' AND NOT EXISTS (
    SELECT FROM tally.backfill_units u WHERE u.backfill_id = b.id AND u.state IN ('ready', 'marked'))
RETURNING b.id, b.state
