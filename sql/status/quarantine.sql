-- Returns the events in quarantine by reason, most first.
SELECT reason, count(*) AS "events!"
FROM tally.quarantine
GROUP BY reason
ORDER BY count(*) DESC, reason
