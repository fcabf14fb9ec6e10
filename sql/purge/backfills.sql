-- Deletes backfills that ended before the retention and have no units any more, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.backfills WHERE id IN (
    SELECT b.id FROM tally.backfills b
    WHERE b.finished_at < now() - make_interval(days => $1)
      AND NOT EXISTS (SELECT FROM tally.backfill_units n WHERE n.backfill_id = b.id)
    LIMIT 10000)
