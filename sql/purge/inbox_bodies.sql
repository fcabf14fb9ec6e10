-- Strips raw bodies past their retention from events that are done with, at most 1,000; returns nothing. The row stays, so
-- that the same webhook sent again is still a duplicate. $1 days.
UPDATE tally.inbox SET body = NULL WHERE (user_id, id) IN (
    SELECT i.user_id, i.id FROM tally.inbox i
    WHERE i.body IS NOT NULL AND i.received_at < now() - make_interval(days => $1)
      AND NOT EXISTS (SELECT FROM tally.inbox_pending p WHERE p.user_id = i.user_id AND p.inbox_id = i.id)
      AND NOT EXISTS (SELECT FROM tally.quarantine q WHERE q.user_id = i.user_id AND q.inbox_id = i.id)
    LIMIT 1000)
