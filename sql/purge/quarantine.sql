-- Deletes quarantined events past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.quarantine WHERE (user_id, id) IN (
    SELECT q.user_id, q.id FROM tally.quarantine q WHERE q.created_at < now() - make_interval(days => $1) LIMIT 10000)
