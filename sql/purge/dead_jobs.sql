-- Deletes dead letters past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.dead_jobs WHERE dead_id IN (
    SELECT d.dead_id FROM tally.dead_jobs d WHERE d.dead_at < now() - make_interval(days => $1) LIMIT 10000)
