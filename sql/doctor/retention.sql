-- Returns a row when a body is in the inbox that came more than $1 days ago and is done with, with the command that purges.
SELECT format('the oldest is of %s', i.received_at::timestamp(0)), 'tallyline jobs enqueue purge_expired'
FROM tally.inbox i
WHERE i.body IS NOT NULL AND i.received_at < now() - make_interval(days => $1::int)
  AND NOT EXISTS (SELECT FROM tally.inbox_pending p WHERE p.user_id = i.user_id AND p.inbox_id = i.id)
  AND NOT EXISTS (SELECT FROM tally.quarantine q WHERE q.user_id = i.user_id AND q.inbox_id = i.id)
LIMIT 1
