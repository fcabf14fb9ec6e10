-- Deletes units of backfills that ended before the retention, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.backfill_units WHERE (user_id, backfill_id, from_time) IN (
    SELECT n.user_id, n.backfill_id, n.from_time
    FROM tally.backfill_units n JOIN tally.backfills b ON b.id = n.backfill_id
    WHERE b.finished_at < now() - make_interval(days => $1) LIMIT 10000)
