-- Locks the next unit that may be worked on, the newest days first, and returns it; none when there is none or others work on all.
-- By marks one unit at a time: the next begins when the roll-up has worked off the last.
SELECT u.user_id, u.backfill_id, u.from_time, u.to_time, u.attempts, b.method, b.max_calls_per_second
FROM tally.backfills b
JOIN tally.backfill_units u ON u.backfill_id = b.id
WHERE b.state = 'running' AND b.next_unit_at <= now() AND u.state = 'ready' AND u.not_before <= now()
  AND (b.method = 'scan' OR NOT EXISTS (
      SELECT FROM tally.backfill_units w WHERE w.backfill_id = b.id AND w.state = 'marked'))
ORDER BY u.to_time DESC, u.user_id
LIMIT 1
FOR UPDATE OF u SKIP LOCKED
