-- Deletes differences past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.audit_differences WHERE (user_id, id) IN (
    SELECT d.user_id, d.id FROM tally.audit_differences d WHERE d.detected_at < now() - make_interval(days => $1) LIMIT 10000)
