-- Deletes notes of what providers were asked, past their retention, at most 10,000; returns nothing. $1 days.
DELETE FROM tally.provider_checks WHERE (user_id, provider, ref) IN (
    SELECT p.user_id, p.provider, p.ref FROM tally.provider_checks p
    WHERE p.checked_at < now() - make_interval(days => $1) LIMIT 10000)
